"""MixUp: rows of training that are weighted means of two, in input and in target.

x = lam * T(x_i) + (1 - lam) * T(x_j) and y = lam * y_i + (1 - lam) * y_j, with lam drawn from
Beta(alpha, alpha) for each pair (Zhang et al. 2018, arXiv:1710.09412). Words cannot be averaged,
so T is what the model makes of them up to one of three places (training.augmentation.mixup.places).

Evaluation is never mixed: only a model in training mode gets mixed rows.
"""

from training.augmentation.mixup.pairs import (
    PairCollator,
    Pairs,
    add_pairs,
    draw_pairs,
)
from training.augmentation.mixup.places import Place, mixed_outputs
from training.augmentation.mixup.trainer import Mixup

__all__ = [
    "Mixup",
    "PairCollator",
    "Pairs",
    "Place",
    "add_pairs",
    "draw_pairs",
    "mixed_outputs",
]
