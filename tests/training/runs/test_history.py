import json

from training.runs.history import finite, thinned


def test_a_short_log_is_kept_whole_but_for_what_nobody_shows() -> None:
    log = [
        {"step": 1, "epoch": 0.5, "loss": 0.7, "grad_norm": 3.0, "learning_rate": 1e-3},
        {"step": 1, "epoch": 0.5, "eval_loss": 0.6, "eval_f1_NEGATIVE": 0.5},
        {"step": 2, "epoch": 1.0, "train_runtime": 3.0, "train_loss": 0.7},
    ]
    assert thinned(log) == [
        {"step": 1, "epoch": 0.5, "loss": 0.7, "learning_rate": 1e-3},
        {"step": 1, "epoch": 0.5, "eval_loss": 0.6},
    ]


def test_a_long_log_keeps_its_last_point_and_its_validations() -> None:
    log: list[dict[str, float]] = []
    for step in range(1, 3001):
        log.append({"step": step, "loss": 1 / step})
        if step % 100 == 0:
            log.append({"step": step, "eval_loss": 1 / step})
    kept = thinned(log, points=200)
    assert len(kept) == 200
    assert sum("eval_loss" in row for row in kept) == 30
    assert kept[-2:] == log[-2:]
    assert [row["step"] for row in kept] == sorted(row["step"] for row in kept)


def test_a_log_of_validations_alone_is_thinned_too() -> None:
    log = [{"step": step, "eval_loss": 0.5} for step in range(1, 1001)]
    assert [row["step"] for row in thinned(log, points=10)] == [200, 400, 600, 800, 1000]


def test_what_json_does_not_have_is_left_out() -> None:
    content = finite({"a": [float("nan"), 1.0, {"b": float("-inf")}], "c": "nan", "d": True})
    assert content == {"a": [None, 1.0, {"b": None}], "c": "nan", "d": True}
    json.dumps(content, allow_nan=False)
