"""The pages of training runs: the list, the form that starts one, and the page that follows it."""

from typing import Any
from uuid import UUID

from csp.constants import SELF
from csp.decorators import csp_update
from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.cache import patch_cache_control
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh, reswap, retarget

from classifier.admin.base import NextStep, SiteAdmin
from classifier.api.refusals import Refusal
from classifier.exceptions import ModelNotReady
from classifier.files import delete_stored, pieces
from training import services
from training.admin import presentation
from training.exceptions import InvalidRun
from training.forms import StartForm, dataset_suggestions, hub_token_is_set, model_suggestions
from training.models import TrainingRun
from training.reporting.charts import loss_chart
from training.served import served_model
from training.start_rate import count_start

# The report is a file that quotes texts of the data: nothing in it may run or be fetched, and it
# has no origin of its own. Only our own pages may frame it.
REPORT_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
HEAVY = ("history", "log_tail", "error")  # columns that a list does not show


class RunList(ChangeList):
    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[TrainingRun]:
        return super().get_queryset(request, exclude_parameters).defer(*HEAVY)


@admin.register(TrainingRun)
class TrainingRunAdmin(SiteAdmin):
    list_display = (
        "name",
        "state",
        "progress",
        "accuracy",
        "macro_f1",
        "roc_auc",
        "dataset",
        "recipe_name",
        "started_by",
        "created_at",
        "duration",
    )
    list_filter = ("status", "recipe", ("started_by", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("started_by",)
    search_fields = ("name", "recipe", "config__data__dataset", "config__model__base_model")
    search_help_text = _("Part of a name, a recipe, a data set or a base model")
    ordering = ("-created_at",)
    list_per_page = 50

    # The list

    def next_step_of(self, request: HttpRequest) -> NextStep | None:
        if self.is_narrowed(request):
            return None
        if not self.has_add_permission(request):
            return NextStep(
                _("No model has been trained here yet."),
                _("Runs appear here once someone with the right to add them has started one."),
            )
        return NextStep(
            _("No model has been trained here yet."),
            _(
                "Choose a recipe or a data set of your own, start a run, and watch it learn. A CSV "
                "with the columns text and label under DATASETS_DIR is enough, and so are the "
                "predictions that were reviewed here."
            ),
            "admin:training_trainingrun_add",
            _("Start a training run"),
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunList

    def get_queryset(self, request: HttpRequest) -> QuerySet[TrainingRun]:
        runs: QuerySet[TrainingRun] = super().get_queryset(request)
        return runs.select_related("started_by", "report", "model_version")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "title": gettext("Training runs"),
            "learnable": services.learnable_count(),
            **(extra_context or {}),
        }
        response: HttpResponse = super().changelist_view(request, context)
        return response

    @admin.display(description=_("status"), ordering="status")
    def state(self, run: TrainingRun) -> SafeString:
        return presentation.status_pill(run)

    @admin.display(description=_("progress"))
    def progress(self, run: TrainingRun) -> SafeString | str | None:
        percent = presentation.percent_of(run)
        if percent is None:
            return None
        if run.is_over:
            return f"{percent} %"
        return format_html(
            '<progress class="run-bar" max="100" value="{}" aria-label="{}"></progress>'
            ' <span class="run-percent">{} %</span>',
            percent,
            gettext("Progress"),
            percent,
        )

    @admin.display(description=_("recipe"), ordering="recipe")
    def recipe_name(self, run: TrainingRun) -> str:
        return run.recipe or gettext("none")

    @admin.display(description=_("data set"), ordering="config__data__dataset")
    def dataset(self, run: TrainingRun) -> str:
        return str(run.config.get("data", {}).get("dataset", ""))

    @admin.display(description=_("accuracy"), ordering="metrics__test_accuracy")
    def accuracy(self, run: TrainingRun) -> str | None:
        return self._measured(run, "accuracy")

    @admin.display(description=_("macro F1"), ordering="metrics__test_f1_macro")
    def macro_f1(self, run: TrainingRun) -> str | None:
        return self._measured(run, "f1_macro")

    @admin.display(description=_("ROC AUC"), ordering="metrics__test_roc_auc")
    def roc_auc(self, run: TrainingRun) -> str | None:
        return self._measured(run, "roc_auc")

    @admin.display(description=_("duration"))
    def duration(self, run: TrainingRun) -> str | None:
        return presentation.duration_of(run) or None

    def _measured(self, run: TrainingRun, name: str) -> str | None:
        return presentation.measure(name, run.metrics.get(f"test_{name}")) or None

    # Who may what

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and (obj is None or obj.is_over)

    def delete_model(self, request: HttpRequest, obj: TrainingRun) -> None:
        report = obj.report
        super().delete_model(request, obj)
        delete_stored(report)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[TrainingRun]) -> None:
        for run in queryset:
            self.delete_model(request, run)

    # Addresses

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = "training_trainingrun"
        own = [
            path("add/fill/", view(self.fill_view), name=f"{name}_fill"),
            path("retrain/", view(self.retrain_view), name=f"{name}_retrain"),
            # Not by admin_view: it would send the login page as the fragment.
            path("<uuid:pk>/live/", self.live_view, name=f"{name}_live"),
            path("<uuid:pk>/cancel/", view(self.cancel_view), name=f"{name}_cancel"),
            path("<uuid:pk>/retry/", view(self.retry_view), name=f"{name}_retry"),
            path("<uuid:pk>/report/", view(self.report_view), name=f"{name}_report"),
            path(
                "<uuid:pk>/report/download/",
                view(self.report_view),
                {"download": True},
                name=f"{name}_download",
            ),
        ]
        urls: list[URLPattern] = super().get_urls()
        return own + urls

    # Starting

    @method_decorator(csrf_protect)
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._start_page(request, self._new_form(request))
        form = StartForm(request.POST)
        if "_fill" in request.POST:
            return self._start_page(request, form.refilled())
        if form.is_valid() and (run := self._start(request, form)):
            self.log_addition(request, run, [{"added": {}}])
            messages.success(
                request, gettext("The run {name} has been started.").format(name=run.name)
            )
            return redirect(run)
        page = self._start_page(request, form)
        if form.refused:
            page.status_code = form.refused.status
            page.headers["Retry-After"] = form.refused.headers["Retry-After"]
        return page

    @method_decorator(csrf_protect)
    def fill_view(self, request: HttpRequest) -> HttpResponse:
        """The fields, filled from the recipe that was just chosen."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        context = self._form_context(StartForm(request.POST).refilled())
        return TemplateResponse(request, "training/fragments/start_fields.html", context)

    @method_decorator(require_POST)
    @method_decorator(csrf_protect)
    def retrain_view(self, request: HttpRequest) -> HttpResponse:
        """Go on training the model that serves, on the verdicts that there are by now."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            count_start(request.user)
            run = services.retrain(started_by=request.user)
        except (InvalidRun, ModelNotReady, OSError, Refusal) as error:
            messages.error(request, getattr(error, "told", str(error)))
            may_view = self.has_view_permission(request)
            return redirect("admin:training_trainingrun_changelist" if may_view else "admin:index")
        self.log_addition(request, run, [{"added": {}}])
        messages.success(request, gettext("The run {name} has been started.").format(name=run.name))
        if not run.config["data"]["replay_dataset"]:
            messages.warning(request, presentation.nothing_replayed(served_model().dataset))
        return redirect(run)

    def _new_form(self, request: HttpRequest) -> StartForm:
        like = self._run_like(request)
        if like:
            return StartForm.filled(
                presentation.recipe_of(like), presentation.values_of(like), name=like.name
            )
        return StartForm.filled(request.GET.get("recipe", ""), {})

    def _run_like(self, request: HttpRequest) -> TrainingRun | None:
        try:
            pk = UUID(request.GET.get("like", ""))
        except ValueError:
            return None
        run = self.get_queryset(request).filter(pk=pk).first()
        return run if run and self.has_view_permission(request, run) else None

    def _start(self, request: HttpRequest, form: StartForm) -> TrainingRun | None:
        """The new run; None where the form says by now what stands against it."""
        try:
            count_start(request.user)
            return services.start_run(
                name=form.cleaned_data["name"],
                recipe=form.cleaned_data["recipe"],
                overrides=form.overrides(),
                started_by=request.user,
            )
        except (InvalidRun, Refusal) as error:
            form.place_error(error)
            return None

    def _start_page(self, request: HttpRequest, form: StartForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Start a training run"),
            "opts": self.opts,
            "has_view_permission": self.has_view_permission(request),
            "errors": form.errors if form.is_bound else {},
            "datasets": dataset_suggestions(services.reviewed_count()),
            "models": model_suggestions(),
            **self._form_context(form),
        }
        return TemplateResponse(request, "admin/training/trainingrun/start.html", context)

    def _form_context(self, form: StartForm) -> dict[str, Any]:
        # It wants no more of a form than any form has.
        first, hub, *folded = AdminForm(form, form.fieldsets, {}, model_admin=self)  # type: ignore[arg-type]
        return {
            "form": form,
            "first": first,
            "hub": hub,
            "folded": folded,
            "hub_token_is_set": hub_token_is_set(),
        }

    # Following one

    @method_decorator(csp_update({"frame-src": [SELF]}))  # the report
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        run = self.get_object(request, unquote(object_id))
        if run is None:
            messages.warning(
                request,
                gettext("There is no run {name}. It may have been deleted.").format(name=object_id),
            )
            return redirect("admin:training_trainingrun_changelist")
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": run.name,
            "subtitle": None,
            "original": run,
            **self._run_context(request, run),
        }
        return TemplateResponse(request, "admin/training/trainingrun/run.html", context)

    @method_decorator(never_cache)
    def live_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """What has changed of a run since the page has it; asked for every two seconds."""
        run = self.get_queryset(request).filter(pk=pk).first()
        if (
            run is None
            or not self.admin_site.has_permission(request)
            or not self.has_view_permission(request, run)
        ):
            return HttpResponseClientRefresh()  # the whole page says why
        context = self._run_context(request, run)
        if request.GET.get("state") != context["state_token"]:
            whole = TemplateResponse(
                request, "training/fragments/run.html", {**context, "announce": True}
            )
            return reswap(retarget(whole, "#run"), "outerHTML")
        context["log_changed"] = request.GET.get("log") != context["log_token"]
        return TemplateResponse(request, "training/fragments/run_live.html", context)

    def _run_context(self, request: HttpRequest, run: TrainingRun) -> dict[str, Any]:
        may_change = self.has_change_permission(request, run)
        over = run.is_over
        parameters = presentation.parameters_of(run)
        return {
            "run": run,
            "opts": self.opts,
            "pill": presentation.status_pill(run),
            "status": presentation.status_of(run),
            "sentence": presentation.state_sentence(run),
            "state_token": presentation.state_token(run),
            "log_token": presentation.log_token(run),
            "percent": presentation.percent_of(run),
            **presentation.figures_of(run),
            "chart": loss_chart(run.history, total=0 if over else run.total),
            "metrics": presentation.metrics_table(run.metrics),
            "provenance": presentation.provenance_of(run),
            "parameters": parameters,
            "changed": [each for _, rows in parameters for each in rows if each.changed],
            "tracking": presentation.tracking_of(run) if over else None,
            "dataset": run.config.get("data", {}).get("dataset", ""),
            "base_model": run.config.get("model", {}).get("base_model", ""),
            "hub": run.config.get("publishing", {}).get("push_to_hub", ""),
            "may_cancel": may_change and not over and not run.cancel_requested,
            "may_retry": may_change and run.can_retry,
            "may_start": self.has_add_permission(request),
            "may_delete": self.has_delete_permission(request, run),
            "may_view_model": request.user.has_perm("classifier.view_modelversion"),
        }

    # Changing its course

    @method_decorator(require_POST)
    @method_decorator(csrf_protect)
    def cancel_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        run = self._changeable(request, pk)
        if services.cancel(run.pk):
            self.log_change(request, run, "Cancelled.")
            messages.success(request, gettext("The run {name} is cancelled.").format(name=run.name))
        else:
            messages.warning(
                request, gettext("The run {name} was over already.").format(name=run.name)
            )
        return redirect(run)

    @method_decorator(require_POST)
    @method_decorator(csrf_protect)
    def retry_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        run = self._changeable(request, pk)
        try:
            count_start(request.user)
        except Refusal as error:
            messages.error(request, error.told)
            return redirect(run)
        if services.retry(run.pk):
            self.log_change(request, run, "Started again.")
            messages.success(request, gettext("The run {name} goes on.").format(name=run.name))
        else:
            messages.warning(
                request, gettext("The run {name} is at work or done already.").format(name=run.name)
            )
        return redirect(run)

    def _changeable(self, request: HttpRequest, pk: UUID) -> TrainingRun:
        run = self._viewable(request, pk)
        if not self.has_change_permission(request, run):
            raise PermissionDenied
        return run

    def _viewable(self, request: HttpRequest, pk: UUID) -> TrainingRun:
        run = self.get_queryset(request).defer(*HEAVY).filter(pk=pk).first()
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        if run is None:
            raise Http404(gettext("There is no such run."))
        return run

    # The report

    @method_decorator(require_safe)
    def report_view(
        self, request: HttpRequest, pk: UUID, download: bool = False
    ) -> HttpResponseBase:
        run = self._viewable(request, pk)
        if run.report is None:
            raise Http404(gettext("This run has no report."))
        response = StreamingHttpResponse(
            pieces(run.report), content_type="text/html; charset=utf-8"
        )
        response["Content-Disposition"] = (
            content_disposition_header(download, f"{run.name}-report.html") or "inline"
        )
        response["Content-Length"] = str(run.report.size)
        response["Content-Security-Policy"] = REPORT_POLICY
        response["X-Content-Type-Options"] = "nosniff"
        response["X-Frame-Options"] = "SAMEORIGIN"
        patch_cache_control(response, private=True, no_cache=True)
        return response
