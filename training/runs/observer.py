"""Who watches a run from outside: is told where it is, and may end it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import TrainerCallback


class Observer:
    """Watches nothing; a subclass overrides what it wants to know.

    Whatever a method raises ends the run there.
    """

    def stage(self, name: str) -> None:
        """The run begins with this."""

    def check(self) -> None:
        """Called between pieces of work that take seconds."""

    def before_publishing(self) -> None:
        """The last moment before others see what was made: the model's directory, the Hub."""

    def callbacks(self, trainer: Any) -> "list[TrainerCallback]":
        """What the Trainer shall call, too."""
        return []
