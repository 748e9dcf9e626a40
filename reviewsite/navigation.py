"""The admin's sidebar: the loop from a rated text to the model that rates the next one."""

from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Entry(NamedTuple):
    title: Promise
    icon: str
    """A name of the font reviewsite/icons.woff2."""
    view: str
    """Name of its route."""
    permissions: tuple[str, ...] = ()
    query: str = ""


GROUPS: tuple[tuple[Promise | str, tuple[Entry, ...]], ...] = (
    ("", (Entry(_("Dashboard"), "dashboard", "admin:index"),)),
    (
        _("Rate"),
        (
            Entry(_("Rate a review"), "star", "review"),
            Entry(_("Rate a file"), "upload_file", "bulk"),
            Entry(
                _("Bulk jobs"),
                "stacks",
                "admin:classifier_bulkjob_changelist",
                ("classifier.view_bulkjob",),
            ),
            Entry(
                _("Predictions"),
                "reviews",
                "admin:classifier_prediction_changelist",
                ("classifier.view_prediction",),
            ),
        ),
    ),
    (
        _("Review"),
        (
            Entry(
                _("Review queue"),
                "rate_review",
                "admin:classifier_prediction_review",
                ("classifier.view_prediction", "classifier.add_verdict"),
            ),
            Entry(
                _("Verdicts"),
                "gavel",
                "admin:classifier_prediction_changelist",
                ("classifier.view_prediction",),
                "review=reviewed",
            ),
            Entry(
                _("Import verdicts"),
                "upload",
                "admin:classifier_prediction_import",
                ("classifier.view_prediction", "classifier.add_verdict"),
            ),
        ),
    ),
    (
        _("Train"),
        (
            Entry(
                _("Training runs"),
                "model_training",
                "admin:training_trainingrun_changelist",
                ("training.view_trainingrun",),
            ),
            Entry(
                _("Start a run"),
                "play_circle",
                "admin:training_trainingrun_add",
                ("training.add_trainingrun",),
            ),
        ),
    ),
    (
        _("Models"),
        (
            Entry(
                _("Model versions"),
                "deployed_code",
                "admin:classifier_modelversion_changelist",
                ("classifier.view_modelversion",),
            ),
            Entry(_("Model page"), "description", "model"),
        ),
    ),
    (
        _("Access"),
        (
            Entry(_("Accounts"), "person", "admin:auth_user_changelist", ("auth.view_user",)),
            Entry(_("Groups"), "group", "admin:auth_group_changelist", ("auth.view_group",)),
            Entry(
                _("API keys"),
                "key",
                "admin:classifier_apikey_changelist",
                ("classifier.view_apikey",),
            ),
            Entry(
                _("Audit log"),
                "history",
                "admin:classifier_auditentry_changelist",
                ("classifier.view_auditentry",),
            ),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups as django-unfold takes them, with what the user may see and where they are."""
    entries = [
        (group, entry, _address(entry))
        for group, entries in GROUPS
        for entry in entries
        if request.user.has_perms(entry.permissions)
    ]
    here = _here(request, [address for _, _, address in entries])
    return [
        {
            "title": group,
            "items": [
                {
                    "title": entry.title,
                    "icon": entry.icon,
                    "link": address,
                    "active": address == here,
                }
                for its, entry, address in entries
                if its == group
            ],
        }
        for group, __ in GROUPS
        if any(its == group for its, _, _ in entries)
    ]


def _address(entry: Entry) -> str:
    address = reverse(entry.view)
    return f"{address}?{entry.query}" if entry.query else address


def _here(request: HttpRequest, addresses: list[str]) -> str:
    """The entry that a page of the admin belongs to: the longest address that it begins with."""
    asked, front = request.get_full_path(), reverse("admin:index")
    below = [each for each in addresses if each.startswith(front) and each != front]
    return max((each for each in below if asked.startswith(each)), key=len, default=front)
