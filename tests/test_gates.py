from typing import Literal

import pytest

from tests import gates

GATES: list[Literal["BROWSER", "SERVICES"]] = ["BROWSER", "SERVICES"]


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("value", [None, "0"])
def test_what_is_missing_skips_a_test(
    monkeypatch: pytest.MonkeyPatch, gate: Literal["BROWSER", "SERVICES"], value: str | None
) -> None:
    monkeypatch.delenv(f"REQUIRE_{gate}", raising=False)
    if value is not None:
        monkeypatch.setenv(f"REQUIRE_{gate}", value)
    with pytest.raises(pytest.skip.Exception, match="none here"):
        gates.missing(gate, "There is none here.")


@pytest.mark.parametrize("gate", GATES)
def test_what_is_missing_fails_a_test_where_it_is_demanded(
    monkeypatch: pytest.MonkeyPatch, gate: Literal["BROWSER", "SERVICES"]
) -> None:
    monkeypatch.setenv(f"REQUIRE_{gate}", "1")
    with pytest.raises(pytest.fail.Exception, match="none here"):
        gates.missing(gate, "There is none here.")
