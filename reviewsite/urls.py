"""Routes; /livez and /readyz are answered before any, in reviewsite.middleware."""

from django.contrib import admin
from django.urls import include, path

admin.autodiscover()
admin.site.site_header = admin.site.site_title = "Reviewsite"
admin.site.index_title = "Predictions, training runs and files"

urlpatterns = [
    path("", include("classifier.urls")),
    path("api/", include("classifier.api.urls")),
    path("api/", include("training.api.urls")),
    path("label-studio/", include("classifier.api.label_studio.urls")),
    path("admin/", admin.site.urls),
]
