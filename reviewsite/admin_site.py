from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


class AdminSite(UnfoldAdminSite):
    """The admin in django-unfold's look."""

    index_title = _("Dashboard")
