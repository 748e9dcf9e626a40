"""The admin's pages of what the classifier keeps, one file a subject."""

from classifier.admin import audit, bulk, predictions, versions  # noqa: F401  they register
