from django.urls import path

from classifier.views import bulk, review

urlpatterns = [
    path("", review.review, name="review"),
    path("predictions/<uuid:prediction_id>", review.prediction, name="prediction"),
    path("predictions/<uuid:prediction_id>/feedback", review.feedback, name="feedback"),
    path("bulk", bulk.upload, name="bulk"),
    path("bulk/uploads/<uuid:file_id>", bulk.choose, name="bulk-upload"),
    path("bulk/<uuid:job_id>", bulk.job, name="bulk-job"),
    path("bulk/<uuid:job_id>/progress", bulk.progress, name="bulk-progress"),
    path("bulk/<uuid:job_id>/result", bulk.result, name="bulk-result"),
    path("bulk/<uuid:job_id>/cancel", bulk.cancel, name="bulk-cancel"),
    path("bulk/<uuid:job_id>/retry", bulk.retry, name="bulk-retry"),
    path("bulk/<uuid:job_id>/delete", bulk.delete, name="bulk-delete"),
]
