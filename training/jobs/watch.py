"""A run under its claim: its row gets what it tells, and says what is asked of it."""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import Error

from classifier.jobs import CancelRequested, Claim, ClaimLost, Heart
from classifier.jobs.progress import Pace
from training.checkpoints import numbered
from training.jobs.output import tail
from training.runs.history import thinned
from training.runs.observer import Observer

if TYPE_CHECKING:
    from transformers import TrainerCallback

logger = logging.getLogger(__name__)

# A language model that writes rows, or a table of millions that is read, has no steps to tell of.
LONGEST_STEP = 6 * 3600.0  # seconds


class RunHeart(Heart):
    """Beats for a training run, and carries its log and its loss curve, too."""

    def __init__(self, claim: Claim, log: Path) -> None:
        super().__init__(claim, longest_step=LONGEST_STEP)
        self._run_claim = claim
        self._log = log
        self._news: dict[str, Any] = {}
        self._tail = ""
        self._beating = threading.Lock()

    def tell(self, **fields: Any) -> None:
        """Fields of the run for the next beat; costs nothing now."""
        with self._lock:
            self._news |= fields

    def beat(self) -> None:
        with self._beating:
            super().beat()
            if not self._lost and (news := self.news()):
                try:
                    self._run_claim.write(**news)
                except ClaimLost:
                    self._lost = True

    def last_words(self) -> dict[str, Any]:
        """All that no beat has told yet, for the write that ends the attempt."""
        # A beat that is under way would come after that write, and tell a run that is over.
        with self._beating:
            with self._lock:
                told, self._told = self._told, {}
            return told | self.news()

    def news(self) -> dict[str, Any]:
        """What the row does not say yet."""
        with self._lock:
            news, self._news = self._news, {}
        if (shown := tail(self._log)) != self._tail:
            self._tail = news["log_tail"] = shown
        return news


class Watch(Observer):
    """Tells the heart how far the run is, and ends the run where the heart says so."""

    def __init__(self, heart: RunHeart, claim: Claim, checkpoints: Path) -> None:
        self._heart = heart
        self._claim = claim
        self._pace = Pace()
        self._best_step = _last_step(checkpoints)

    def stage(self, name: str) -> None:
        self.check()
        logger.info("%s", name.capitalize())
        self._heart.progress(stage=name)

    def check(self) -> None:
        self._heart.check()

    def before_publishing(self) -> None:
        """Asks the database and not the last beat: from here on others see what this run does."""
        self._heart.beat()
        self.check()

    def callbacks(self, trainer: Any) -> "list[TrainerCallback]":
        from transformers import TrainerCallback

        watch = self

        class Steps(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                watch.training(state)

            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                watch.training(state)
                if control.should_save:
                    watch.before_saving()
                watch.stop_if_cancelled(trainer)

            def on_prediction_step(self, *args: Any, **kwargs: Any) -> None:
                watch.check()

            def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                watch.logged(state)

            def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                watch.saved(state.global_step)

        return [Steps()]

    def training(self, state: Any) -> None:
        step = state.global_step
        self._heart.progress(done=step, total=state.max_steps)
        self._heart.tell(epoch=state.epoch or 0.0, pace=self._pace.at(step))

    def stop_if_cancelled(self, trainer: Any) -> None:
        """A cancelled run saves what it has, so that it can be taken up again."""
        try:
            self.check()
        except CancelRequested:
            trainer.ask_to_stop("a request to cancel")

    def before_saving(self) -> None:
        """A run that was taken for dead writes nothing beside the one that goes on."""
        try:
            self._heart.beat()
        except Error as error:
            logger.warning("Saving although the database does not answer: %s", error)

    def logged(self, state: Any) -> None:
        self._heart.tell(history=thinned(state.log_history))

    def saved(self, step: int) -> None:
        if step <= self._best_step:
            return  # done again after a loss, so the losses count
        self._best_step = step
        try:
            self._claim.progressed()
        except Error as error:
            logger.warning("That there is progress could not be written: %s", error)


def _last_step(checkpoints: Path) -> int:
    """That of the newest checkpoint, damaged or not; 0 where there is none."""
    found = numbered(checkpoints)
    return int(found[-1].name.rpartition("-")[2]) if found else 0
