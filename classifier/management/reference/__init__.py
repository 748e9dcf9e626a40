"""What docs/reference has, as the code says it."""

from pathlib import Path

from classifier.management.reference import api, commands, variables

FOLDER = Path("docs/reference")


def reference() -> dict[Path, str]:
    """Each generated file, from the top of the checkout, and what is in it.

    Raises:
        ValueError: a setting is read and not described, or described and not read.
    """
    return {
        FOLDER / "openapi.yaml": api.schema(),
        **api.catalogue(FOLDER / "errors.md"),
        FOLDER / "settings.md": variables.page(),
        FOLDER / "commands.md": commands.page(),
    }
