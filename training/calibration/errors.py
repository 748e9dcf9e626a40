"""What stops a fit."""


class CalibrationError(ValueError):
    """Nothing can be fitted on these rows, or to this model; says rule, value and remedy."""
