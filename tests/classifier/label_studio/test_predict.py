"""The tasks of a project, pre-annotated."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from classifier.models import Prediction
from classifier.predictor import holder
from tests.classifier.label_studio.projects import CONFIG, post, predict_request, task
from tests.classifier.test_api_errors import error_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("served_model", "open_door")]

TEN = CONFIG.replace('<Rating name="stars"', '<Rating maxRating="10" name="stars"')


def predicted(client: Client, *tasks: Any, config: str = CONFIG) -> list[dict[str, Any]]:
    response = post(client, "predict", predict_request(*tasks, config=config))
    assert response.status_code == 200, response.content
    answer = response.json()
    assert len(answer["results"]) == len(tasks)
    results: list[dict[str, Any]] = answer["results"]
    assert {result["model_version"] for result in results} <= {answer["model_version"]}
    return results


def test_a_task_is_answered_with_a_choice_and_stars(client: Client) -> None:
    [result] = predicted(client, task(" superb joy\n"), config=TEN)

    kept = Prediction.objects.get()
    assert (kept.text, kept.source, kept.label) == ("superb joy", "studio", "POSITIVE")
    assert result == {
        "model_version": str(kept.model_version),
        "score": kept.score,
        "result": [
            {
                "id": str(kept.pk),
                "from_name": "sentiment",
                "to_name": "review",
                "type": "choices",
                "value": {"choices": ["Positive"]},
                "score": kept.score,
            },
            {
                "id": f"{kept.pk}-stars",
                "from_name": "stars",
                "to_name": "review",
                "type": "rating",
                "value": {"rating": kept.rating},
                "score": kept.score,
            },
        ],
    }


def test_the_version_is_the_one_that_setup_names(client: Client) -> None:
    predictor = holder.get()

    [result] = predicted(client, task("superb joy"))

    assert result["model_version"] == f"{predictor.name}@{predictor.revision}"


def test_tasks_are_answered_in_their_order(client: Client) -> None:
    texts = ["superb joy", "awful bore", "superb joy", "awful bore", "awful bore"]

    results = predicted(client, *(task(text) for text in texts))

    chosen = [result["result"][0]["value"]["choices"] for result in results]
    assert chosen == [["Positive" if "joy" in text else "Negative"] for text in texts]


def test_a_project_is_answered_in_its_own_words_and_keys(client: Client) -> None:
    config = """<View><Text name="t" value="$body of it"/><Choices name="c" toName="t">
        <Choice value="Gut" alias="positive"/><Choice value="Schlecht" alias="negative"/>
        </Choices></View>"""

    [result] = predicted(client, {"data": {"body of it": "awful bore"}}, config=config)

    [region] = result["result"]  # the project has no stars
    assert (region["from_name"], region["to_name"]) == ("c", "t")
    assert region["value"] == {"choices": ["negative"]}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (task(""), "text_blank"),
        (task(" \n"), "text_blank"),
        (task(None), "text_type"),
        (task(["superb"]), "text_type"),
        (task("a\0b"), "text_nul"),
        (task("\ud800"), "text_surrogate"),
        (task("a" * 100_001), "text_too_long"),
        ({"id": 1, "data": {"review": "superb"}}, "task_text_missing"),
        ({"id": 1, "data": {"\ud800": "superb"}}, "task_text_missing"),
        ({"id": 1, "data": "superb"}, "task_text_missing"),
        ({"id": 1}, "task_text_missing"),
        ("superb", "task_text_missing"),
        (None, "task_text_missing"),
    ],
    ids=lambda given: str(given)[:40].encode("ascii", "replace").decode(),
)
def test_a_task_that_cannot_be_rated_says_why_and_the_others_are_rated(
    bad: Any, code: str, client: Client
) -> None:
    first, second, third = predicted(client, task("superb joy"), bad, task("awful bore"))

    assert [len(first["result"]), len(third["result"])] == [2, 2]
    assert (second["result"], second["score"]) == ([], None)
    error = second["error"]
    assert (error["code"], error["field"]) == (code, "tasks[1].data.text")
    assert all(error[name] for name in ("rule", "value", "remedy"))
    assert "error" not in first
    assert Prediction.objects.count() == 2


def test_tasks_of_which_none_can_be_rated_are_answered_too(client: Client) -> None:
    assert [result["result"] for result in predicted(client, task(""), task(None))] == [[], []]


def test_all_that_are_selected_are_answered_however_many(
    client: Client, settings: Settings
) -> None:
    """Label Studio sends them in one request, and a refusal would be no predictions at all."""
    settings.CLASSIFIER_MAX_TEXTS = 3
    texts = ["superb joy", "", "awful bore", "good", "bad", "fine", "superb", "awful"]

    results = predicted(client, *(task(text) for text in texts))

    kept = {str(row.pk): row.text for row in Prediction.objects.all()}
    assert [kept[result["result"][0]["id"]] if result["result"] else "" for result in results] == (
        texts
    )


def test_no_tasks_have_no_results(client: Client) -> None:
    assert predicted(client) == []


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"tasks": None}, "tasks_list", "tasks"),
        ({"tasks": {"0": task("good")}}, "tasks_list", "tasks"),
        ({"tasks": "good"}, "tasks_list", "tasks"),
        ({"label_config": None}, "label_config_xml", "label_config"),
        ({"label_config": "<View/>"}, "label_config_text", "label_config"),
    ],
)
def test_a_request_without_tasks_or_configuration_is_refused(
    change: dict[str, Any], code: str, field: str, client: Client
) -> None:
    response = post(client, "predict", predict_request(task("good")) | change)

    error = error_of(response)
    assert response.status_code == 400
    assert (error["code"], error["field"]) == (code, field)
    assert not Prediction.objects.exists()


def test_what_label_studio_knows_of_its_data_is_not_asked_for(client: Client) -> None:
    request = predict_request(task("superb joy")) | {"params": {"password": "of its storage"}}
    del request["project"]

    assert post(client, "predict", json.dumps(request)).status_code == 200
