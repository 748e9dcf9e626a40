import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from numpy.typing import NDArray
from scipy import stats

from training.comparison import (
    Comparison,
    ComparisonError,
    compare,
    group_runs,
    load_run,
    save_predictions,
)
from training.comparison.significance import mcnemar
from training.config import FinetuningConfig, with_overrides
from training.evaluation.rated import Rated
from training.evaluation.rating_measures import Cells, RatedRows

LABELS = ("NEGATIVE", "POSITIVE")
ROWS = 200


def write_run(
    runs_dir: Path,
    name: str,
    *,
    right: float,
    rows: int = ROWS,
    labels: tuple[str, ...] = LABELS,
    draw: int = 0,
    ratings: RatedRows | None = None,
    **config: Any,
) -> Path:
    """A run that is right on about `right` of its rows, drawn by `draw`."""
    generator = np.random.default_rng(draw)
    truth = np.arange(rows) % len(labels)
    score = generator.uniform(0.55, 0.95, size=rows)
    given = np.where(generator.uniform(size=rows) < right, truth, (truth + 1) % len(labels))
    probabilities = np.tile((1 - score)[:, None] / (len(labels) - 1), len(labels))
    probabilities[np.arange(rows), given] = score
    directory = runs_dir / name
    directory.mkdir(parents=True)
    save_predictions(
        directory / "predictions.parquet",
        pd.DataFrame({"text": [f"text {index}" for index in range(rows)]}),
        labels=labels,
        label_ids=truth,
        probabilities=probabilities,
        ratings=ratings,
    )
    if config:
        sections = FinetuningConfig.from_sections(
            with_overrides({}, {"dataset": "reviews"} | config)
        ).to_sections()
        (directory / "config.json").write_text(json.dumps(sections))
    return directory


def compared(runs_dir: Path, *arguments: str, **options: Any) -> Comparison:
    groups = group_runs(arguments, load=lambda name: load_run(name, runs_dir=runs_dir))
    return compare(groups, **({"resamples": 20} | options))


def three_seeds(runs_dir: Path, name: str, *, right: float, **config: Any) -> list[str]:
    names = [f"{name}-{seed}" for seed in range(3)]
    for seed, run in enumerate(names):
        write_run(runs_dir, run, right=right, draw=seed, seed=seed, **config)
    return names


def test_predictions_hold_no_text_and_come_back_the_same(tmp_path: Path) -> None:
    directory = write_run(tmp_path, "one", right=0.8)
    stored = pd.read_parquet(directory / "predictions.parquet")
    assert list(stored) == ["row", "label", "probability_NEGATIVE", "probability_POSITIVE"]
    assert stored["row"].str.fullmatch("[0-9a-f]{32}").all()
    run = load_run("one", runs_dir=tmp_path)
    assert run.probabilities.shape == (ROWS, 2)
    assert (run.label_ids == 1).sum() == (stored["label"] == "POSITIVE").sum() == ROWS / 2


def rated(*, off: int, intervals: bool = True) -> RatedRows:
    """Ratings of ROWS rows that are `off` by so many stars in half of them."""
    stars = np.resize([1, 3, 8, 10], ROWS)
    values = np.where(np.arange(ROWS) % 3 > 0, stars, np.where(stars > 5, stars - off, stars + off))
    low, high = (values - 1, values + 1) if intervals else (None, None)
    return RatedRows(Rated(values, low, high, values.astype(float)), Cells(stars, stars))


@pytest.mark.parametrize("intervals", [True, False])
def test_ratings_come_back_the_same(tmp_path: Path, intervals: bool) -> None:
    written = rated(off=2, intervals=intervals)
    write_run(tmp_path, "one", right=0.8, ratings=written)
    found = load_run("one", runs_dir=tmp_path).ratings
    assert found
    assert found.measures() == pytest.approx(written.measures())
    assert ("rating_coverage" in found.measures()) == intervals


def test_ratings_are_compared_where_both_have_them(tmp_path: Path) -> None:
    write_run(tmp_path, "far", right=0.8, ratings=rated(off=3, intervals=False))
    write_run(tmp_path, "near", right=0.8, ratings=rated(off=1))
    comparison = compared(tmp_path, "far", "near", resamples=120)
    assert comparison.spreads["rating_mae"]["far"].mean > 0.9
    assert set(comparison.spreads["rating_coverage"]) == {"near"}
    tests = {test.measure: test for test in comparison.tests["far", "near"]}
    assert tests["rating_mae"].difference < -0.5
    assert tests["rating_mae"].p_value < 0.05
    assert "rating_coverage" not in tests
    assert "rating_mae" in comparison.to_markdown()


def test_a_pair_is_told_from_another_with_the_same_first_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["is it?", "is it?"], "text_pair": ["yes", "no"]})
    save_predictions(
        tmp_path / "predictions.parquet",
        frame,
        labels=LABELS,
        label_ids=np.array([1, 0]),
        probabilities=np.full((2, 2), 0.5),
    )
    assert pd.read_parquet(tmp_path / "predictions.parquet")["row"].nunique() == 2


def test_runs_that_differ_in_their_seed_alone_make_a_group(tmp_path: Path) -> None:
    plain = three_seeds(tmp_path, "plain", right=0.8)
    mixed = three_seeds(tmp_path, "mixed", right=0.9, mixup="embeddings", mixup_alpha=0.2)
    groups = compared(tmp_path, *plain, *mixed).groups
    assert [group.name for group in groups] == [
        "mixup=none, mixup_alpha=0.4",
        "mixup=embeddings, mixup_alpha=0.2",
    ]
    assert [[run.name for run in group.runs] for group in groups] == [plain, mixed]


def test_where_a_model_is_pushed_makes_it_no_other(tmp_path: Path) -> None:
    write_run(tmp_path, "here", right=0.8, seed=0)
    write_run(tmp_path, "there", right=0.8, seed=1, push_to_hub="me/mine")
    assert len(compared(tmp_path, "here", "there").groups) == 1


def test_a_group_gives_mean_and_sample_deviation_over_its_seeds(tmp_path: Path) -> None:
    names = three_seeds(tmp_path, "plain", right=0.8)
    runs = [load_run(name, runs_dir=tmp_path) for name in names]
    accuracy = [float((r.probabilities.argmax(1) == r.label_ids).mean()) for r in runs]
    spread = compared(tmp_path, *names).spreads["accuracy"][names[0]]
    assert spread.mean == pytest.approx(np.mean(accuracy))
    assert spread.deviation == pytest.approx(np.std(accuracy, ddof=1))
    assert "recall_POSITIVE" in compared(tmp_path, *names).spreads


def test_single_runs_are_compared_by_row(tmp_path: Path) -> None:
    write_run(tmp_path, "weak", right=0.6)
    write_run(tmp_path, "strong", right=0.95, draw=1)
    (tests,) = compared(tmp_path, "weak", "strong", resamples=120).tests.values()
    by_measure = {test.measure: test for test in tests}
    assert by_measure["accuracy"].method == "McNemar exact"
    assert {test.method for test in tests if test.measure != "accuracy"} == {"paired bootstrap"}
    for measure in ("accuracy", "f1_macro", "roc_auc"):
        test = by_measure[measure]
        assert test.difference > 0
        assert test.p_value < 0.01
        assert test.interval
        assert test.interval[0] < test.difference < test.interval[1]


def test_a_run_does_not_differ_from_its_equal(tmp_path: Path) -> None:
    write_run(tmp_path, "one", right=0.8)
    write_run(tmp_path, "two", right=0.8)
    (tests,) = compared(tmp_path, "one", "two").tests.values()
    assert {test.p_value for test in tests} == {1.0}
    assert {test.difference for test in tests} == {0.0}


def test_rows_in_another_order_are_the_same_rows(tmp_path: Path) -> None:
    write_run(tmp_path, "one", right=0.8)
    file = write_run(tmp_path, "two", right=0.8) / "predictions.parquet"
    pd.read_parquet(file).sample(frac=1, random_state=0).to_parquet(file)
    (tests,) = compared(tmp_path, "one", "two").tests.values()
    assert {test.difference for test in tests} == {0.0}


def test_mcnemar_is_the_binomial_test_of_the_rows_that_one_alone_has_right() -> None:
    def rights(*counts: int) -> NDArray[np.bool_]:
        return np.repeat([True, False, True, False], counts)

    first = np.repeat([True, True, False, False], (50, 3, 12, 5))
    second = np.repeat([True, False, True, False], (50, 3, 12, 5))
    assert mcnemar(first, second) == pytest.approx(stats.binomtest(3, 15).pvalue)
    assert mcnemar(first, first) == 1.0


def test_the_bootstrap_is_drawn_by_seed(tmp_path: Path) -> None:
    write_run(tmp_path, "one", right=0.75)
    write_run(tmp_path, "two", right=0.8, draw=1)
    found = [compared(tmp_path, "one", "two", seed=seed).tests for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_the_bootstrap_takes_luck_for_luck(tmp_path: Path) -> None:
    found = []
    for draw in range(6):
        write_run(tmp_path, f"a{draw}", right=0.8, draw=draw)
        write_run(tmp_path, f"b{draw}", right=0.8, draw=draw + 100)
        (tests,) = compared(tmp_path, f"a{draw}", f"b{draw}", resamples=40).tests.values()
        found += [test.p_value for test in tests if test.measure == "f1_macro"]
    assert sum(p_value < 0.05 for p_value in found) <= 1


def test_few_seeds_are_compared_by_a_paired_t_test(tmp_path: Path) -> None:
    plain = three_seeds(tmp_path, "plain", right=0.8)
    better = three_seeds(tmp_path, "better", right=0.9, epochs=3.0)
    comparison = compared(tmp_path, f"plain={','.join(plain)}", f"better={','.join(better[::-1])}")
    accuracy = [[row["accuracy"] for row in group.measures()] for group in comparison.groups]
    test = comparison.tests["plain", "better"][0]
    expected = stats.ttest_rel(accuracy[1][::-1], accuracy[0])
    assert test.method == "paired t-test"
    assert test.p_value == pytest.approx(expected.pvalue)
    assert test.difference == pytest.approx(np.mean(accuracy[1]) - np.mean(accuracy[0]))


def test_many_seeds_are_compared_by_permutation(tmp_path: Path) -> None:
    for seed in range(6):
        write_run(tmp_path, f"a{seed}", right=0.6, draw=seed, seed=seed)
        write_run(tmp_path, f"b{seed}", right=0.95, draw=seed + 9, seed=seed, epochs=3.0)
    runs = [f"{name}{seed}" for name in "ab" for seed in range(6)]
    (tests,) = compared(tmp_path, *runs).tests.values()
    assert tests[0].method == "paired permutation"
    assert tests[0].p_value == pytest.approx(2 / 64)  # all six for the second, or all against it


def test_differences_that_are_all_alike_do_not_break_the_test(tmp_path: Path) -> None:
    one = three_seeds(tmp_path, "one", right=0.8)
    two = three_seeds(tmp_path, "two", right=0.8, epochs=3.0)
    (tests,) = compared(tmp_path, *one, *two).tests.values()
    assert {(test.p_value, test.method) for test in tests} == {(1.0, "paired permutation")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "nothing"], "a, b, fewer, others, s0, s1, s2.*'nothing'"),
        (["a", "fewer"], "a was measured on 200 and fewer on 150, of which 150"),
        (["a", "others"], "NEGATIVE, POSITIVE and others anger, joy, love"),
        (["a", "a"], "a is given again"),
        (["x=a", "x=b"], "group's name is given once, but x"),
        (["x=", "a"], "name=run1,run2, but it is 'x='"),
        (["x=s0,s1", "y=s2,a"], "x has 0, 1 and y has 2, none"),
    ],
)
def test_what_cannot_be_compared_says_why(
    tmp_path: Path, settings: Any, arguments: list[str], message: str
) -> None:
    settings.RUNS_DIR = tmp_path
    write_run(tmp_path, "a", right=0.8)
    write_run(tmp_path, "b", right=0.8)
    write_run(tmp_path, "fewer", right=0.8, rows=150)
    write_run(tmp_path, "others", right=0.8, labels=("anger", "joy", "love"))
    three = [write_run(tmp_path, f"s{seed}", right=0.8, seed=seed) for seed in range(3)]
    assert all(three)
    with pytest.raises(CommandError, match=message):
        call_command("compare_runs", *arguments, resamples=10)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (write_run(tmp_path, "one", right=0.8) / "predictions.parquet").write_bytes(b"PAR1 and then")
    with pytest.raises(ComparisonError, match="one is not readable"):
        load_run("one", runs_dir=tmp_path)


def test_the_command_writes_markdown_and_nothing_else_when_asked(
    tmp_path: Path, settings: Any
) -> None:
    settings.RUNS_DIR = tmp_path
    plain = three_seeds(tmp_path, "plain", right=0.8)
    mixed = three_seeds(tmp_path, "mixed", right=0.9, mixup="embeddings")
    out = io.StringIO()
    call_command("compare_runs", *plain, *mixed, markdown=True, stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0] == "200 test rows each."
    assert lines[2].startswith("| measure ")
    assert "mixup=none (3 runs)" in lines[2]
    assert "±" in lines[4]
    assert any("paired t-test" in line for line in lines)
    assert "not corrected" in lines[-1]
    spoken = io.StringIO()
    call_command("compare_runs", *plain, *mixed, stdout=spoken)
    assert "mixup=none: plain-0, plain-1, plain-2 (seeds 0, 1, 2)" in spoken.getvalue()
