"""Routes; /livez, /startupz and /readyz are answered before any, in reviewsite.middleware."""

from django.contrib import admin
from django.urls import include, path

from classifier.api.inference import TeiView

admin.autodiscover()

urlpatterns = [
    path("", include("classifier.urls")),
    path("api/", include("classifier.api.urls")),
    path("api/", include("training.api.urls")),
    # Where clients of Text Embeddings Inference ask
    path("predict", TeiView.as_view(), name="tei-predict"),
    path("label-studio/", include("classifier.api.label_studio.urls")),
    path("i18n/", include("django.conf.urls.i18n")),  # set_language
    path("admin/", admin.site.urls),
]
