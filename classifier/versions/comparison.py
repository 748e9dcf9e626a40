"""Two versions on the same frozen verdicts, and one of them in the shadow of the other."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Avg, Count, F, Q
from django.db.models.functions import Abs, Length

from classifier.labels import NEGATIVE, POSITIVE
from classifier.messages import message
from classifier.models import ModelVersion, Prediction, Verdict, VersionAnswer
from classifier.review.split import FROZEN
from classifier.versions.answers import frozen_answers, frozen_rows
from classifier.versions.paired import difference_interval, mcnemar

LISTED = 25  # disagreements of a kind
SHORT, LONG = 300, 1500  # characters
FAR = 3  # stars


@dataclass(frozen=True)
class Row:
    """A frozen verdict, and what both versions say of its text."""

    verdict: Verdict
    characters: int
    serving: VersionAnswer
    candidate: VersionAnswer


@dataclass(frozen=True)
class ClassMeasures:
    """How well one label is found."""

    rows: int
    """Whose verdict is the label."""
    precision: float | None
    """0..1; None where the version gives the label to no row."""
    recall: float | None
    """0..1; None where no row has the label."""

    @property
    def f1(self) -> float | None:
        """0..1; None where either of the two is unknown."""
        if self.precision is None or self.recall is None:
            return None
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class Measures:
    """One version on the rows of a comparison."""

    accuracy: float
    classes: dict[str, ClassMeasures]
    rating_error: float | None
    """Mean distance of its rating from the reviewer's, in stars, on rows where both gave one."""
    brier: float | None
    """Mean of (P(POSITIVE) - truth)^2, 0..1, on rows where it gave one; Brier 1950."""


@dataclass(frozen=True)
class Slice:
    """Rows that share something."""

    kind: str
    name: str
    rows: int
    serving: float
    """Accuracy on them, 0..1, as the next."""
    candidate: float


@dataclass(frozen=True)
class Comparison:
    """The candidate beside the version in service, on the frozen rows that both have answered."""

    frozen: int
    """Rows that there are, answered or not."""
    rows: tuple[Row, ...]
    """Those that both have answered, at least one."""
    serving: Measures
    candidate: Measures
    only_serving: tuple[Row, ...]
    """On which the one in service alone is right."""
    only_candidate: tuple[Row, ...]
    slices: tuple[Slice, ...]

    @property
    def difference(self) -> float:
        """The candidate's accuracy minus the other's."""
        return (len(self.only_candidate) - len(self.only_serving)) / len(self.rows)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the difference."""
        return difference_interval(len(self.only_serving), len(self.only_candidate), len(self.rows))

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test, two-sided."""
        return mcnemar(len(self.only_serving), len(self.only_candidate))


@dataclass(frozen=True)
class Shadow:
    """What a version said in the shadow of live traffic, beside what visitors were told."""

    rated: int
    agreeing: int
    """With the same label."""
    far: int
    """With a rating that is FAR stars away or more."""
    mean_distance: float | None
    """Of the ratings, in stars."""
    farthest: tuple[VersionAnswer, ...]
    """The answers that differ most, with their predictions and `distance`."""


def compare(candidate: ModelVersion, serving: ModelVersion) -> Comparison | None:
    """Both on the frozen rows that both have answered (`rate_frozen`); None before the first."""
    verdicts = frozen_rows(candidate)
    lengths = dict(
        Prediction.objects.filter(
            verdict__in=Verdict.objects.with_text().filter(FROZEN)
        ).values_list("pk", Length("text"))
    )
    before, after = frozen_answers(serving), frozen_answers(candidate)
    rows = tuple(
        Row(verdict, lengths[verdict.prediction_id], before[digest], after[digest])
        for digest, verdict in verdicts.items()
        if digest in before and digest in after
    )
    if not rows:
        return None
    return Comparison(
        frozen=len(verdicts),
        rows=rows,
        serving=_measures([(row.verdict, row.serving) for row in rows]),
        candidate=_measures([(row.verdict, row.candidate) for row in rows]),
        only_serving=tuple(row for row in rows if _right(row) == (True, False)),
        only_candidate=tuple(row for row in rows if _right(row) == (False, True)),
        slices=tuple(_slices(rows)),
    )


def texts_of(rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """The first LISTED rows, each with its text."""
    listed = rows[:LISTED]
    found = Prediction.objects.in_bulk([row.verdict.prediction_id for row in listed])
    return [(row, found[row.verdict.prediction_id].text) for row in listed]


def shadow_of(version: ModelVersion) -> Shadow:
    """What it has said since it was last put into the shadow."""
    answers = VersionAnswer.objects.filter(version=version, shadow=True)
    if version.shadow_since:
        answers = answers.filter(prediction__created_at__gte=version.shadow_since)
    compared = answers.annotate(distance=Abs(F("rating") - F("prediction__rating")))
    found = compared.aggregate(
        rated=Count("pk"),
        agreeing=Count("pk", filter=Q(label=F("prediction__label"))),
        far=Count("pk", filter=Q(distance__gte=FAR)),
        mean_distance=Avg("distance"),
    )
    farthest = compared.filter(distance__gt=0).select_related("prediction__verdict")
    return Shadow(**found, farthest=tuple(farthest.order_by("-distance", "-pk")[:LISTED]))


def _right(row: Row) -> tuple[bool, bool]:
    """Whether the one in service has the verdict's label, and whether the candidate has."""
    label = row.verdict.label
    return row.serving.label == label, row.candidate.label == label


def _measures(answered: Sequence[tuple[Verdict, VersionAnswer]]) -> Measures:
    # Of the sentiments both are asked for, though no row may have one; of other labels those found.
    found = {verdict.label for verdict, _ in answered}
    labels = (NEGATIVE, POSITIVE) if found <= {NEGATIVE, POSITIVE} else sorted(found)
    return Measures(
        accuracy=sum(verdict.label == said.label for verdict, said in answered) / len(answered),
        classes={label: _class_measures(label, answered) for label in labels},
        rating_error=_mean(
            abs(verdict.rating - said.rating)
            for verdict, said in answered
            if verdict.rating is not None and said.rating is not None
        ),
        brier=_mean(
            (said.positive_probability - (verdict.label == POSITIVE)) ** 2
            for verdict, said in answered
            if said.positive_probability is not None
        ),
    )


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None


def _class_measures(label: str, answered: Sequence[tuple[Verdict, VersionAnswer]]) -> ClassMeasures:
    meant = sum(verdict.label == label for verdict, _ in answered)
    said = sum(answer.label == label for _, answer in answered)
    both = sum(verdict.label == label == answer.label for verdict, answer in answered)
    return ClassMeasures(
        rows=meant,
        precision=both / said if said else None,
        recall=both / meant if meant else None,
    )


def _slices(rows: Sequence[Row]) -> Iterator[Slice]:
    kinds: dict[str, Callable[[Row], str]] = {
        message("length"): _length,
        message("source"): lambda row: row.verdict.prediction.get_source_display(),
        message("chosen for review"): lambda row: row.verdict.get_chosen_by_display(),
    }
    for kind, name_of in kinds.items():
        parts: dict[str, list[tuple[bool, bool]]] = {}
        for row in rows:
            parts.setdefault(name_of(row), []).append(_right(row))
        for name, right in sorted(parts.items()):
            serving, candidate = (sum(each) / len(right) for each in zip(*right, strict=True))
            yield Slice(kind, name, len(right), serving, candidate)


def _length(row: Row) -> str:
    if row.characters < SHORT:
        return message("under {most:,} characters", most=SHORT)
    if row.characters <= LONG:
        return message("{least:,} to {most:,} characters", least=SHORT, most=LONG)
    return message("over {least:,} characters", least=LONG)
