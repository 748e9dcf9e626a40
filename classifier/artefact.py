"""A model's directory, looked at without loading it: where it is, what it is called, its labels.

The directory is what transformers' save_pretrained writes: config.json, model.safetensors,
tokenizer.json. No heavy import here: system checks and readiness use it.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from classifier.exceptions import ModelNotReady
from classifier.labels import NEGATIVE, POSITIVE, labels_of
from classifier.starter import installer

STARTER = "starter"
FILES = ("config.json", "model.safetensors", "tokenizer.json")


@dataclass(frozen=True)
class Artefact:
    """A model's directory with all that a classifier needs in it."""

    directory: Path
    name: str
    labels: tuple[str, ...]
    """Names of the model's outputs, in their order."""

    def revision(self) -> str:
        """Twelve hexadecimal digits that change whenever a file of the model does."""
        digest = hashlib.sha256()
        for name in FILES:
            with (self.directory / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:12]

    def positive_index(self) -> int:
        """Which output is POSITIVE.

        Raises:
            ModelNotReady: the labels are not the two sentiments.
        """
        if sorted(self.labels) != [NEGATIVE, POSITIVE]:
            raise ModelNotReady(
                code="model_labels",
                rule=f"A model that rates reviews has the labels {NEGATIVE} and {POSITIVE}.",
                value=f"{self.name} has {', '.join(self.labels)}",
                remedy="Mend id2label in its config.json, or set CLASSIFIER_MODEL to another.",
            )
        return self.labels.index(POSITIVE)


def open_artefact(model: str | Path, *, models_dir: Path) -> Artefact:
    """The model that `model` names: "starter", a name under `models_dir`, or a directory.

    Raises:
        ModelNotReady: no such directory, or it lacks what a classifier needs.
    """
    if model == STARTER:
        name, directory = STARTER, installer.directory(models_dir)
        remedy = "Install it: python manage.py install_starter"
    else:
        under_models = models_dir / model
        directory = under_models if under_models.is_dir() else Path(model)
        name = directory.name
        remedy = (
            "Set CLASSIFIER_MODEL to 'starter', to the name of a model that finetune made, "
            "or to a model's directory."
        )
    if not directory.is_dir():
        raise ModelNotReady(
            code="model_missing",
            rule="The model that CLASSIFIER_MODEL names must exist.",
            value=f"there is no model {str(model)!r}",
            remedy=remedy,
        )
    if missing := [name for name in FILES if not (directory / name).is_file()]:
        raise ModelNotReady(
            code="model_incomplete",
            rule=f"A model's directory holds {', '.join(FILES)}.",
            value=f"{name} lacks {', '.join(missing)}",
            remedy="Export it again with manage.py finetune; only safetensors are loaded.",
        )
    return Artefact(directory=directory, name=name, labels=_labels(directory, name))


def _labels(directory: Path, name: str) -> tuple[str, ...]:
    rule = "config.json describes a sequence classifier with its labels in id2label."
    remedy = "Fine-tune the model for classification first: manage.py finetune --base-model ..."
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        architectures = config.get("architectures") or ["none"]
        if not any(kind.endswith("ForSequenceClassification") for kind in architectures):
            raise ValueError(f"its architecture is {', '.join(architectures)}")
        return labels_of(config.get("id2label") or {0: "LABEL_0", 1: "LABEL_1"})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelNotReady(
            code="model_config", rule=rule, value=f"{name}: {error}", remedy=remedy
        ) from error
