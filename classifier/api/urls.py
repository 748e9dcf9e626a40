from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from classifier.api.bulk import BulkCancelView, BulkJobsView, BulkJobView, BulkResultView
from classifier.api.feedback import FeedbackView
from classifier.api.views import PredictView

urlpatterns = [
    path("predict", PredictView.as_view(), name="api-predict"),
    # A client that adds a slash is answered too: a redirect would lose its POST.
    path("predict/", PredictView.as_view(schema=None)),
    path("predictions/<str:prediction_id>/feedback", FeedbackView.as_view(), name="api-feedback"),
    path("bulk", BulkJobsView.as_view(), name="api-bulk"),
    path("bulk/", BulkJobsView.as_view(schema=None)),
    # Not <uuid:job_id>: what is none is answered in the API's own shape, too.
    path("bulk/<str:job_id>", BulkJobView.as_view(), name="api-bulk-job"),
    path("bulk/<str:job_id>/result", BulkResultView.as_view(), name="api-bulk-result"),
    path("bulk/<str:job_id>/cancel", BulkCancelView.as_view(), name="api-bulk-cancel"),
    path("schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("docs", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
]
