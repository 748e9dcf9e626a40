import threading
from pathlib import Path
from typing import Any

from training.jobs.watch import RunHeart


class SlowClaim:
    """Stands in for a claim whose database takes its time for a heartbeat."""

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()
        self.written: list[dict[str, Any]] = []

    def heartbeat(self, **told: Any) -> bool:
        self.asked.set()
        self.go_on.wait(30)
        self.written.append(told)
        return False


def test_the_last_words_wait_for_a_beat_that_is_under_way(tmp_path: Path) -> None:
    claim = SlowClaim()
    heart = RunHeart(claim, tmp_path / "log")  # type: ignore[arg-type]
    heart.progress(done=30)
    beat = threading.Thread(target=heart.beat)
    beat.start()
    assert claim.asked.wait(30)
    said: list[dict[str, Any]] = []
    last = threading.Thread(target=lambda: said.append(heart.last_words()))

    last.start()
    last.join(0.3)
    assert said == []  # else the run would be over before its progress is written
    claim.go_on.set()
    beat.join(30)
    last.join(30)

    assert claim.written == [{"done": 30}]
    assert said == [{}]
