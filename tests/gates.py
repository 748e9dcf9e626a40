"""What a test needs of its machine: where that is missing the test skips, or fails if demanded."""

import os
from typing import Literal, NoReturn

import pytest


def missing(gate: Literal["BROWSER", "SERVICES"], reason: str) -> NoReturn:
    """End the test: it fails where REQUIRE_<gate> is set, as .ci/run does, and skips elsewhere."""
    if os.environ.get(f"REQUIRE_{gate}", "0") != "0":
        pytest.fail(f"{reason} (REQUIRE_{gate} is set, so this is no reason to skip.)")
    pytest.skip(reason)
