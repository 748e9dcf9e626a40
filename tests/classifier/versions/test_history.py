from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from classifier.models import AuditEntry, audit_entry
from classifier.versions.history import services
from tests.factories import make_version

pytestmark = pytest.mark.django_db


def test_each_switch_ends_the_service_of_the_one_before(admin_user: User) -> None:
    first, second = make_version("first"), make_version("second")
    now = timezone.now()
    for version, days in ((first, 30), (second, 20), (first, 10)):
        after = {"version": version.pk, "name": str(version)}
        audit_entry(
            AuditEntry.Action.MODEL_ACTIVATED,
            version,
            admin_user,
            after=after,
            at=now - timedelta(days=days),
        ).save()
    audit_entry(AuditEntry.Action.MODEL_REFUSED, first, admin_user).save()

    found = services()

    assert [each.name for each in found] == [str(first), str(second), str(first)]
    assert [each.end for each in found] == [found[1].start, found[2].start, None]


def test_the_front_page_draws_who_served_when(
    admin_client: Client, admin_user: User, served_model: Path
) -> None:
    assert "No version has been activated yet" in admin_client.get("/admin/").content.decode()
    version = make_version("first")
    after = {"version": version.pk, "name": str(version)}
    audit_entry(AuditEntry.Action.MODEL_ACTIVATED, version, admin_user, after=after).save()

    page = admin_client.get("/admin/").content.decode()

    assert "loop-timeline" in page
    assert page.count("first@0123456789ab") >= 2  # drawn, and said to who does not see it
