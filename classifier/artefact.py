"""A model's directory, looked at without loading it: where it is, what it is called, its labels.

The directory is what transformers' save_pretrained writes: config.json, model.safetensors,
tokenizer.json. No heavy import here: system checks and readiness use it.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.exceptions import ModelNotReady
from classifier.labels import NEGATIVE, POSITIVE, labels_of
from classifier.messages import message
from classifier.model_files import FILES, METRICS, STAR_HEAD, metrics_of, revision_of
from classifier.rating_file import read_rating_file
from classifier.ratings import RATINGS
from classifier.starter import installer
from classifier.task import Task, reads_pairs

STARTER = "starter"
MAX_HEADER_BYTES = 10 << 20  # of model.safetensors; that of MiniLM has 12 kB
# Keys with which config.json has made transformers fetch and run code (CVE-2026-4372 and -5241
# among them), or load weights from another file than model.safetensors.
CODE_KEYS = {
    "auto_map",
    "trust_remote_code",
    "custom_pipelines",
    "attn_implementation",
    "experts_implementation",
    "transformers_weights",
    "use_kernels",
    "kernel_config",
}
# transformers keeps its own state under names with an underscore; of these, files carry:
PRIVATE_KEYS = {"_name_or_path", "_num_labels", "_commit_hash", "_attn_implementation_autoset"}
# Sizes that a library allocates or loops by before it looks at the weights
SIZE_KEYS = (
    "size",
    "dim",
    "layers",
    "layer",
    "heads",
    "positions",
    "embeddings",
    "labels",
    "buckets",
)
MAX_SIZE = 10_000_000  # the largest vocabulary has a million words
LAYER_KEYS = {"num_hidden_layers", "num_layers", "n_layers", "n_layer", "encoder_layers"}
MAX_TOKENIZER_BYTES = 64 << 20  # that of 250,000 words has 17 MB
MAX_GROWTH = 16  # how many times as long a tokenizer may make a text before it cuts it
LABEL_TABLES = {"id2label", "label2id"}  # their keys are words of the data


# What a safetensors header that is none makes its reader raise
BROKEN = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)


@dataclass(frozen=True)
class Artefact:
    """A model's directory with all that a classifier needs in it."""

    directory: Path
    name: str
    labels: tuple[str, ...]
    """Names of the model's outputs, in their order."""
    pairs: bool = False
    """Whether it reads pairs of texts."""

    @property
    def task(self) -> Task:
        """What the model is asked for."""
        return Task(self.labels, self.pairs)

    def revision(self) -> str:
        """Twelve hexadecimal digits that change whenever a file of the model does."""
        return revision_of(self.directory)

    def positive_index(self) -> int:
        """Which output is POSITIVE.

        Raises:
            ModelNotReady: the labels are not the two sentiments.
        """
        if not self.task.rated:
            raise ModelNotReady(
                code="model_labels",
                rule=message(
                    "A model that rates reviews has the labels {negative} and {positive}.",
                    negative=NEGATIVE,
                    positive=POSITIVE,
                ),
                value=message("{name} has {names}", name=self.name, names=", ".join(self.labels)),
                remedy=message(
                    "Mend id2label in its config.json, or set CLASSIFIER_MODEL to another."
                ),
            )
        return self.labels.index(POSITIVE)


def open_artefact(model: str | Path, *, models_dir: Path) -> Artefact:
    """The model that `model` names: "starter", a name under `models_dir`, or a directory.

    Raises:
        ModelNotReady: no such directory, or it lacks what a classifier needs.
    """
    if model == STARTER:
        name, directory = STARTER, installer.directory(models_dir)
        remedy = message("Install it: python manage.py install_starter")
    else:
        under_models = models_dir / model
        directory = under_models if under_models.is_dir() else Path(model)
        name = directory.name
        remedy = message(
            "Set CLASSIFIER_MODEL to 'starter', to the name of a model that finetune made, "
            "or to a model's directory."
        )
    if not directory.is_dir():
        raise ModelNotReady(
            code="model_missing",
            rule=message("The model that CLASSIFIER_MODEL names must exist."),
            value=message("there is no model {model!r}", model=str(model)),
            remedy=remedy,
        )
    if missing := [name for name in FILES if not (directory / name).is_file()]:
        raise ModelNotReady(
            code="model_incomplete",
            rule=message("A model's directory holds {names}.", names=", ".join(FILES)),
            value=message("{name} lacks {names}", name=name, names=", ".join(missing)),
            remedy=message("Export it again with manage.py finetune; only safetensors are loaded."),
        )
    require_no_code(directory, name)
    _require_sound_weights(directory, name)
    _require_sane_sizes(directory, name)
    artefact = Artefact(
        directory=directory,
        name=name,
        labels=_labels(directory, name),
        pairs=_pairs(directory, name),
    )
    _require_fitting_stars(artefact)
    read_rating_file(directory)
    return artefact


def require_no_code(directory: Path, name: str) -> None:
    """Refuse a model whose configuration would make a library run code that comes with it.

    Raises:
        ModelNotReady: a key of config.json or tokenizer_config.json is not allowed, or one of
            them is not JSON.
    """
    for file, private_allowed in (("config.json", False), ("tokenizer_config.json", True)):
        if not (directory / file).is_file():
            continue
        try:
            content = json.loads((directory / file).read_text(encoding="utf-8"))
            refused = sorted({key for key in _keys(content) if _is_refused(key, private_allowed)})
        except (OSError, ValueError, RecursionError) as error:
            raise ModelNotReady(
                code="model_config",
                rule=message("{file} must be readable JSON.", file=file),
                value=f"{name}: {type(error).__name__}: {str(error)[:200]}",
                remedy=message("Export or pull the model again."),
            ) from error
        if refused:
            raise ModelNotReady(
                code="model_code",
                rule=message("A model's configuration describes it and names no code to run."),
                value=message(
                    "{name}'s {file} has {names}",
                    name=name,
                    file=file,
                    names=", ".join(refused)[:200],
                ),
                remedy=message(
                    "Do not use this model, or remove the key if you know what it is for."
                ),
            )


def _keys(content: Any) -> Iterator[str]:
    """Every key at any depth, those of the label tables left out."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield key
            if key not in LABEL_TABLES:
                yield from _keys(value)
    elif isinstance(content, list):
        for item in content:
            yield from _keys(item)


def _is_refused(key: str, private_allowed: bool) -> bool:
    return key in CODE_KEYS or (
        key.startswith("_") and key not in PRIVATE_KEYS and not private_allowed
    )


def _require_sound_weights(directory: Path, name: str) -> None:
    """Refuse a safetensors file whose header is huge or does not describe what follows it."""
    try:
        _shapes_in(directory / "model.safetensors")
    except BROKEN as error:
        raise ModelNotReady(
            code="model_weights",
            rule=message(
                "model.safetensors begins with a header of at most {bytes:,} "
                "bytes that describes all that follows.",
                bytes=MAX_HEADER_BYTES,
            ),
            value=f"{name}: {str(error)[:200]}",
            remedy=message("Export or pull the model again."),
        ) from error


def _require_sane_sizes(directory: Path, name: str) -> None:
    """Refuse a configuration of sizes that no weights have: building that model would not end."""
    tensors = len(_shapes_in(directory / "model.safetensors"))
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    for key, value in _sizes(config):
        limit = min(MAX_SIZE, tensors) if key in LAYER_KEYS else MAX_SIZE
        if not -1 <= value <= limit:  # -1: none, or as another size says
            raise ModelNotReady(
                code="model_sizes",
                rule=message(
                    "config.json names sizes of at most {most:,}, and no more layers than "
                    "model.safetensors has tensors.",
                    most=MAX_SIZE,
                ),
                value=f"{name}: {key} = {str(value)[:30]}",
                remedy=message("Export or pull the model again."),
            )


def _sizes(content: Any) -> Iterator[tuple[str, float]]:
    """Numbers by their keys, at any depth, where the key is that of a size."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key in LABEL_TABLES:
                continue
            if type(value) in (int, float) and key.endswith(SIZE_KEYS):
                yield key, value
            yield from _sizes(value)
    elif isinstance(content, list):
        for item in content:
            yield from _sizes(item)


def require_tame_tokenizer(directory: Path, name: str) -> None:
    """Refuse a tokenizer that is huge, or that makes texts so long that memory runs out.

    A few rules of "a" to "aa" one after the other make one letter gigabytes, before anything is
    cut. Not for every start: a tokenizer takes some tens of milliseconds to read.

    Raises:
        ModelNotReady: it is one of these, or no JSON.
    """
    file = directory / "tokenizer.json"
    try:
        if file.stat().st_size > MAX_TOKENIZER_BYTES:
            raise ValueError(f"{file.stat().st_size:,} bytes")
        content = json.loads(file.read_text(encoding="utf-8"))
        growth = _growth(content.get("normalizer")) * _growth(content.get("pre_tokenizer"))
        if growth > MAX_GROWTH:
            raise ValueError(f"{growth:.3g} times as long")
    except (OSError, *BROKEN) as error:
        raise ModelNotReady(
            code="model_tokenizer",
            rule=message(
                "tokenizer.json is JSON of at most {bytes:,} bytes that makes a text at most "
                "{times} times as long.",
                bytes=MAX_TOKENIZER_BYTES,
                times=MAX_GROWTH,
            ),
            value=f"{name}: {type(error).__name__}: {str(error)[:200]}",
            remedy=message("Do not use this model, or export it again."),
        ) from error


def _growth(rules: Any) -> float:
    """How many times as long rules that replace can make a text, taken one after the other."""
    if isinstance(rules, list):
        return math.prod(map(_growth, rules))
    if not isinstance(rules, dict):
        return 1.0
    own = 1.0
    if rules.get("type") == "Replace":
        pattern = rules["pattern"].get("String", "")  # a regular expression may match one letter
        own = max(1.0, len(rules["content"]) / max(1, len(pattern)))
    return own * math.prod(_growth(value) for value in rules.values() if isinstance(value, list))


def _require_fitting_stars(artefact: Artefact) -> None:
    """Refuse a star head that does not read what a layer with an output a label reads."""
    if not (artefact.directory / STAR_HEAD).is_file():
        return
    labels = len(artefact.labels)
    try:
        shapes = _shapes_in(artefact.directory / STAR_HEAD)
        stars, features = shapes["weight"]
        if shapes["bias"] != [stars] or stars != len(RATINGS):
            raise ValueError(f"shapes {shapes['weight']} and {shapes['bias']}")
        if [labels, features] not in _shapes_in(artefact.directory / "model.safetensors").values():
            raise ValueError(f"{features} features, which no layer with {labels} outputs reads")
    except BROKEN as error:
        raise ModelNotReady(
            code="star_head_broken",
            rule=message(
                "{star_head} holds weight ({count}, features) and bias ({count},), of the "
                "features that the model's last layer reads.",
                star_head=STAR_HEAD,
                count=len(RATINGS),
            ),
            value=f"{artefact.name}: {type(error).__name__}: {str(error)[:200]}",
            remedy=message("Export or pull the model again."),
        ) from error


def _shapes_in(file: Path) -> dict[str, list[int]]:
    """The shapes of a safetensors file's tensors, by name; raises one of BROKEN."""
    size = file.stat().st_size
    with file.open("rb") as weights:
        length = int.from_bytes(weights.read(8), "little")
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise ValueError(f"a header of {length:,} bytes in a file of {size:,}")
        content = json.loads(weights.read(length))
    tensors = {key: tensor for key, tensor in content.items() if key[:2] != "__"}
    end = max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    if not tensors or end != size - 8 - length:
        raise ValueError(f"it describes {end:,} bytes of {size:,}")
    return {key: list(tensor["shape"]) for key, tensor in tensors.items()}


def _labels(directory: Path, name: str) -> tuple[str, ...]:
    rule = message("config.json describes a sequence classifier with its labels in id2label.")
    remedy = message(
        "Fine-tune the model for classification first: manage.py finetune --base-model ..."
    )
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


def _pairs(directory: Path, name: str) -> bool:
    try:
        return reads_pairs(metrics_of(directory))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ModelNotReady(
            code="model_metrics",
            rule=message("{file} must be readable JSON.", file=METRICS),
            value=f"{name}: {type(error).__name__}: {str(error)[:200]}",
            remedy=message("Export or pull the model again."),
        ) from error
