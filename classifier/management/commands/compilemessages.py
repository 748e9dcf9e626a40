"""In place of Django's own, which needs GNU gettext."""

from typing import Any

from django.core.management.base import BaseCommand

from reviewsite.catalogue import compile_all


class Command(BaseCommand):
    help = "Compiles the catalogues of translations under locale/, for the site to read."

    def handle(self, *args: Any, **options: Any) -> None:
        compile_all()
