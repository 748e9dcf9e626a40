"""One number that logits are divided by, so that a probability of 0.9 is right nine times in ten.

Guo, Pleiss, Sun and Weinberger 2017, On Calibration of Modern Neural Networks, arXiv:1706.04599.
No label and no order of rows changes: of two texts, the surer one stays the surer one.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from classifier.messages import message
from training.calibration.errors import CalibrationError

LARGEST = 20.0  # a temperature; the smallest is one through it


def fit_temperature(logits: NDArray[np.float64], label_ids: NDArray[np.int64]) -> float:
    """The temperature under which validation labels are likeliest.

    Targets are softened as Platt's are (1999, Probabilistic Outputs for Support Vector Machines):
    by one row in all that the model has not seen yet. Else a few rows that are all right would
    make it boundlessly sure.

    Args:
        logits: shape (rows, labels), of rows that the model was not trained on.
        label_ids: shape (rows,), the true labels, 0..labels-1.

    Returns:
        1/20..20; above 1 the model was too sure, below it not sure enough.

    Raises:
        CalibrationError: no rows, or all have one label.
    """
    occurring = len(np.unique(label_ids))
    if occurring < 2:
        raise CalibrationError(
            message(
                "A temperature is fitted on rows of two labels or more, but there are "
                "{count} rows of {occurring}. Give more rows.",
                count=len(label_ids),
                occurring=occurring,
            )
        )
    softened = 1 / (len(label_ids) + 2)

    def loss(temperature: float) -> float:
        likelihoods = log_softmax(logits / temperature, axis=1)
        true = likelihoods[np.arange(len(label_ids)), label_ids]
        return -float(np.mean((1 - softened) * true + softened * likelihoods.mean(axis=1)))

    return least(loss)


def log_loss(logits: NDArray[np.float64], label_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """-ln P(true label) of each row, in nats; arguments as fit_temperature."""
    likelihoods: NDArray[np.float64] = log_softmax(logits, axis=1)
    return -likelihoods[np.arange(len(label_ids)), label_ids]


def least(loss: Callable[[float], float]) -> float:
    """The temperature, 1/20..20, with the least loss."""
    bound = math.log(LARGEST)
    found = minimize_scalar(
        lambda logarithm: loss(math.exp(logarithm)),
        bounds=(-bound, bound),
        method="bounded",
        options={"xatol": 1e-5},
    )
    return math.exp(float(found.x))
