from pathlib import Path

from tests.chaos.write_sqlite import write_at_once


def test_processes_that_read_and_then_write_never_find_the_database_locked(tmp_path: Path) -> None:
    written = write_at_once(tmp_path, processes=6, transactions=100)

    assert len(written.seconds) == 600
    assert (written.locked, written.missing) == (0, 0)


def test_a_lock_that_is_taken_late_is_found_out(tmp_path: Path) -> None:
    assert write_at_once(tmp_path, processes=6, transactions=100, plant="deferred").locked > 0
