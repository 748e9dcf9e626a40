import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from classifier.ratings import star_distribution
from training.data.stars import HIGH, LOW
from training.data.targets import LABELS, SOFT_LABELS, SOFT_STARS, STARS, with_targets
from training.learning.objectives import Objective, Targets, log_star_distribution

OUTPUTS = torch.randn(3, 12, generator=torch.Generator().manual_seed(0))
SENTIMENTS = ("NEGATIVE", "POSITIVE")


def targets(**batch: Any) -> Targets:
    return Targets.taken({"labels": torch.tensor([0, 1, 1]), **batch}, 2)


def test_hard_labels_alone_give_the_cross_entropy() -> None:
    loss = Objective(2)(OUTPUTS[:, :2], targets(), weighted=True)
    assert loss.item() == pytest.approx(
        cross_entropy(OUTPUTS[:, :2], torch.tensor([0, 1, 1])).item()
    )


def test_soft_labels_take_the_place_of_hard_ones() -> None:
    soft = torch.tensor([[0.3, 0.7], [1.0, 0.0], [0.5, 0.5]])
    loss = Objective(2)(OUTPUTS[:, :2], targets(**{LABELS: soft}), weighted=True)
    assert loss.item() == pytest.approx(cross_entropy(OUTPUTS[:, :2], soft).item())


def test_temperature_softens_what_teachers_said_and_no_hard_label() -> None:
    soft = torch.tensor([[0.1, 0.9], [0.0, 1.0], [0.0, 1.0]])
    logits = OUTPUTS[:, :2]
    loss = Objective(2, temperature=2.0)(logits, targets(**{LABELS: soft}), weighted=True)
    softened = torch.tensor([[1.0, 3.0]]) / 4  # the roots of 0.1 and 0.9, shared out
    by_hand = 4 * cross_entropy(logits[:1] / 2, softened) + sum(
        cross_entropy(logits[[row]], torch.tensor([1])) for row in (1, 2)
    )
    assert loss.item() == pytest.approx(by_hand.item() / 3, rel=1e-4)


def test_class_weights_count_in_training_and_not_in_evaluation() -> None:
    objective = Objective(2, class_weights=torch.tensor([0.5, 3.0]))
    logits, ids = OUTPUTS[:, :2], torch.tensor([0, 1, 1])
    each = cross_entropy(logits, ids, reduction="none")
    weighted = (each * torch.tensor([0.5, 3.0, 3.0])).mean()
    assert objective(logits, targets(), weighted=True).item() == pytest.approx(weighted.item())
    assert objective(logits, targets(), weighted=False).item() == pytest.approx(each.mean().item())


def test_the_distribution_trained_is_the_distribution_served() -> None:
    read = log_star_distribution(OUTPUTS, 2).exp().numpy()
    for row, outputs in zip(read, OUTPUTS, strict=True):
        positive = torch.softmax(outputs[:2], dim=0)[1].item()
        assert row.tolist() == pytest.approx(
            star_distribution(positive, outputs[2:].tolist()), abs=1e-6
        )


def test_stars_add_their_log_loss_where_a_row_has_them() -> None:
    stars = torch.zeros(3, 10)
    stars[0, 1] = 1
    stars[1, 6:8] = 0.5
    without = Objective(2)(OUTPUTS[:, :2], targets(), weighted=True).item()
    loss = Objective(2, star_weight=2.0)(OUTPUTS, targets(**{STARS: stars}), weighted=True).item()
    log_shares = log_star_distribution(OUTPUTS, 2)
    lost = -(log_shares[0, 1] + (log_shares[1, 6] + log_shares[1, 7]) / 2).item()
    assert loss == pytest.approx(without + 2 * lost / 3)


def test_rows_get_the_targets_that_they_have() -> None:
    frame = pd.DataFrame(
        {
            "label": [0, 1, 1],
            LOW: [2, 0, 0],
            HIGH: [2, 0, 0],
            SOFT_LABELS: [None, None, [0.2, 0.8]],
            SOFT_STARS: [None, None, [0.1] * 10],
        }
    )
    read = with_targets(frame, SENTIMENTS, stars=True)
    assert np.stack(read[LABELS]).tolist() == [[1, 0], [0, 1], pytest.approx([0.2, 0.8])]
    stars = np.stack(read[STARS])
    assert stars[0].tolist() == [0, 1] + [0] * 8
    assert not stars[1].any()
    assert math.isclose(stars[2].sum(), 1, rel_tol=1e-6)
    assert STARS not in with_targets(frame, SENTIMENTS, stars=False)
    assert LABELS not in with_targets(frame.drop(columns=SOFT_LABELS), SENTIMENTS, stars=True)
