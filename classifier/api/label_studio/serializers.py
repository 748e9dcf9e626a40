"""The shapes of Label Studio's requests and of our answers, for the schema at /api/schema."""

from rest_framework import serializers

from classifier.api.serializers import ErrorDetailSerializer


class LabelStudioHealthSerializer(serializers.Serializer):
    status = serializers.CharField(help_text="UP; where no model can answer, the error is 503.")
    model_class = serializers.CharField()
    model_version = serializers.CharField(help_text="name@revision of the model.")


class LabelStudioSetupRequestSerializer(serializers.Serializer):
    # `label_config.read_label_config` enforces it; what else is sent is not read.
    project = serializers.CharField(required=False)
    schema = serializers.CharField(help_text="The project's labelling configuration.")


class LabelStudioSetupSerializer(serializers.Serializer):
    model_version = serializers.CharField(help_text="name@revision of the model.")


class LabelStudioTaskSerializer(serializers.Serializer):
    id = serializers.IntegerField(required=False)
    data = serializers.DictField()  # type: ignore[assignment]


class LabelStudioTasksSerializer(serializers.Serializer):
    # `views.PredictView` enforces it; what else is sent is not read.
    tasks = LabelStudioTaskSerializer(many=True)
    label_config = serializers.CharField(help_text="The project's labelling configuration.")


class LabelStudioRegionSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="Of the choice: the prediction's.")
    from_name = serializers.CharField()
    to_name = serializers.CharField()
    type = serializers.ChoiceField(choices=["choices", "rating"])
    value = serializers.DictField()
    score = serializers.FloatField()


class LabelStudioResultSerializer(serializers.Serializer):
    model_version = serializers.CharField()
    result = LabelStudioRegionSerializer(
        many=True, help_text="Empty where the task cannot be rated."
    )
    score = serializers.FloatField(allow_null=True, help_text="Probability of the label, 0 to 1.")
    error = ErrorDetailSerializer(required=False, help_text="Why the task cannot be rated.")


class LabelStudioResultsSerializer(serializers.Serializer):
    results = LabelStudioResultSerializer(many=True, help_text="In the order of `tasks`.")
    model_version = serializers.CharField()


class LabelStudioEventSerializer(serializers.Serializer):
    # `annotations.receive` enforces it; what else is sent is not read.
    action = serializers.CharField()
    annotation = serializers.DictField(required=False)
    annotations = serializers.ListField(child=serializers.DictField(), required=False)
    task = serializers.DictField(required=False)
    project = serializers.DictField(required=False)


class LabelStudioReceivedSerializer(serializers.Serializer):
    verdicts = serializers.IntegerField(help_text="Given or changed.")
    unchanged = serializers.IntegerField(help_text="That stood before as they are said.")
    withdrawn = serializers.IntegerField()
    ignored = serializers.ListField(
        child=serializers.CharField(), help_text="What gave no verdict, and why."
    )
