"""What the site's own manage.py commands have in common."""

from django.core.management.base import BaseCommand

from reviewsite import safety

CONFIGURATION = "configuration"
"""Tag of the checks of what settings say to each other. Where one fails, a deployment does not
start either (deploy/process). A missing model is none of them: it may come once the site runs."""


class SiteCommand(BaseCommand):
    """A command that is refused where the site is unsafe or its settings contradict each other.

    Django's own checks read every page of the site and of the admin first: a second for each
    command. They find mistakes in code, so `manage.py check` and `make lint` run them.
    """

    requires_system_checks = [safety.TAG, CONFIGURATION]
