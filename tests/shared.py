"""What takes seconds to make, and all processes of a run of tests share."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

SHARED = "TESTS_SHARED_FOLDER"  # variable: a folder of all processes of a run of tests


def made_once(place: Path, make: Callable[[Path], object]) -> Path:
    """The folder `place`, which the first process that needs it makes; nobody changes it."""
    with FileLock(f"{place}.lock"):
        if not place.exists():
            draft = Path(tempfile.mkdtemp(dir=place.parent)) / place.name
            make(draft)
            draft.rename(place)
    return place
