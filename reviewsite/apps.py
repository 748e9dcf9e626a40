from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register


class AdminConfig(SimpleAdminConfig):
    """The admin, whose pages are registered with the routes and not at every start.

    They import half of the site, which a process that rates texts does without.
    """

    default_site = "reviewsite.admin_site.AdminSite"

    def ready(self) -> None:
        register(check_dependencies, Tags.admin)
        register(_check_registered, Tags.admin)


class AdminLookConfig(AppConfig):
    """django-unfold's templates and files. Its own configuration imports the admin at a start."""

    name = "unfold"


def _check_registered(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> Sequence[CheckMessage]:
    autodiscover()
    return check_admin_app(app_configs, **kwargs)
