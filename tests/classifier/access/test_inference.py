"""The forms of others: their own clients against the site, and every error in their shape."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from huggingface_hub import InferenceClient, constants
from huggingface_hub.errors import HfHubHTTPError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from classifier.models import Prediction
from classifier.predictor import holder
from classifier.windows import softmax
from tests.classifier.access.conftest import JSON
from tests.site import Site

HUB, TEI = "/api/inference", "/predict"
ERROR_TYPES = {"Empty", "Validation", "Overloaded", "Unhealthy"}

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


def ask(client: Client, path: str, data: Any, status: int = 200, **headers: str) -> Any:
    body = data if isinstance(data, str) else json.dumps(data)
    response = client.post(path, body, content_type=JSON, headers=headers)
    assert response.status_code == status, response.content
    return response.json()


def error_of(client: Client, path: str, data: Any, status: int, **headers: str) -> dict[str, Any]:
    said: dict[str, Any] = ask(client, path, data, status, **headers)
    assert list(said) == ["error", "error_type"]
    assert said["error_type"] in ERROR_TYPES
    assert isinstance(said["error"], str)
    return said


def test_the_hubs_own_client_works_unmodified(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # as all other tests have it
    made = site.manage("api_key", "create", "notebook", "--scopes", "rate", "read")
    address, secret = f"{site.url}{HUB}", made.strip()

    said = InferenceClient(model=address, token=secret).text_classification("a lovely film")

    [newest] = read(site, "/api/predictions?limit=1", secret)["results"]
    assert newest["text"] == "a lovely film"
    assert [(one.label, one.score) for one in said] == [
        ("POSITIVE", newest["score"]),
        ("NEGATIVE", pytest.approx(1 - newest["score"])),
    ]

    client = InferenceClient(model=f"{site.url}/api/v1/inference", api_key=secret)
    [top] = client.text_classification("an awful bore", top_k=1, function_to_apply="sigmoid")
    assert top.label == "NEGATIVE"
    assert 0.5 < top.score < 1

    # On a machine that is logged in to the Hub, whose token goes to every address
    assert InferenceClient(model=address, token="hf_x").text_classification("good")
    with pytest.raises(HfHubHTTPError) as refused:
        InferenceClient(model=address, token="rs_another").text_classification("good")
    assert refused.value.response.status_code == 401
    with pytest.raises(HfHubHTTPError, match="white space") as refused:
        client.text_classification("  ")
    assert refused.value.response.status_code == 400


def read(site: Site, path: str, secret: str) -> Any:
    request = urllib.request.Request(
        f"{site.url}{path}", headers={"Authorization": f"Bearer {secret}"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


@pytest.mark.django_db
def test_a_list_is_answered_with_a_list_for_each(client: Client, served_model: Path) -> None:
    for path, data in (
        (HUB, {"inputs": ["superb joy", "awful bore"]}),
        (TEI, {"inputs": [["superb joy"], ["awful bore"]]}),
    ):
        answers = ask(client, path, data)
        assert [answer[0]["label"] for answer in answers] == ["POSITIVE", "NEGATIVE"]
        assert all(set(one) == {"label", "score"} for answer in answers for one in answer)
        for answer in answers:
            assert sum(one["score"] for one in answer) == pytest.approx(1)
            assert answer[0]["score"] > answer[1]["score"]
    assert Prediction.objects.count() == 4


@pytest.mark.django_db
def test_one_text_is_nested_for_the_hub_and_not_for_tei(client: Client, served_model: Path) -> None:
    [hub] = ask(client, HUB, {"inputs": "superb joy"})

    assert ask(client, TEI, {"inputs": "superb joy", "truncate": True}) == hub
    assert ask(client, TEI, {"inputs": ["superb joy"]}) == hub
    assert ask(client, TEI, {"inputs": [["superb joy"]]}) == [hub]
    assert ask(client, HUB, {"inputs": ["superb joy"]}) == [hub]


@pytest.mark.django_db
def test_scores_are_made_of_the_models_own_outputs(client: Client, served_model: Path) -> None:
    text = "a lovely film , with a dull plot"
    logits = holder.get().outputs([text]).logits[0]
    by_label = dict(zip(holder.get().artefact.labels, logits, strict=True))

    def said(function: str) -> dict[str, float]:
        data = {"inputs": text, "parameters": {"function_to_apply": function}}
        return {one["label"]: one["score"] for one in ask(client, HUB, data)[0]}

    assert said("none") == pytest.approx(by_label)
    assert said("sigmoid") == pytest.approx({k: 1 / (1 + np.exp(-v)) for k, v in by_label.items()})
    assert sorted(said("softmax").values()) == pytest.approx(sorted(softmax(logits)))
    raw = ask(client, TEI, {"inputs": text, "raw_scores": True})
    assert {one["label"]: one["score"] for one in raw} == pytest.approx(by_label)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "data", "status", "kind", "said"),
    [
        (HUB, {}, 400, "Empty", "inputs"),
        (TEI, {}, 400, "Empty", "inputs"),
        (HUB, {"inputs": []}, 400, "Empty", "inputs"),
        (TEI, {"inputs": ""}, 400, "Empty", "white space"),
        (HUB, {"inputs": ["good", " "]}, 400, "Empty", "inputs[1]"),
        (HUB, {"inputs": 5}, 400, "Validation", "a number"),
        (TEI, {"inputs": 5}, 413, "Validation", "a number"),
        (HUB, {"inputs": {"text": "good"}}, 400, "Validation", "an object"),
        (TEI, {"inputs": ["a", "b"]}, 422, "Validation", "reads one text"),
        (TEI, {"inputs": [["a"], ["b", "c"]]}, 422, "Validation", "inputs[1]"),
        (TEI, {"inputs": [["a"], "b"]}, 422, "Validation", "inputs[1]"),
        (TEI, {"inputs": [[]]}, 422, "Validation", "inputs[0]"),
        (HUB, {"inputs": ["a"] * 65}, 400, "Validation", "65 texts"),
        (TEI, {"inputs": [["a"]] * 65}, 413, "Validation", "65 texts"),
        (TEI, {"inputs": "a" * 100_001}, 413, "Validation", "100,001"),
        (TEI, {"inputs": "a", "raw_scores": 1}, 422, "Validation", "raw_scores"),
        (HUB, {"inputs": "a", "parameters": []}, 200, "", ""),
        (HUB, {"inputs": "a", "parameters": [1]}, 400, "Validation", "a list"),
        (HUB, {"inputs": "a", "parameters": {"top_k": 0}}, 400, "Validation", "top_k"),
        (HUB, {"inputs": "a", "parameters": {"top_k": True}}, 400, "Validation", "top_k"),
        (HUB, {"inputs": "a", "parameters": {"top_k": None}}, 200, "", ""),
        (HUB, {"inputs": "a", "parameters": {"max": 1}}, 400, "Validation", "'max'"),
        (
            *(HUB, {"inputs": "a", "parameters": {"function_to_apply": "tanh"}}),
            *(400, "Validation", "softmax"),
        ),
        (HUB, "{", 400, "Validation", "JSON"),
        (TEI, "[1]", 422, "Validation", "JSON object"),
        (TEI, '{"inputs": "\\ud800"}', 422, "Validation", "surrogate"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_request_is_told_in_their_shape(
    path: str, data: Any, status: int, kind: str, said: str, client: Client, served_model: Path
) -> None:
    if status == 200:
        ask(client, path, data)
        return
    error = error_of(client, path, data, status)

    assert error["error_type"] == kind
    assert said in error["error"]
    assert not Prediction.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("path", [HUB, TEI])
def test_keys_limits_and_an_absent_model_are_told_in_their_shape(
    path: str, client: Client, no_model: Path, settings: Settings
) -> None:
    settings.RATE_LIMIT = 2
    data = {"inputs": "good"}

    assert error_of(client, path, data, 503)["error_type"] == "Unhealthy"
    assert error_of(client, path, data, 401, Authorization="Bearer rs_x")["error_type"]
    assert error_of(client, path, data, 429)["error_type"] == "Overloaded"


@pytest.mark.django_db
@pytest.mark.parametrize("path", [HUB, TEI])
def test_another_method_is_told_in_their_shape(path: str, client: Client) -> None:
    response = client.get(path)

    assert response.status_code == 405
    assert set(response.json()) == {"error", "error_type"}


@pytest.mark.django_db
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from([HUB, TEI]),
    data=any_json | st.fixed_dictionaries({"inputs": any_json}, optional={"parameters": any_json}),
)
def test_any_json_is_rated_or_refused(
    path: str, data: Any, client: Client, served_model: Path
) -> None:
    response = client.post(path, json.dumps(data), content_type=JSON)

    assert response.status_code in (200, 400, 413, 422)
    if response.status_code != 200:
        assert set(response.json()) == {"error", "error_type"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status", "remedy"),
    [(HUB, 400, "/api/predict, with text_pair"), (TEI, 422, '{"inputs": ["...", "..."]}')],
)
@pytest.mark.parametrize("inputs", ["a good film", ["a good film"]])
def test_a_model_of_pairs_says_where_they_are_read(
    path: str, status: int, remedy: str, inputs: Any, client: Client, pairs_model: Path
) -> None:
    error = error_of(client, path, {"inputs": inputs}, status)

    assert error["error_type"] == "Validation"
    assert "reads two texts" in error["error"]
    assert remedy in error["error"]
    assert not Prediction.objects.exists()


@pytest.mark.django_db
def test_a_pair_is_rated_in_teis_form(client: Client, pairs_model: Path) -> None:
    pairs = [["was it a good film", "a superb film"], ["was it dull", "an awful bore"]]

    one = ask(client, TEI, {"inputs": pairs[0]})
    both = ask(client, TEI, {"inputs": pairs})

    said = holder.get().classify(*map(list, zip(*pairs, strict=True)))
    assert [{each["label"]: each["score"] for each in answer} for answer in both] == [
        pytest.approx(each.probabilities) for each in said
    ]
    assert one == both[0] != both[1]
    assert one[0]["score"] > one[1]["score"]
    assert ask(client, TEI, {"inputs": pairs[:1]}) == [one]
    kept = Prediction.objects.filter(text=pairs[1][0]).get()
    assert kept.text_pair == pairs[1][1]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([["a", "b"], ["c"]], "inputs[1]: The inputs of a request are all"),
        ([["a"], ["b", "c"]], "inputs[1]: The inputs of a request are all"),
        (["a", "b", "c"], "inputs: An input is a list of one text, or of two"),
        ([["a", "b"], "c"], "inputs[1]: An input is a list of one text, or of two"),
        ([["a", "b"], ["c", " "]], "inputs[1][1]: A text must have"),
        (["a", ""], "inputs[1]: A text must have"),
        (["", "b"], "inputs[0]: A text must have"),
        ([["a", 5]], "inputs[0][1]: A text must be a string."),
    ],
    ids=str,
)
def test_a_bad_pair_is_told_by_its_place(
    inputs: Any, said: str, client: Client, pairs_model: Path
) -> None:
    response = client.post(TEI, json.dumps({"inputs": inputs}), content_type=JSON)

    assert response.status_code in (400, 422)
    assert response.json()["error"].startswith(said)
    assert not Prediction.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("inputs", [["a", "b"], [["a", "b"]], [["a", "b"], ["c", "d"]]])
def test_a_pair_is_refused_by_a_model_of_one_text(
    inputs: Any, client: Client, served_model: Path
) -> None:
    error = error_of(client, TEI, {"inputs": inputs}, 422)

    assert error["error"].startswith("inputs: The model that is served reads one text.")
    assert '[["..."], ["..."]]' in error["error"]
    assert not Prediction.objects.exists()


@pytest.mark.django_db
def test_without_a_model_nobody_knows_of_pairs(client: Client, no_model: Path) -> None:
    assert error_of(client, TEI, {"inputs": ["a", "b"]}, 503)["error_type"] == "Unhealthy"
