from django.urls import path

from training.api.views import RunCancelView, RunRetryView, RunsView, RunView

urlpatterns = [
    path("training-runs", RunsView.as_view(), name="api-training-runs"),
    # Not <uuid:run_id>: what is none is answered in the API's own shape, too.
    path("training-runs/<str:run_id>", RunView.as_view(), name="api-training-run"),
    path("training-runs/<str:run_id>/cancel", RunCancelView.as_view(), name="api-training-cancel"),
    path("training-runs/<str:run_id>/retry", RunRetryView.as_view(), name="api-training-retry"),
]
