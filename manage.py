#!/usr/bin/env python
"""Django's command line for Reviewsite."""

import os
import sys

from reviewsite.garbage import collect_seldom


def main() -> None:
    collect_seldom()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"ImproperlyConfigured: {error}")  # where in the code is of no help


if __name__ == "__main__":
    main()
