from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from classifier.api.views import PredictView

urlpatterns = [
    path("predict", PredictView.as_view(), name="api-predict"),
    # A client that adds a slash is answered too: a redirect would lose its POST.
    path("predict/", PredictView.as_view(schema=None)),
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
]
