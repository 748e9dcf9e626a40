"""The shapes of requests and answers, for the schema at /api/schema and for output."""

from django.conf import settings
from rest_framework import serializers

from classifier.models import Prediction


class PredictRequestSerializer(serializers.Serializer):
    """One of the two; the schema says what `requests.rating_request` enforces."""

    text = serializers.CharField(required=False, max_length=settings.CLASSIFIER_MAX_CHARS)
    texts = serializers.ListField(
        child=serializers.CharField(max_length=settings.CLASSIFIER_MAX_CHARS),
        required=False,
        min_length=1,
        max_length=settings.CLASSIFIER_MAX_TEXTS,
    )


class PredictionSerializer(serializers.ModelSerializer):
    model = serializers.CharField(source="model_version", help_text="name@revision of the model")

    class Meta:
        model = Prediction
        fields = ("id", "label", "score", "positive_probability", "rating", "model", "truncated")
        read_only_fields = fields


class PredictionListSerializer(serializers.Serializer):
    results = PredictionSerializer(many=True, help_text="In the order of `texts`.")


class ErrorDetailSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="Stable name of the error, such as text_blank.")
    field = serializers.CharField(allow_null=True, help_text="Which field, such as texts[3].")
    rule = serializers.CharField(help_text="What must hold.")
    value = serializers.CharField(help_text="What was found instead.")
    remedy = serializers.CharField(help_text="What to do about it.")


class ErrorSerializer(serializers.Serializer):
    error = ErrorDetailSerializer()
