"""Predictions read by programs: who may, which, in what pages, and what has not changed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from classifier.models import ApiKey, Prediction
from tests.factories import make_prediction

pytestmark = pytest.mark.django_db

LIST = "/api/predictions"
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def reader(client: Client) -> Client:
    """A program with a key to read."""
    _, secret = ApiKey.objects.issue("reader", scopes=["read"])
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return client


def texts(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [one["text"] for one in answer.json()["results"]]


def error_code(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.content
    return str(answer.json()["error"]["code"])


@pytest.fixture
def kept() -> list[Prediction]:
    return [
        make_prediction(
            f"text {number}",
            created_at=START + timedelta(days=number),
            rating=number + 1,
            label="POSITIVE" if number > 4 else "NEGATIVE",
            source=Prediction.Source.FORM if number % 2 else Prediction.Source.API,
        )
        for number in range(10)
    ]


def test_neither_strangers_nor_users_without_the_right_read(
    client: Client, django_user_model: type[User], kept: list[Prediction]
) -> None:
    address = f"{LIST}/{kept[0].pk}"
    visitor = django_user_model.objects.create_user("visitor", password="visitor")
    staff = django_user_model.objects.create_user("staff", password="staff", is_staff=True)
    for user in (None, visitor, staff):
        if user:
            client.force_login(user)
        assert error_code(client.get(LIST), 401) == "key_missing"
        assert error_code(client.get(address), 401) == "key_missing"

    staff.user_permissions.add(Permission.objects.get(codename="view_prediction"))
    assert client.get(LIST).status_code == 200
    assert client.get(address).status_code == 200
    wrong = client.get(LIST, headers={"Authorization": "Bearer rs_wrong"})
    assert error_code(wrong, 401) == "key_unknown"


def test_staff_read_where_keys_are_required_too(
    admin_client: Client, kept: list[Prediction], settings: Settings
) -> None:
    settings.API_KEYS = "required"

    assert admin_client.get(LIST).status_code == 200


def test_each_prediction_has_its_text_and_what_was_said_of_it(reader: Client) -> None:
    prediction = make_prediction("a warm film", rating_low=7, rating_high=10)

    [listed] = reader.get(LIST).json()["results"]

    assert listed == reader.get(f"{LIST}/{prediction.pk}").json()
    assert listed["id"] == str(prediction.pk)
    assert listed["text"] == "a warm film"
    assert listed["rating_interval"] == [7, 10]
    assert (listed["source"], listed["model"]) == ("api", "tiny@0123456789ab")
    assert datetime.fromisoformat(listed["created_at"]) == prediction.created_at


@pytest.mark.parametrize("identifier", ["none", "00000000-0000-0000-0000-000000000000", "%00"])
def test_what_is_not_there_is_not_found(identifier: str, reader: Client) -> None:
    assert error_code(reader.get(f"{LIST}/{identifier}"), 404) == "not_found"


def test_pages_follow_each_other_and_lose_nothing_that_comes_between(
    reader: Client, kept: list[Prediction]
) -> None:
    found, address = [], f"{LIST}?limit=4"
    while address:
        page = reader.get(address)
        found += texts(page)
        make_prediction("newer")
        address = page.json()["next"]

    assert found == [f"text {number}" for number in reversed(range(10))]
    previous = reader.get(page.json()["previous"])
    assert texts(previous) == [f"text {number}" for number in (5, 4, 3, 2)]


def test_the_pages_of_the_versioned_address_are_versioned(
    reader: Client, kept: list[Prediction]
) -> None:
    assert "/api/v1/predictions?" in reader.get("/api/v1/predictions?limit=2").json()["next"]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("source=form", [9, 7, 5, 3, 1]),
        ("label=NEGATIVE", [4, 3, 2, 1, 0]),
        ("rating_min=9", [9, 8]),
        ("rating_max=1", [0]),
        ("rating_min=3&rating_max=4", [3, 2]),
        ("since=2026-03-09T00:00:00Z", [9, 8]),
        ("since=2026-03-09", [9, 8]),
        ("until=2026-03-02T00:00:00%2B00:00", [0]),
        ("since=2026-03-03&until=2026-03-04", [2]),
        ("model=tiny&rating_max=1", [0]),
        ("model=tiny@0123456789ab&rating_max=1", [0]),
        ("model=tiny@other", []),
        ("model=other", []),
        ("source=&rating_max=1", [0]),
    ],
)
def test_a_list_is_filtered(
    query: str, numbers: list[int], reader: Client, kept: list[Prediction]
) -> None:
    assert texts(reader.get(f"{LIST}?{query}")) == [f"text {number}" for number in numbers]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("sauce=form", "filter_unknown"),
        ("source=nobody", "filter_value"),
        ("label=positive", "filter_value"),
        ("rating_min=0", "filter_value"),
        ("rating_max=11", "filter_value"),
        ("rating_max=5.5", "filter_value"),
        ("rating_max=%D9%A5", "filter_value"),
        ("rating_min=1&rating_min=2", "filter_value"),
        ("since=yesterday", "filter_value"),
        ("until=2026-13-01", "filter_value"),
        ("until=0001-01-01T00:00:00%2B23:59", "filter_value"),
        ("model=%00", "filter_value"),
        ("model=" + "x" * 300, "filter_value"),
        ("limit=0", "filter_value"),
        ("limit=201", "filter_value"),
        ("limit=all", "filter_value"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(query: str, code: str, reader: Client) -> None:
    answer = reader.get(f"{LIST}?{query}")

    assert error_code(answer, 400) == code
    assert answer.json()["error"]["remedy"]


@pytest.mark.parametrize("cursor", ["x", "cD1ub3RoaW5n", "bz0tMQ==", "cD0lMDA=", "%00", "0xff"])
def test_a_cursor_of_nowhere_is_an_error_and_no_failure(cursor: str, reader: Client) -> None:
    make_prediction()

    assert reader.get(f"{LIST}?cursor={cursor}").status_code in (200, 404)


def test_a_page_takes_few_queries(
    reader: Client, kept: list[Prediction], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    reader.get(LIST)

    with django_assert_num_queries(1):
        reader.get(LIST)


@pytest.mark.parametrize("path", [LIST, "one", "/api/errors", "/api/schema"])
def test_what_has_not_changed_is_not_sent_again(
    path: str, reader: Client, kept: list[Prediction]
) -> None:
    path = f"{LIST}/{kept[0].pk}" if path == "one" else path
    first = reader.get(path)
    etag = first["ETag"]

    unchanged = reader.get(path, headers={"If-None-Match": etag})
    other = reader.get(path, headers={"If-None-Match": '"another"'})

    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged["ETag"] == etag
    assert (other.status_code, other.content) == (200, first.content)


def test_a_list_that_has_grown_is_sent(reader: Client, kept: list[Prediction]) -> None:
    etag = reader.get(LIST)["ETag"]
    make_prediction("new")

    grown = reader.get(LIST, headers={"If-None-Match": etag})

    assert texts(grown)[0] == "new"


def test_no_cache_in_between_keeps_what_was_read(reader: Client, kept: list[Prediction]) -> None:
    answer = reader.get(LIST)

    assert "private" in answer["Cache-Control"]
    assert {"Authorization", "Cookie"} <= set(answer["Vary"].replace(",", " ").split())


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_is_changed_here(method: str, reader: Client, kept: list[Prediction]) -> None:
    answer = getattr(reader, method)(f"{LIST}/{kept[0].pk}")

    assert error_code(answer, 405) == "method_not_allowed"
    assert Prediction.objects.count() == 10


def test_head_and_options_answer_and_no_other_site_is_let_in(
    reader: Client, kept: list[Prediction]
) -> None:
    head = reader.head(LIST)
    options = reader.options(LIST, headers={"Origin": "https://elsewhere.example"})

    assert (head.status_code, head.content) == (200, b"")
    assert options.status_code == 200
    assert "GET" in options["Allow"]
    for answer in (head, options, reader.get(LIST, headers={"Origin": "https://else.example"})):
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
