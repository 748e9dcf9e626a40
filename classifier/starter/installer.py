"""Puts the starter's adapter on its base and keeps the result under the models folder.

A star head and a rating.json beside the adapter become the model's own.
"""

import hashlib
import os
import shutil
from pathlib import Path

from classifier.exceptions import ModelNotReady
from classifier.messages import message
from classifier.model_files import GRAPH, METRICS, ONNX_FACTS, OPTIONAL_FILES, metrics_of
from classifier.starter import base

ADAPTER = Path(__file__).parent


def directory(models_dir: Path) -> Path:
    """Where this adapter's model lies: a new adapter gets a new directory, an old one stays.

    So does a new star head or rating.json beside it.
    """
    weights = ADAPTER / "adapter_model.safetensors"
    if not weights.is_file():
        raise ModelNotReady(
            code="adapter_missing",
            rule=message("classifier/starter holds the starter's adapter."),
            value=message("there is no adapter_model.safetensors in it"),
            remedy=message("Restore the file: git checkout -- classifier/starter"),
        )
    digests = [_digest(path) for path in (weights, *_beside())]
    if len(digests) > 1:
        digests = [hashlib.sha256("".join(digests).encode()).hexdigest()]
    return models_dir / f"starter-{digests[0][:12]}"


def is_complete(target: Path) -> bool:
    """Whether the installed model has its graph, or the reason why it has none."""
    return (target / GRAPH).is_file() or ONNX_FACTS in metrics_of(target)


def install(models_dir: Path) -> Path:
    """Verify the base, merge the adapter into it, export; nothing if it is there.

    Returns:
        The model's directory.

    Raises:
        ModelNotReady: the base or the adapter is missing or changed.
    """
    target = directory(models_dir)
    if target.is_dir():
        if not is_complete(target):  # it was installed before there was an export
            from classifier.onnx_export import export_if_possible

            export_if_possible(target)
        return target
    base_dir = base.base_directory()

    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from classifier.labels import ID2LABEL
    from classifier.onnx_export import export_if_possible

    adapter = PeftConfig.from_pretrained(str(ADAPTER))
    adapter.base_model_name_or_path = str(base_dir)
    plain = AutoModelForSequenceClassification.from_pretrained(
        base_dir,
        id2label=ID2LABEL,
        label2id={label: index for index, label in ID2LABEL.items()},
        use_safetensors=True,
    )
    merged = PeftModel.from_pretrained(plain, str(ADAPTER), config=adapter).merge_and_unload()
    tokenizer = AutoTokenizer.from_pretrained(base_dir)
    tokenizer.model_max_length = plain.config.max_position_embeddings

    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        merged.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        for path in (ADAPTER / "README.md", ADAPTER / METRICS, *_beside()):
            shutil.copy(path, draft / path.name)
        export_if_possible(draft)
        os.replace(draft, target)
    except OSError:
        # Another process may have installed the same adapter meanwhile; its copy is as good.
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def _beside() -> list[Path]:
    """What changes answers and lies beside the adapter."""
    return [ADAPTER / name for name in OPTIONAL_FILES if (ADAPTER / name).is_file()]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
