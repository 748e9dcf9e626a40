"""The shapes of requests and answers, for the schema at /api/schema and for output."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from classifier.api.inference_requests import FUNCTIONS
from classifier.api.requests import most_explained
from classifier.bulk_shown import ShownJob
from classifier.explanation.contributions import METHODS, OCCLUSION
from classifier.models import BulkJob, Feedback, Prediction
from classifier.ratings import HIGHEST, LOWEST
from classifier.review.feedback import MAX_VISITOR_CHARS


class PredictRequestSerializer(serializers.Serializer):
    """Either text or texts."""

    # `requests.rating_request` enforces it.
    text = serializers.CharField(required=False, max_length=settings.CLASSIFIER_MAX_CHARS)
    texts = serializers.ListField(
        child=serializers.CharField(max_length=settings.CLASSIFIER_MAX_CHARS),
        required=False,
        min_length=1,
        max_length=settings.CLASSIFIER_MAX_TEXTS,
    )
    text_pair = serializers.CharField(
        required=False,
        max_length=settings.CLASSIFIER_MAX_CHARS,
        help_text="The second text, where the model reads pairs: such as a passage for a question.",
    )
    text_pairs = serializers.ListField(
        child=serializers.CharField(max_length=settings.CLASSIFIER_MAX_CHARS),
        required=False,
        min_length=1,
        max_length=settings.CLASSIFIER_MAX_TEXTS,
        help_text="The second text of each of texts.",
    )
    explain = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Say what the sentences and words of each text add. "
        f"For {most_explained()} texts at most.",
    )
    explain_method = serializers.ChoiceField(
        choices=METHODS,
        required=False,
        default=OCCLUSION,
        help_text="occlusion: leave parts out, with any model. gradients: follow the model "
        "backwards, where CLASSIFIER_ENGINE is torch; takes many times as long.",
    )


class ContributionSerializer(serializers.Serializer):
    start = serializers.IntegerField(help_text="First character (code point) of the part.")
    end = serializers.IntegerField(help_text="The character behind its last.")
    contribution = serializers.FloatField(help_text="What the part adds to P(POSITIVE), -1 to 1.")


class ExplanationSerializer(serializers.Serializer):
    """Characters are those of the text as it was sent, code points, whatever the script."""

    # `predict.explanation_answer` gives it.
    method = serializers.ChoiceField(choices=METHODS)
    model = serializers.CharField(help_text="name@revision of the model that was asked.")
    base = serializers.FloatField(help_text="P(POSITIVE) of the whole text.")
    sentence_count = serializers.IntegerField(help_text="Sentences that the text has.")
    sentences = ContributionSerializer(
        many=True,
        help_text="In their order: base less P(POSITIVE) of the text without the sentence. Those "
        "that matter most, where not all could be looked at; none where there is only one.",
    )
    words = ContributionSerializer(
        many=True,
        help_text="In the sentences that matter most: words, or some neighbours together.",
    )
    words_measured = serializers.BooleanField(
        help_text="true: measured in the whole text, as sentences are. false: shares in the "
        "contribution of the word's sentence, measured in that sentence alone."
    )


class PredictFormSerializer(PredictRequestSerializer):
    """Either text or texts, as a form."""


class PredictionSerializer(serializers.ModelSerializer):
    # `predict.prediction_answer` gives the same without making fields anew.
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="NEGATIVE or POSITIVE, or the label of another model."
    )
    positive_probability = serializers.FloatField(
        allow_null=True,
        min_value=0,
        max_value=1,
        help_text="P(POSITIVE); null where the labels are not the two sentiments.",
    )
    rating = serializers.IntegerField(
        allow_null=True,
        min_value=LOWEST,
        max_value=HIGHEST,
        help_text="1 (worst) to 10 (best); null where the labels are not the two sentiments.",
    )
    probabilities = serializers.SerializerMethodField(
        help_text="Of each label of the model, 0 to 1."
    )
    rating_interval = serializers.ListField(
        child=serializers.IntegerField(min_value=LOWEST, max_value=HIGHEST),
        min_length=2,
        max_length=2,
        allow_null=True,
        help_text="[low, high], both in it: what people give in 80 % of such reviews. null where "
        "the rating is the model's confidence alone.",
    )
    model = serializers.CharField(source="model_version", help_text="name@revision of the model")
    language = serializers.SerializerMethodField(
        help_text="Of the text, as ISO 639 has it; null where that is unsure."
    )
    explanation = serializers.SerializerMethodField(help_text="null unless it was asked for.")

    class Meta:
        model = Prediction
        fields: tuple[str, ...] = (
            *("id", "label", "score", "positive_probability", "rating", "rating_interval"),
            *("probabilities", "model", "truncated", "language", "explanation"),
        )
        read_only_fields: tuple[str, ...] = fields

    def get_language(self, prediction: Prediction) -> str | None:
        return prediction.language or None

    def get_probabilities(self, prediction: Prediction) -> dict[str, float]:
        return prediction.label_probabilities

    @extend_schema_field(ExplanationSerializer(allow_null=True))
    def get_explanation(self, prediction: Prediction) -> None:
        """It is not kept with the prediction."""


class PredictionListSerializer(serializers.Serializer):
    results = PredictionSerializer(many=True, help_text="In the order of `texts`.")


class KeptPredictionSerializer(PredictionSerializer):
    """A prediction as it is kept, its text with it."""

    class Meta(PredictionSerializer.Meta):
        fields = (
            *PredictionSerializer.Meta.fields,
            *("text", "text_pair", "text_sha256", "source", "created_at"),
        )
        read_only_fields = fields


class FeedbackRequestSerializer(serializers.Serializer):
    # `classifier.api.feedback` enforces it.
    right = serializers.BooleanField(
        required=False, help_text="true: the answer is right. Without it, label and rating."
    )
    label = serializers.CharField(  # type: ignore[assignment]
        required=False, help_text="One of the labels of the model."
    )
    rating = serializers.IntegerField(
        required=False,
        min_value=LOWEST,
        max_value=HIGHEST,
        help_text="Where the answer has one.",
    )
    visitor = serializers.CharField(
        required=False,
        max_length=MAX_VISITOR_CHARS,
        help_text="Your own name for the visitor; only its digest is kept.",
    )


class FeedbackSerializer(serializers.ModelSerializer):
    label = serializers.CharField()  # type: ignore[assignment]

    class Meta:
        model = Feedback
        fields = ("prediction", "label", "rating", "disagrees")
        read_only_fields = fields


@extend_schema_field(OpenApiTypes.BINARY)
class _SentFile(serializers.FileField):
    """A file that is sent; the schema of FileField itself is that of an address."""


class BulkRequestSerializer(serializers.Serializer):
    # `classifier.api.bulk` and `classifier.uploads` enforce it.
    file = _SentFile(help_text="CSV, TSV, JSON Lines or XLSX.")
    text_column = serializers.CharField(
        required=False, help_text="Column with the review; needed where it is not clear."
    )
    keep_texts = serializers.BooleanField(
        required=False, default=False, help_text="Keep each review, so that it can be reviewed."
    )


class BadRowSerializer(serializers.Serializer):
    row = serializers.IntegerField(help_text="1 for the first one below the header.")
    reason = serializers.CharField()


class BulkSummarySerializer(serializers.Serializer):
    rows = serializers.IntegerField()
    rated = serializers.IntegerField()
    bad = serializers.IntegerField()
    mean_rating = serializers.FloatField(allow_null=True)
    positive_share = serializers.FloatField(
        allow_null=True, help_text="Share of the ratings that are 6 or more, 0 to 1."
    )
    ratings = serializers.ListField(
        child=serializers.IntegerField(), help_text="Rows of each rating, from 1 to 10."
    )
    bad_rows = BadRowSerializer(many=True, help_text="The first of them.")


class BulkResultSerializer(serializers.Serializer):
    url = serializers.CharField()
    filename = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    sha256 = serializers.CharField()


class BulkJobSerializer(serializers.ModelSerializer):
    url = serializers.SerializerMethodField(help_text="Where this is read again.")
    page = serializers.SerializerMethodField(help_text="The same for people.")
    stage = serializers.SerializerMethodField(help_text="What is done now, in words.")
    rows_done = serializers.SerializerMethodField()
    rows_total = serializers.SerializerMethodField(help_text="null while it is not known.")
    rows_per_second = serializers.SerializerMethodField(help_text="null while it is not known.")
    seconds_left = serializers.SerializerMethodField(help_text="null while it is not known.")
    error = serializers.SerializerMethodField(help_text="Why it failed, or why it waits.")
    model = serializers.SerializerMethodField(help_text="name@revision of the model.")
    summary = serializers.SerializerMethodField(help_text="Once it has succeeded.")
    result = serializers.SerializerMethodField(help_text="While it is there.")

    class Meta:
        model = BulkJob
        fields = (
            *("id", "status", "stage", "url", "page", "filename", "text_column", "keep_texts"),
            *("rows_done", "rows_total", "rows_per_second", "seconds_left", "cancel_requested"),
            *("error", "model", "created_at", "started_at", "finished_at", "purged_at"),
            *("summary", "result"),
        )
        read_only_fields = fields

    def to_representation(self, job: BulkJob) -> dict[str, Any]:
        self._shown = ShownJob.of(job)
        return super().to_representation(job)

    def get_url(self, job: BulkJob) -> str:
        return reverse("api-bulk-job", args=[job.pk])

    def get_page(self, job: BulkJob) -> str:
        return job.get_absolute_url()

    def get_stage(self, job: BulkJob) -> str:
        return self._shown.stage

    def get_rows_done(self, job: BulkJob) -> int:
        return self._shown.progress.done

    def get_rows_total(self, job: BulkJob) -> int | None:
        return self._shown.progress.total or None

    def get_rows_per_second(self, job: BulkJob) -> float | None:
        return self._shown.progress.rate

    def get_seconds_left(self, job: BulkJob) -> float | None:
        return self._shown.progress.seconds_left

    def get_error(self, job: BulkJob) -> str | None:
        return job.error or None

    def get_model(self, job: BulkJob) -> str | None:
        return str(job.model_version) if job.model_version else None

    @extend_schema_field(BulkSummarySerializer(allow_null=True))
    def get_summary(self, job: BulkJob) -> dict[str, Any] | None:
        if job.status != job.Status.SUCCEEDED:
            return None
        summary = asdict(self._shown.summary)
        summary["bad_rows"] = [
            {"row": row, "reason": reason} for row, reason in summary["bad_rows"]
        ]
        return summary

    @extend_schema_field(BulkResultSerializer(allow_null=True))
    def get_result(self, job: BulkJob) -> dict[str, Any] | None:
        if job.result is None or job.purged_at:
            return None
        return {
            "url": reverse("api-bulk-result", args=[job.pk]),
            "filename": job.result.name,
            "size": job.result.size,
            "sha256": job.result.sha256,
        }


class ErrorDetailSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="Stable name of the error, such as text_blank.")
    field = serializers.CharField(allow_null=True, help_text="Which field, such as texts[3].")
    rule = serializers.CharField(help_text="What must hold.")
    value = serializers.CharField(help_text="What was found instead.")
    remedy = serializers.CharField(help_text="What to do about it.")


class ErrorSerializer(serializers.Serializer):
    error = ErrorDetailSerializer()


class CatalogueEntrySerializer(serializers.Serializer):
    code = serializers.CharField()
    status = serializers.ListField(child=serializers.IntegerField(), help_text="HTTP statuses.")
    rule = serializers.ListField(child=serializers.CharField(), help_text="One or several.")
    remedy = serializers.ListField(child=serializers.CharField(), help_text="One or several.")


class CatalogueSerializer(serializers.Serializer):
    errors = CatalogueEntrySerializer(  # type: ignore[assignment]
        many=True, help_text="By code."
    )


class HubParametersSerializer(serializers.Serializer):
    top_k = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, help_text="So many of the likeliest labels."
    )
    function_to_apply = serializers.ChoiceField(
        required=False, allow_null=True, choices=FUNCTIONS, help_text="softmax, if it is left out."
    )
    truncation = serializers.BooleanField(
        required=False, allow_null=True, help_text="Let pass: texts of any length are read."
    )


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "maxItems": settings.CLASSIFIER_MAX_TEXTS,
            },
        ]
    }
)
class _HubInputs(serializers.JSONField):
    """A text or a list of texts."""


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
            {
                "type": "array",
                "items": {
                    "type": "array",
                    "items": {"type": "string"},
                    "minItems": 1,
                    "maxItems": 2,
                },
                "minItems": 1,
                "maxItems": settings.CLASSIFIER_MAX_TEXTS,
            },
        ]
    }
)
class _TeiInputs(serializers.JSONField):
    """A text, a list of one or of a pair, or a list of such lists."""


class HubRequestSerializer(serializers.Serializer):
    # `inference_requests.hub_request` enforces it.
    inputs = _HubInputs()
    parameters = HubParametersSerializer(required=False, allow_null=True)


class TeiRequestSerializer(serializers.Serializer):
    # `inference_requests.tei_request` enforces it.
    inputs = _TeiInputs()
    raw_scores = serializers.BooleanField(
        required=False, default=False, help_text="The model's outputs, without softmax."
    )
    truncate = serializers.BooleanField(
        required=False, default=False, help_text="Let pass: texts of any length are read."
    )


class InferenceErrorSerializer(serializers.Serializer):
    error = serializers.CharField(help_text="Rule, value and remedy in one sentence each.")
    error_type = serializers.ChoiceField(choices=("Empty", "Validation", "Overloaded", "Unhealthy"))
