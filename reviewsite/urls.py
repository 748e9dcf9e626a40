"""Routes."""

from django.contrib import admin
from django.urls import include, path

from reviewsite import health

admin.site.site_header = admin.site.site_title = "Reviewsite"
admin.site.index_title = "Predictions and their review"

urlpatterns = [
    path("", include("classifier.urls")),
    path("api/", include("classifier.api.urls")),
    path("admin/", admin.site.urls),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
]
