"""What a run may start from."""

import json
import shutil
from pathlib import Path

import pytest

from classifier.exceptions import ModelNotReady
from tests import tiny
from training.config import BaseConfig
from training.learning.bases import find_base, open_base


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_base_that_brings_code_is_refused(file: str, tmp_path: Path) -> None:
    """Before any library has read its settings."""
    base = Path(shutil.copytree(tiny.write_base_model(tmp_path / "plain"), tmp_path / "base"))
    settings = json.loads((base / file).read_text())
    (base / file).write_text(json.dumps(settings | {"auto_map": {"AutoModel": "evil.Model"}}))
    config = BaseConfig(base_model=str(base))

    with pytest.raises(ModelNotReady, match="auto_map"):
        open_base(find_base(config, models_dir=tmp_path), config)


def test_a_base_without_code_is_opened(tmp_path: Path) -> None:
    config = BaseConfig(base_model=str(tiny.write_base_model(tmp_path / "plain")))

    _, settings, tokenizer = open_base(find_base(config, models_dir=tmp_path), config)

    assert settings.vocab_size == len(tokenizer)
