"""Accounts and groups, in the admin's look: who may review, train and switch models."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ManyToManyField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from classifier.admin.base import SiteAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


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


@admin.register(Group)
class RoleAdmin(GroupAdmin, ChosenByBoxes):  # type: ignore[misc]
    filter_horizontal = ()  # type: ignore[misc]
