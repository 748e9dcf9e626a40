"""The admin's pages of what the classifier keeps, one file a subject."""

from classifier.admin import accounts, audit, bulk, keys, predictions, versions  # noqa: F401  they register
