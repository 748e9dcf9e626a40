from django.urls import path
from django.views.decorators.http import conditional_page
from drf_spectacular.views import SpectacularAPIView

from classifier.api.bulk import BulkCancelView, BulkJobsView, BulkJobView, BulkResultView
from classifier.api.catalogue import CatalogueView
from classifier.api.feedback import FeedbackView
from classifier.api.inference import HubView
from classifier.api.predictions import PredictionsView, PredictionView
from classifier.api.views import PredictView

urlpatterns = [
    path("predict", PredictView.as_view(), name="api-predict"),
    # A client that adds a slash is answered too: a redirect would lose its POST.
    path("predict/", PredictView.as_view(schema=None)),
    path("predictions", conditional_page(PredictionsView.as_view()), name="api-predictions"),
    path(
        "predictions/<str:prediction_id>",
        conditional_page(PredictionView.as_view()),
        name="api-prediction",
    ),
    path("predictions/<str:prediction_id>/feedback", FeedbackView.as_view(), name="api-feedback"),
    path("inference", HubView.as_view(), name="api-inference"),
    path("bulk", BulkJobsView.as_view(), name="api-bulk"),
    path("bulk/", BulkJobsView.as_view(schema=None)),
    # Not <uuid:job_id>: what is none is answered in the API's own shape, too.
    path("bulk/<str:job_id>", BulkJobView.as_view(), name="api-bulk-job"),
    path("bulk/<str:job_id>/result", BulkResultView.as_view(), name="api-bulk-result"),
    path("bulk/<str:job_id>/cancel", BulkCancelView.as_view(), name="api-bulk-cancel"),
    path("errors", conditional_page(CatalogueView.as_view()), name="api-errors"),
    path("schema", conditional_page(SpectacularAPIView.as_view()), name="api-schema"),
]
