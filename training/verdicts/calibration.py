"""The verdicts that a model can be calibrated on."""

import pandas as pd

from classifier.labels import NEGATIVE, POSITIVE
from classifier.messages import message
from classifier.models import Verdict
from classifier.review.split import TRAIN, learnable
from training.calibration.calibrating import CalibrationRows
from training.calibration.errors import CalibrationError
from training.config import REVIEWED

LEAST_VERDICTS = 50


def verdict_rows() -> CalibrationRows:
    """The verdicts that say what is true of any text: not frozen, and not chosen by the answer.

    Those that a visitor's complaint led to are left out: among them the model is wrong more often
    than elsewhere, however sure it is.

    Raises:
        CalibrationError: fewer than LEAST_VERDICTS.
    """
    verdicts = learnable().exclude(chosen_by=Verdict.ChosenBy.DISAGREED)
    found = list(verdicts.order_by("pk").values_list("prediction__text", "label", "rating"))
    if len(found) < LEAST_VERDICTS:
        raise CalibrationError(
            message(
                "Calibrating on verdicts needs {least_verdicts} or more that are not frozen "
                "and not led to by a complaint, but there are {count}. Review more, or give "
                "--dataset.",
                least_verdicts=LEAST_VERDICTS,
                count=len(found),
            )
        )
    labels = (NEGATIVE, POSITIVE)
    frame = pd.DataFrame(
        [(text, labels.index(label), rating, rating) for text, label, rating in found],
        columns=["text", "label", "star_low", "star_high"],
    )
    return CalibrationRows(frame, labels, dataset=REVIEWED, split=TRAIN)
