"""The artefact: a directory that plain transformers.pipeline("text-classification") loads."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.checkpoints.manifest import flush_directory

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DRAFTS = ".drafts"  # folder beside the models, no name of one


def save_artefact(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", directory: Path
) -> None:
    """Write weights (safetensors), config and tokenizer; an adapter is merged into the weights.

    The directory appears whole or not at all: it is written beside its place, then renamed.
    """
    adapted: Any = model
    merged = adapted.merge_and_unload() if hasattr(model, "peft_config") else adapted
    draft = directory.with_name(f".{directory.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    merged.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    shutil.rmtree(directory, ignore_errors=True)
    os.replace(draft, directory)


@contextmanager
def draft_of(model_dir: Path) -> Iterator[Path]:
    """Where a model is put together; `publish` makes it appear, else nothing of it stays."""
    draft = model_dir.parent / DRAFTS / model_dir.name
    shutil.rmtree(draft, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        with suppress(OSError):  # another run's draft is in it
            draft.parent.rmdir()


def publish(draft: Path, model_dir: Path) -> None:
    """Make the model in `draft` appear, whole, as `model_dir`, also after a power cut."""
    for path in draft.rglob("*"):
        if path.is_dir():
            flush_directory(path)
        else:
            with path.open("rb") as opened:
                os.fsync(opened.fileno())
    flush_directory(draft)
    shutil.rmtree(model_dir, ignore_errors=True)
    os.replace(draft, model_dir)
    flush_directory(model_dir.parent)


def save_adapter(
    model: "PreTrainedModel", directory: Path, *, base_name: str, base_revision: str
) -> None:
    """Write the adapter alone, naming its base by Hub id, never by a path of this machine."""
    adapted: Any = model
    config = adapted.peft_config["default"]
    config.base_model_name_or_path = base_name
    config.revision = base_revision or None
    config.modules_to_save = [*dict.fromkeys(config.modules_to_save)]  # peft adds each time again
    # Only LoRA and heads are trained: without this peft would ask the Hub about the embeddings.
    adapted.save_pretrained(directory, save_embedding_layers=False)
    # peft's generated card is a form of empty headings; the model card is written by us.
    (directory / "README.md").unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` so that a reader sees the old file or the new one, never half of it."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(draft, path)
