"""What we answer, as Label Studio's SDK reads it; docs/how-to/label-studio.md tells how."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.classifier.label_studio.projects import CONFIG, post, predict_request, task
from tests.classifier.label_studio.test_label_config import documented

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("served_model", "open_door"),
    pytest.mark.filterwarnings("default"),  # those of its dependencies are not ours
]

ALIASES = """<View><Text name="t" value="$text"/><Choices name="c" toName="t">
    <Choice value="Good" alias="positive"/><Choice value="Bad" alias="negative"/>
    </Choices></View>"""


@pytest.fixture
def label_interface() -> Any:
    return pytest.importorskip("label_studio_sdk.label_interface").LabelInterface


@pytest.mark.parametrize("config", [CONFIG, documented(), ALIASES], ids=["five", "ten", "alias"])
def test_a_pre_annotation_is_valid_in_its_project(
    config: str, client: Client, served_model: Path, label_interface: Any
) -> None:
    interface = label_interface(config)
    interface.validate()
    tasks = [task(text) for text in ("superb joy", "awful bore", "")]

    answer = post(client, "predict", predict_request(*tasks, config=config)).json()

    for one, result in zip(tasks, answer["results"], strict=True):
        assert interface.validate_prediction(result, return_errors=True) == []
        assert interface.validate_task(one)
    wrong = answer["results"][0]
    wrong["result"][0]["value"]["choices"] = ["Wonderful"]
    assert interface.validate_prediction(wrong, return_errors=True)
