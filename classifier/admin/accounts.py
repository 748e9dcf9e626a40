"""Accounts and groups, in the admin's look: who may review, train and switch models."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ManyToManyField, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_otp.plugins.otp_static import admin as otp_static
from django_otp.plugins.otp_totp import admin as otp_totp
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from classifier.admin.base import SiteAdmin
from reviewsite.second_factor import devices

admin.site.unregister(User)
admin.site.unregister(Group)
for device in (otp_static.StaticDevice, otp_totp.TOTPDevice):
    admin.site.unregister(device)  # their pages show keys and codes to whoever may see devices


class ChosenByBoxes(SiteAdmin):
    """Groups and permissions as boxes, which need no script."""

    filter_horizontal = ()
    formfield_overrides = {ManyToManyField: {"widget": UnfoldAdminCheckboxSelectMultipleWidget}}

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField | None:
        field: forms.ModelMultipleChoiceField | None = super().formfield_for_manytomany(
            db_field, request, **kwargs
        )
        if field and db_field.name in ("permissions", "user_permissions"):
            field.queryset = Permission.objects.select_related("content_type")
        if field:
            field.help_text = ""  # that of lists in which one chooses with a key held down
        return field


@admin.register(User)
class AccountAdmin(UserAdmin, ChosenByBoxes):  # type: ignore[misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    filter_horizontal = ()  # type: ignore[misc]
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (_("Rights"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (_("Single permissions"), {"fields": ("user_permissions",), "classes": ("collapse",)}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    actions = ("reset_second_factor",)

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        if not settings.ADMIN_SECOND_FACTOR:
            actions.pop("reset_second_factor", None)
        return actions

    @admin.action(description=_("Reset the second factor"), permissions=["change"])
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        count = sum(devices.reset(user, actor=request.user) for user in queryset)
        self.message_user(
            request,
            ngettext(
                "%(count)d account sets its second factor up anew at its next login.",
                "%(count)d accounts set their second factor up anew at their next login.",
                count,
            )
            % {"count": count},
        )


@admin.register(Group)
class RoleAdmin(GroupAdmin, ChosenByBoxes):  # type: ignore[misc]
    filter_horizontal = ()  # type: ignore[misc]
