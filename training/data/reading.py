"""Where a data set is found, and its files as tables."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from classifier.bulk.encoding import detect_delimiter, detect_encoding, read_sample
from classifier.bulk.errors import TableError
from classifier.messages import message
from training.hub import HubError, require_on_hub

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")


class DataError(ValueError):
    """The data cannot be used as they are; the message says rule, value and remedy."""


def locate(name: str, *, datasets_dir: Path) -> Path | None:
    """The local file or folder that `name` means, or None."""
    for candidate in (Path(name), datasets_dir / name):
        if candidate.exists():
            return candidate
        for suffix in READERS:
            if (file := candidate.with_name(candidate.name + suffix)).is_file():
                return file
    return None


def read_dataset(
    name: str, *, datasets_dir: Path, splits: Sequence[str] = SPLITS
) -> dict[str, pd.DataFrame]:
    """The raw splits of a data set: a local one first, else the Hub's.

    Args:
        splits: the names that are looked for in a folder; one of the Hub gives all it has.

    Raises:
        DataError: neither has it, or a local file cannot be read.
    """
    path = locate(name, datasets_dir=datasets_dir)
    if path is None:
        return _from_hub(name, datasets_dir)
    if path.is_dir():
        files = {
            split: file
            for split in splits
            for suffix in READERS
            if (file := path / f"{split}{suffix}").is_file()
        }
        if not files:
            raise DataError(
                message(
                    "A folder of splits holds {names} or {splits} as {names2}, but {path} has "
                    "none of them. Rename its files.",
                    names=", ".join(splits[:-1]),
                    splits=splits[-1],
                    names2=", ".join(READERS),
                    path=path,
                )
            )
        return {split: read_table(file) for split, file in files.items()}
    if path.suffix not in READERS:
        raise DataError(
            message(
                "A data file ends in {names}, but it is {name}. Convert it.",
                names=", ".join(READERS),
                name=path.name,
            )
        )
    return {"train": read_table(path)}


def read_table(file: Path) -> pd.DataFrame:
    try:
        frame = READERS[file.suffix](file)
    except DataError:  # says already what is wrong
        raise
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(
            message(
                "{name} must be a readable {upper} file, but: {error}. Mend or convert it.",
                name=file.name,
                upper=file.suffix[1:].upper(),
                error=error,
            )
        ) from error
    return frame.rename(columns=lambda column: str(column).strip())


def _read_csv(file: Path) -> pd.DataFrame:
    """All cells as text; the encoding and the delimiter are found by looking."""
    with file.open("rb") as stream:
        try:
            encoding = detect_encoding(stream)
        except TableError as error:
            raise DataError(
                message("{name} must be text, but: {error}", name=file.name, error=error)
            ) from error
        delimiter = detect_delimiter(
            read_sample(stream, encoding), preferred="\t" if file.suffix == ".tsv" else ","
        )
    if not encoding.name.startswith("utf"):
        logger.warning("%s is not UTF-8; it is read as %s", file.name, encoding.name)
    return pd.read_csv(
        file, dtype=str, keep_default_na=False, encoding=encoding.name, sep=delimiter
    )


READERS = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": lambda path: pd.read_json(path, lines=True, dtype=False),
    ".parquet": pd.read_parquet,
}


def _from_hub(name: str, datasets_dir: Path) -> dict[str, pd.DataFrame]:
    import datasets
    from huggingface_hub.errors import HfHubHTTPError

    try:
        require_on_hub(name, "dataset")
        found = datasets.load_dataset(name)
    except (FileNotFoundError, ConnectionError, HfHubHTTPError, HubError, ValueError) as error:
        said = str(error) if isinstance(error, HubError) else f"{type(error).__name__}."
        raise DataError(
            message(
                "A data set is a file, a folder, a name under {datasets_dir} or a Hub id, "
                "but {name!r} is none that can be reached: {said} Check the name, or put its "
                "files there.",
                datasets_dir=datasets_dir,
                name=name,
                said=said,
            )
        ) from error
    frames = {}
    for split in found:
        frame = found[split].to_pandas()
        for column, feature in found[split].features.items():
            if isinstance(feature, datasets.ClassLabel):
                frame[column] = [feature.int2str(i) if i >= 0 else -1 for i in frame[column]]
        frames[split] = frame
    return frames
