"""What a run, and the model it makes, may be called."""

import re
from pathlib import Path

from classifier.artefact import STARTER
from classifier.messages import message
from training.config import BUNDLED, ConfigError

NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
# As models, these mean the ones that ship with the product, and the folder of those that are kept.
RESERVED = (STARTER, BUNDLED, "versions")


def require_name(name: str) -> None:
    """Refuse what is no name, and the names that mean something else among the models.

    Raises:
        ConfigError: it is one of these.
    """
    if not NAME.fullmatch(name) or name in RESERVED:
        raise ConfigError(
            message(
                "A run's name is made of letters, digits, '.', '_' and '-', starts with a "
                "letter or digit, and is none of {names}, but it is {name!r}. Give another "
                "--name.",
                names=", ".join(RESERVED),
                name=name,
            )
        )


def taken_by(*, run_dir: Path, model_dir: Path) -> list[Path]:
    """What is there already of a run or a model of these names."""
    return [path for path in (run_dir / "config.json", model_dir) if path.exists()]


def require_new_name(name: str, *, run_dir: Path, model_dir: Path) -> None:
    """Refuse a name that is none, or that another run or model has.

    Raises:
        ConfigError: it is.
    """
    require_name(name)
    if taken := taken_by(run_dir=run_dir, model_dir=model_dir):
        raise ConfigError(
            message(
                "A run's name must be new, but {names} exists. Give another --name, or "
                "--resume to go on with it.",
                names=", ".join(map(str, taken)),
            )
        )
