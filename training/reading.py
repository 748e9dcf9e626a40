"""Where a data set is found, and its files as tables."""

import csv
import logging
from pathlib import Path

import pandas as pd

from training.hub import HubError, require_on_hub

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")
DELIMITERS = ",;\t|"
OTHER_ENCODINGS = ("utf_16", "cp1252", "cp1251", "koi8_r")
SNIFFED_BYTES = 256 * 1024


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


def read_dataset(name: str, *, datasets_dir: Path) -> dict[str, pd.DataFrame]:
    """The raw splits of a data set: a local one first, else the Hub's.

    Raises:
        DataError: neither has it, or a local file cannot be read.
    """
    path = locate(name, datasets_dir=datasets_dir)
    if path is None:
        return _from_hub(name, datasets_dir)
    if path.is_dir():
        files = {
            split: file
            for split in SPLITS
            for suffix in READERS
            if (file := path / f"{split}{suffix}").is_file()
        }
        if not files:
            raise DataError(
                f"A folder of splits holds train, validation or test as "
                f"{', '.join(READERS)}, but {path} has none of them. Rename its files."
            )
        return {split: read_table(file) for split, file in files.items()}
    if path.suffix not in READERS:
        raise DataError(
            f"A data file ends in {', '.join(READERS)}, but it is {path.name}. Convert it."
        )
    return {"train": read_table(path)}


def read_table(file: Path) -> pd.DataFrame:
    try:
        frame = READERS[file.suffix](file)
    except DataError:  # says already what is wrong
        raise
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(
            f"{file.name} must be a readable {file.suffix[1:].upper()} file, but: "
            f"{error}. Mend or convert it."
        ) from error
    return frame.rename(columns=lambda column: str(column).strip())


def _read_csv(file: Path) -> pd.DataFrame:
    """All cells as text; the encoding and the delimiter are found by looking."""
    with file.open("rb") as stream:
        start = stream.read(SNIFFED_BYTES)
    encoding = _encoding(file, start)
    header = start.decode(encoding, errors="ignore").split("\n", 1)[0]
    try:
        delimiter = csv.Sniffer().sniff(header, DELIMITERS).delimiter
    except csv.Error:  # one column
        delimiter = ","
    return pd.read_csv(file, dtype=str, keep_default_na=False, encoding=encoding, sep=delimiter)


def _encoding(file: Path, start: bytes) -> str:
    """UTF-8 where the whole file is; else the likeliest of what spreadsheets write, logged."""
    import charset_normalizer

    if _decodes(file, "utf-8-sig"):
        return "utf-8-sig"
    guess = charset_normalizer.from_bytes(start, cp_isolation=list(OTHER_ENCODINGS)).best()
    encoding = guess.encoding if guess else "cp1252"
    if not _decodes(file, encoding):
        raise DataError(
            f"{file.name} must be text, but neither UTF-8 nor {encoding} reads it. "
            "Convert it to UTF-8."
        )
    logger.warning("%s is not UTF-8; it is read as %s", file.name, encoding)
    return encoding


def _decodes(file: Path, encoding: str) -> bool:
    try:
        with file.open(encoding=encoding) as stream:
            while stream.read(1024 * 1024):
                pass
    except UnicodeError:
        return False
    return True


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
            f"A data set is a file, a folder, a name under {datasets_dir} or a Hub id, but "
            f"{name!r} is none that can be reached: {said} Check the name, or put its files there."
        ) from error
    frames = {}
    for split in found:
        frame = found[split].to_pandas()
        for column, feature in found[split].features.items():
            if isinstance(feature, datasets.ClassLabel):
                frame[column] = [feature.int2str(i) if i >= 0 else -1 for i in frame[column]]
        frames[split] = frame
    return frames
