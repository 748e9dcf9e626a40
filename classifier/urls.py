from django.urls import path

from classifier import views

urlpatterns = [
    path("", views.review, name="review"),
    path("predictions/<uuid:prediction_id>", views.prediction, name="prediction"),
]
