"""The page of one version beside the version in service: figures, gate, shadow, and the switch."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from kombu.exceptions import OperationalError

from classifier.admin.base import SiteAdmin
from classifier.exceptions import ClassifierError
from classifier.messages import message, told
from classifier.models import ModelVersion
from classifier.versions.activation import activate, in_service, roll_back
from classifier.versions.answers import owed_frozen, request_frozen, set_shadow
from classifier.versions.comparison import compare, shadow_of, texts_of
from classifier.versions.gate import judge

Status = ModelVersion.Status


class SwitchForm(forms.Form):
    """What somebody wants of a version."""

    do = forms.ChoiceField(
        choices=[(name, name) for name in ("answer", "activate", "shadow", "roll back")]
    )
    reason = forms.CharField(required=False, max_length=500)
    share = forms.FloatField(min_value=0, max_value=100, required=False)  # percent


class ComparisonPage(SiteAdmin):
    """The page where a version is compared, activated and rolled back."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.compare_view)
        return [
            path("<int:pk>/compare/", view, name="classifier_modelversion_compare"),
            *super().get_urls(),
        ]

    @method_decorator([never_cache, csrf_protect])
    def compare_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the comparison, or do what the form asks for."""
        version = ModelVersion.objects.select_related("archive").filter(pk=pk).first()
        if not self.has_view_permission(request, version):
            raise PermissionDenied
        if version is None:
            raise Http404
        if request.method == "POST":
            if not self.has_change_permission(request, version):
                raise PermissionDenied
            self._switch(request, version)
            return redirect("admin:classifier_modelversion_compare", pk)
        return self._page(request, version)

    def _switch(self, request: HttpRequest, version: ModelVersion) -> None:
        form = SwitchForm(request.POST)
        if not form.is_valid():
            errors = [f"{name}: {error}" for name, each in form.errors.items() for error in each]
            self.message_user(request, " ".join(errors), messages.ERROR)
            return
        reason = form.cleaned_data["reason"]
        try:
            match form.cleaned_data["do"]:
                case "answer":
                    said = _let_answer(version)
                case "shadow":
                    _require_kept(version)
                    percent = form.cleaned_data["share"] or 0
                    set_shadow(version, percent / 100)
                    said = told(
                        message(
                            "{version} rates {percent:g} % of the live traffic, unheard.",
                            version=version,
                            percent=percent,
                        )
                    )
                case "roll back":
                    active = roll_back(actor=request.user, reason=reason)
                    said = gettext("{version} is active again.").format(version=active)
                case _:
                    _require_kept(version)
                    activate(version, actor=request.user, reason=reason)
                    said = gettext("{version} is active; processes follow within seconds.")
                    said = said.format(version=version)
        except ClassifierError as error:
            self.message_user(request, error.told, messages.ERROR)
        else:
            self.message_user(request, said)

    def _page(self, request: HttpRequest, version: ModelVersion) -> HttpResponse:
        serving = in_service()
        other = serving if serving != version else None
        compared = compare(version, other) if other else None
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": f"{version}",
            "opts": self.opts,
            "version": version,
            "kept": version.status != Status.SEEN,
            "serving": serving,
            "is_serving": serving == version,
            "may_change": self.has_change_permission(request, version),
            "compared": compared,
            "gate": judge(compared) if other else None,
            "owed": owed_frozen(version),
            "serving_owes": owed_frozen(other) if other else 0,
            "shadow": shadow_of(version),
        }
        if compared:
            context |= {
                "interval": [100 * end for end in compared.interval],
                "lost": texts_of(compared.only_serving),
                "won": texts_of(compared.only_candidate),
            }
        return TemplateResponse(request, "admin/classifier/modelversion/compare.html", context)


def _let_answer(version: ModelVersion) -> str:
    """Send workers for this version and the one in service; what to tell of it."""
    serving = in_service()
    for each in {version, serving or version}:
        _require_kept(each)
        try:
            request_frozen(each)
        except (OperationalError, OSError) as error:
            raise ClassifierError(
                code="queue_not_ready",
                rule=message("The queue brings a worker that rates the rows."),
                value=message("it does not answer: {error}", error=error),
                remedy=message("Start it, or run: python manage.py compare_models"),
            ) from error
    return gettext("A worker rates the frozen rows; look again in some seconds.")


def _require_kept(version: ModelVersion) -> None:
    if version.status == Status.SEEN and version != in_service():
        raise ClassifierError(
            code="version_not_kept",
            rule=message("A version that is to rate has its files kept by the site."),
            value=message("those of {version} are not", version=version),
            remedy=message("Register it: python manage.py activate_model NAME --register-only"),
        )
