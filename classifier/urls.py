from django.urls import path

from classifier.views import api, bulk, compare, explanation, model, review

urlpatterns = [
    path("", review.review, name="review"),
    path("predictions/<uuid:prediction_id>", review.prediction, name="prediction"),
    path(
        "predictions/<uuid:prediction_id>/explanation",
        explanation.explanation,
        name="explanation",
    ),
    path("predictions/<uuid:prediction_id>/feedback", review.feedback, name="feedback"),
    path("predictions/<uuid:prediction_id>/delete", review.delete_text, name="delete-text"),
    path("ratings", review.ratings, name="ratings"),
    path("recent/forget", review.forget, name="forget"),
    path("tokens", review.tokens, name="tokens"),
    path("compare", compare.compare, name="compare"),
    path("compare/<uuid:first_id>/<uuid:second_id>", compare.comparison, name="comparison"),
    path("model", model.model, name="model"),
    path("model/<int:version_id>", model.model, name="model-version"),
    path("api/docs", api.docs, name="api-docs"),
    path("bulk", bulk.upload, name="bulk"),
    path("bulk/uploads/<uuid:file_id>", bulk.choose, name="bulk-upload"),
    path("bulk/<uuid:job_id>", bulk.job, name="bulk-job"),
    path("bulk/<uuid:job_id>/progress", bulk.progress, name="bulk-progress"),
    path("bulk/<uuid:job_id>/result", bulk.result, name="bulk-result"),
    path("bulk/<uuid:job_id>/cancel", bulk.cancel, name="bulk-cancel"),
    path("bulk/<uuid:job_id>/retry", bulk.retry, name="bulk-retry"),
    path("bulk/<uuid:job_id>/delete", bulk.delete, name="bulk-delete"),
]
