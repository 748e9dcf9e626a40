import pytest
from pytest_django import Settings

from tests.classifier.label_studio.projects import SECRET


@pytest.fixture
def open_door(settings: Settings) -> None:
    settings.LABEL_STUDIO_SECRET = SECRET
