"""Where the rows of a run came from: verdicts of reviewers, or the data that came before them.

The folder of a mixed data set holds PROVENANCE beside its splits: what was replayed, and how many
rows were left out because their texts would have stood in two places.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.messages import message
from training.config import REVIEWED

if TYPE_CHECKING:
    from training.data.splits import LabelledSplits

PROVENANCE = "provenance.json"
VERDICT, REPLAY = "verdict", "replay"  # in the column `source`
SOURCES = {VERDICT: message("verdicts"), REPLAY: message("replayed rows")}
FROZEN, REVIEWED_TOO = "frozen", "reviewed"  # why a row was left out
REASONS = {
    FROZEN: message("a frozen test row has their text"),
    REVIEWED_TOO: message("a verdict that is trained on has their text"),
}


def recorded(dataset: str) -> dict[str, Any] | None:
    """What stands beside the splits of a mixed data set; None for any other."""
    file = Path(dataset) / PROVENANCE
    if file.parent.name != REVIEWED or not file.is_file():
        return None
    return dict(json.loads(file.read_text(encoding="utf-8")))


def provenance_of(splits: "LabelledSplits", dataset: str) -> dict[str, Any] | None:
    """The same with `rows`, how many each split has of each source."""
    known = recorded(dataset)
    if known is None:
        return None
    rows = {
        split: {
            source: int((getattr(splits, split)["source"] == source).sum()) for source in SOURCES
        }
        for split in splits.sizes()
    }
    return {"rows": rows, **known}


def sentences(provenance: Mapping[str, Any]) -> list[str]:
    """What is to be said of it beside the counts, for people."""
    replay = provenance["replay"]
    said: list[str] = [
        message(
            "The test rows are frozen: verdicts on one text in five, which are never trained on."
        ),
        message(
            "Replayed rows are training rows of {dataset}, as far as there are any "
            "{per_verdict:g} for each verdict.",
            dataset=replay["dataset"],
            per_verdict=replay["per_verdict"],
        )
        if replay
        else message("No rows of earlier training data were mixed in."),
    ]
    for source, reasons in provenance["left_out"].items():
        said += [
            message(
                "Left out: {count:,} {source}, as {reason}.",
                count=count,
                source=SOURCES[source],
                reason=REASONS[reason],
            )
            for reason, count in reasons.items()
            if count
        ]
    return said
