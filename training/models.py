"""A fine-tuning run that was started from the admin or the API."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from classifier.jobs import Job
from classifier.jobs.progress import seconds_left
from classifier.models import ModelVersion, StoredFile

TRAINING = "training"  # the stage in which steps are done
RETRIED = (Job.Status.FAILED, Job.Status.CANCELLED, Job.Status.PAUSED)


class TrainingRun(Job):
    """A run of `finetune`, in a process of its own. `done` and `total` are training steps."""

    name = models.CharField(
        _("name"),
        max_length=100,
        unique=True,
        validators=[
            RegexValidator(
                r"^[A-Za-z0-9][\w.-]*\Z",
                _(
                    "A name is made of letters, digits, '.', '_' and '-', and starts with a letter "
                    "or digit."
                ),
            )
        ],
        help_text=_("Of the run and of its model."),
    )
    recipe = models.CharField(
        _("recipe"), max_length=100, blank=True, help_text=_("That it was started from.")
    )
    config = models.JSONField(
        _("config"), help_text=_("All parameters, in the sections of a recipe.")
    )
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        verbose_name=_("started by"),
    )
    epoch = models.FloatField(_("epoch"), default=0, editable=False)
    pace = models.FloatField(
        _("pace"),
        default=0,
        editable=False,
        help_text=_("Steps a second, on the mean of this attempt."),
    )
    history = models.JSONField(
        _("history"),
        default=list,
        editable=False,
        help_text=_("What the Trainer logged, thinned out."),
    )
    log_tail = models.TextField(
        _("log tail"), blank=True, editable=False, help_text=_("The end of its output.")
    )
    metrics = models.JSONField(_("metrics"), default=dict, editable=False)
    report = models.ForeignKey(
        StoredFile,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("report"),
    )
    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        verbose_name=_("model version"),
    )

    room_needed = models.PositiveBigIntegerField(
        _("room needed"),
        default=0,
        db_default=0,
        editable=False,
        help_text=_("Bytes that must be free before it goes on, where it is paused."),
    )
    room_in = models.TextField(
        _("room in"),
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text=_("The folder on whose disk they must be."),
    )

    class Meta(Job.Meta):
        verbose_name = _("training run")
        verbose_name_plural = _("training runs")

    def __str__(self) -> str:
        return self.name

    @property
    def seconds_left(self) -> float | None:
        """Of its training; None where it does not train, or it cannot be told yet."""
        if self.status != self.Status.RUNNING or self.stage != TRAINING:
            return None
        return seconds_left(done=self.done, total=self.total, pace=self.pace)

    @property
    def can_retry(self) -> bool:
        """Whether a person may have it taken up again."""
        return self.status in RETRIED

    def get_absolute_url(self) -> str:
        return reverse("admin:training_trainingrun_change", args=[self.pk])
