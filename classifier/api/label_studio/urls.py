from django.urls import path

from classifier.api.label_studio.views import HealthView, PredictView, SetupView, WebhookView

urlpatterns = [
    path("", HealthView.as_view(schema=None)),
    path("health", HealthView.as_view(), name="label-studio-health"),
    path("setup", SetupView.as_view(), name="label-studio-setup"),
    path("predict", PredictView.as_view(), name="label-studio-predict"),
    path("webhook", WebhookView.as_view(), name="label-studio-webhook"),
]
