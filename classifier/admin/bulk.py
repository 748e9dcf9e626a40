from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from classifier.admin.base import NextStep
from classifier.admin.facts import FactsAdmin
from classifier.bulk_jobs import control, retention
from classifier.bulk_jobs.errors import BulkError
from classifier.messages import message, told
from classifier.models import BulkJob


@admin.register(BulkJob)
class BulkJobAdmin(FactsAdmin):
    list_display = (
        "created_at",
        "name",
        "status",
        "rows",
        "bad_rows",
        "keep_texts",
        "source",
        "owner",
        "purged_at",
        "page",
    )
    list_display_links = ("created_at", "name")
    list_filter = ("status", "source", "keep_texts", "model_version")
    list_select_related = ("owner",)
    search_fields = ("filename", "=id")
    search_help_text = _("A part of the file's name, or the id of a job")
    date_hierarchy = "created_at"
    actions = ("cancel", "purge")
    next_step = NextStep(
        _("No file has been rated yet"),
        _("Give the site a CSV, TSV, JSON Lines or XLSX file; here you see how far it is."),
        "bulk",
        _("Rate a file"),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # it would leave the files; "Delete the files" does not

    @admin.display(description=_("file"), ordering="filename")
    def name(self, job: BulkJob) -> str:
        return Truncator(job.filename).chars(60)

    @admin.display(description=_("rows"))
    def rows(self, job: BulkJob) -> str:
        if job.total:
            return told(message("{done:,} of {total:,}", done=job.done, total=job.total))
        return told(message("{count:,}", count=job.done))

    @admin.display(description=_("page"))
    def page(self, job: BulkJob) -> str:
        return format_html('<a href="{}">{}</a>', job.get_absolute_url(), gettext("open"))

    @admin.action(description=_("Cancel those that are not over"), permissions=["change"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[BulkJob]) -> None:
        cancelled = sum(control.cancel(job) for job in queryset)
        self.message_user(
            request,
            ngettext(
                "{count} job cancelled; one that runs ends after its chunk.",
                "{count} jobs cancelled; one that runs ends after its chunk.",
                cancelled,
            ).format(count=cancelled),
        )

    @admin.action(description=_("Delete the files; counts stay"), permissions=["change"])
    def purge(self, request: HttpRequest, queryset: QuerySet[BulkJob]) -> None:
        purged = 0
        for job in queryset:
            try:
                retention.purge(job)
            except BulkError as error:
                self.message_user(request, error.told, messages.WARNING)
            else:
                purged += 1
        self.message_user(
            request,
            ngettext(
                "The files of {count} job are deleted.",
                "The files of {count} jobs are deleted.",
                purged,
            ).format(count=purged),
        )
