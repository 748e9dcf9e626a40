"""manage.py list_models: which versions there are, and which one serves."""

from typing import Any

from django.conf import settings

from classifier.models import ModelVersion
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = "Lists the model versions: name@revision, status, since when, and from where."

    def handle(self, *args: Any, **options: Any) -> None:
        versions = ModelVersion.objects.order_by("created_at", "pk")
        for version in versions:
            since = version.activated_at or version.created_at
            columns = [version.status, f"{since:%Y-%m-%d %H:%M}", str(version), version.source]
            if version.shadow_share:
                columns.append(f"rates {100 * version.shadow_share:g} % in the shadow")
            self.stdout.write("  ".join(columns).rstrip())
        if not any(version.status == version.Status.ACTIVE for version in versions):
            self.stdout.write(
                f"None is active: CLASSIFIER_MODEL ({settings.CLASSIFIER_MODEL}) serves."
            )
