"""Soft labels for texts that nobody labelled: what an ensemble says of each, written as rows."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from training.data.pseudo_rows import FACTS, PROBABILITY, ROWS, STAR_COLUMNS
from training.ensemble.beliefs import Beliefs
from training.ensemble.measures import member_measures
from training.ensemble.members import ENSEMBLE, Member
from training.ensemble.parts import Parts
from training.ensemble.pooling import fit_star_weights, fit_weights, pool
from training.ensemble.texts import Unlabelled
from training.runs.export import write_json

CONFIDENT = 0.9  # a text whose likeliest label has so much probability counts as such


@dataclass(frozen=True)
class Request:
    """What is to be labelled, and by whom."""

    labels: tuple[str, ...]
    members: Sequence[Member]
    texts: Unlabelled
    validation: pd.DataFrame
    """Labelled rows that no member was trained on, as load_splits gives them."""
    source: Mapping[str, Any]
    """What says where the texts come from, for the facts."""
    weights: Sequence[float] | None = None
    """Of each member's labels and ratings, summing to 1; None fits them on `validation`."""
    temperature: float | None = None
    """Softens (above 1) or sharpens what is written; None: the one that is fitted along with
    weights, and otherwise 1."""


@dataclass(frozen=True)
class Weights:
    labels: list[float]
    """One a member, summing to 1."""
    stars: list[float]
    """One a member; they sum to the inverse of a temperature of the ratings."""
    temperature: float


@dataclass(frozen=True)
class Result:
    rows: Path
    facts: dict[str, Any]


def pseudo_label(
    request: Request,
    place: Path,
    *,
    report: Callable[[Mapping[str, Mapping[str, float]], Weights], None] | None = None,
) -> Result:
    """Label the texts, and write them with facts.json into the folder `place`.

    Works piece by piece: killed at any moment and called again with the same arguments, it goes
    on with the first piece that is not there. The rows appear whole or not at all.

    Args:
        place: where training.data.pseudo_rows reads them.
        report: called with the measures of each member and of the ensemble on validation rows,
            and the weights, before the texts are read.

    Raises:
        DataError: `place` was begun with other texts or members.
        ModelNotReady: a member cannot be loaded, or gives NaN.
    """
    rows, validation = request.texts.rows, request.validation
    members = [member.facts() for member in request.members]
    parts = Parts(
        place,
        {
            "members": members,
            "labels": list(request.labels),
            "texts": _digest(rows["text"]),
            "validation": _digest(validation["text"]),
        },
    )
    checked = _read_all(request, parts, "validation", validation["text"].tolist())
    weights = _weights(request, checked)
    measures = {
        member.name: member_measures(said, validation, request.labels)
        for member, said in zip(request.members, checked, strict=True)
    } | {ENSEMBLE: member_measures(_pooled(checked, weights), validation, request.labels)}
    if report:
        report(measures, weights)
    said = _read_all(request, parts, "texts", rows["text"].tolist())
    together = _pooled(said, weights)
    facts = {
        **request.source,
        "labels": list(request.labels),
        "rows": len(rows),
        "left_out": request.texts.left_out,
        "members": [
            facts
            | {"weight": weight, "star_weight": star_weight, "measures": measures[facts["name"]]}
            for facts, weight, star_weight in zip(
                members, weights.labels, weights.stars, strict=True
            )
        ],
        "temperature": weights.temperature,
        "validation": {"rows": len(validation), **measures[ENSEMBLE]},
        **_agreement(said, together),
    }
    write_json(place / FACTS, facts)
    _write_rows(place / ROWS, rows, together)
    parts.remove()
    return Result(place / ROWS, facts)


def _read_all(request: Request, parts: Parts, name: str, texts: list[str]) -> list[Beliefs]:
    """What each member says of the texts."""
    with tqdm(total=len(texts) * len(request.members), desc=name, unit=" texts") as bar:
        return [
            parts.read(f"{name}-{number}", request.labels, texts, member.read, bar.update)
            for number, member in enumerate(request.members)
        ]


def _weights(request: Request, checked: Sequence[Beliefs]) -> Weights:
    """As they were given, or the likeliest on validation rows."""
    if request.weights is not None:
        given = [weight / sum(request.weights) for weight in request.weights]
        return Weights(given, _shared_out(given, checked), request.temperature or 1.0)
    validation = request.validation
    found = fit_weights(checked, validation["label"].to_numpy())
    temperature = 1 / sum(found)
    stars = [0.0] * len(checked)
    if "star_low" in validation:
        low, high = (validation[name].to_numpy() for name in ("star_low", "star_high"))
        stars = fit_star_weights(checked, low, high)
    labels = [weight * temperature for weight in found]
    if not any(stars):
        stars = _shared_out([1 / len(checked)] * len(checked), checked)
    return Weights(labels, stars, request.temperature or temperature)


def _shared_out(weights: Sequence[float], said: Sequence[Beliefs]) -> list[float]:
    """The weights of members that know ratings, summing to 1; 0 of the others."""
    knowing = [
        0.0 if one.shares is None else weight for weight, one in zip(weights, said, strict=True)
    ]
    return [weight / (sum(knowing) or 1) for weight in knowing]


def _pooled(said: Sequence[Beliefs], weights: Weights) -> Beliefs:
    return pool(said, [weight / weights.temperature for weight in weights.labels], weights.stars)


def _agreement(said: Sequence[Beliefs], together: Beliefs) -> dict[str, Any]:
    given = np.stack([one.labels.argmax(axis=1) for one in said])
    return {
        "agreement": float((given == given[0]).all(axis=0).mean()),
        "confident": float((together.labels.max(axis=1) >= CONFIDENT).mean()),
        "confident_above": CONFIDENT,
        "label_shares": {
            name: float(share)
            for name, share in zip(together.names, together.labels.mean(axis=0), strict=True)
        },
        "stars": together.shares is not None,
    }


def _write_rows(file: Path, rows: pd.DataFrame, together: Beliefs) -> None:
    columns: dict[str, Any] = {"text": rows["text"]}
    for index, name in enumerate(together.names):
        columns[PROBABILITY + name] = together.labels[:, index].astype(np.float32)
    if (stars := together.stars) is not None:
        columns |= {
            column: stars[:, index].astype(np.float32) for index, column in enumerate(STAR_COLUMNS)
        }
    columns["source_row"] = rows["source_row"]
    draft = file.with_name(f".{file.name}.draft")
    pd.DataFrame(columns).to_parquet(draft, index=False)
    os.replace(draft, file)


def _digest(texts: "pd.Series[Any]") -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()
