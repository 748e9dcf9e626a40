"""The shapes of requests and answers about training runs."""

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from training.models import TrainingRun


class StartRequestSerializer(serializers.Serializer):
    # `requests.start_request` and `training.services` enforce it.
    recipe = serializers.CharField(required=False, help_text="A recipe's name, such as starter.")
    name = serializers.CharField(
        required=False,
        max_length=100,
        help_text="Of the run and of its model; default: the data set and the time.",
    )
    overrides = serializers.DictField(
        required=False,
        help_text="Parameters of a recipe by their names, such as dataset (a name under "
        "DATASETS_DIR, a Hub id or reviewed), replay_dataset, base_model, epochs, learning_rate, "
        "push_to_hub.",
    )


class LinksSerializer(serializers.Serializer):
    self = serializers.CharField()
    page = serializers.CharField(help_text="The same for people.")
    cancel = serializers.CharField(allow_null=True, help_text="null where it is over.")
    retry = serializers.CharField(
        allow_null=True, help_text="null unless it failed, was cancelled or is paused."
    )


class RunSerializer(serializers.ModelSerializer):
    started_by = serializers.CharField(source="started_by.username", default=None)
    seconds_left = serializers.FloatField(
        allow_null=True, help_text="Of the training; null while it cannot be told."
    )
    done = serializers.IntegerField(help_text="Training steps that are done.")
    total = serializers.IntegerField(help_text="Those of the whole run; 0 is not known yet.")
    stage = serializers.CharField(help_text="What is done now, in a word.")
    model = serializers.SerializerMethodField(help_text="name@revision, once it has succeeded.")
    links = serializers.SerializerMethodField()

    class Meta:
        model = TrainingRun
        fields: tuple[str, ...] = (
            *("id", "name", "status", "stage", "recipe", "done", "total", "epoch"),
            *("seconds_left", "metrics", "model", "error", "attempt", "worker_losses"),
            *("cancel_requested", "started_by", "created_at", "started_at", "finished_at"),
            "links",
        )
        read_only_fields: tuple[str, ...] = fields

    def get_model(self, run: TrainingRun) -> str | None:
        return str(run.model_version) if run.model_version else None

    @extend_schema_field(LinksSerializer)
    def get_links(self, run: TrainingRun) -> dict[str, str | None]:
        return {
            "self": run_url(run),
            "page": run.get_absolute_url(),
            "cancel": None if run.is_over else reverse("api-training-cancel", args=[run.pk]),
            "retry": reverse("api-training-retry", args=[run.pk]) if run.can_retry else None,
        }


class RunDetailSerializer(RunSerializer):
    class Meta(RunSerializer.Meta):
        fields = (*RunSerializer.Meta.fields, "config", "history", "log_tail")
        read_only_fields = fields


def run_url(run: TrainingRun) -> str:
    return reverse("api-training-run", args=[run.pk])
