from pathlib import Path

import pytest

from training.jobs.output import READ_BYTES, TAIL_BYTES, tail


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "output.log"


def test_there_is_no_tail_of_a_log_that_is_not_there(log: Path) -> None:
    assert tail(log) == ""


def test_a_long_log_is_shown_from_a_whole_line_on(log: Path) -> None:
    log.write_text("".join(f"line {number:06}\n" for number in range(20_000)))
    shown = tail(log)
    assert TAIL_BYTES - 20 < len(shown) <= TAIL_BYTES
    assert shown.startswith("line ")
    assert shown.endswith("line 019999\n")


def test_of_a_bar_that_was_drawn_over_only_the_last_state_is_shown(log: Path) -> None:
    log.write_bytes(b"before\n 0%\r 50%\r 100%\nafter\r\n")
    assert tail(log) == "before\n 100%\nafter\n"


def test_tokens_are_not_shown_not_even_their_ends(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "open sesame")
    secret = "hf_" + "SeCrEt" * 6
    log.write_text(f"{'x' * 40}{secret}{'y' * (READ_BYTES - 10)}\nsaid {secret} and open sesame\n")
    assert tail(log) == "said hf_*** and ***\n"


def test_what_a_database_or_a_page_cannot_take_is_left_out(log: Path) -> None:
    log.write_bytes(b"\x1b[1mbold\x1b[0m \x00nul \x07bell \xff broken\ttab\n")
    assert tail(log) == "bold nul bell \ufffd broken\ttab\n"
