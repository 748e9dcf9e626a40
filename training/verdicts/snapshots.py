"""The verdicts that runs took with them: rows of Parquet files beside each run."""

import uuid
from collections.abc import Collection
from pathlib import Path

from classifier.models import text_digest
from training.config import REVIEWED

COLUMN = "text"


def purge_snapshots(runs_dir: Path, digests: Collection[str]) -> int:
    """Remove the rows with one of these texts from the data of runs; how many there were.

    A file is replaced as a whole: a run that reads it meanwhile reads it as it was.
    """
    wanted = frozenset(digests)
    if not wanted:
        return 0
    return sum(_purge(file, wanted) for file in sorted(runs_dir.glob(f"*/{REVIEWED}/*.parquet")))


def _purge(file: Path, wanted: frozenset[str]) -> int:
    # Here, not at the top: most sites that purge have no such files.
    from pyarrow import parquet

    table = parquet.read_table(file)
    if COLUMN not in table.column_names:
        return 0
    stays = [text_digest(text or "") not in wanted for text in table[COLUMN].to_pylist()]
    gone = stays.count(False)
    if gone:
        draft = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
        parquet.write_table(table.filter(stays), draft)
        draft.replace(file)
    return gone
