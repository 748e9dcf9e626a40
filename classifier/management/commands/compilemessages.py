"""In place of Django's own, which needs GNU gettext."""

from typing import Any

from reviewsite.catalogue import compile_all
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = "Compiles the catalogues of translations under locale/, for the site to read."

    def handle(self, *args: Any, **options: Any) -> None:
        compile_all()
