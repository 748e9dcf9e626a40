"""Figures of this site for Prometheus, read at /metrics."""

from functools import cache

from prometheus_client import Counter, Histogram

# Seconds; a short sentence takes a millisecond, a list of long reviews seconds.
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)

REQUESTS = Histogram(
    "reviewsite_request_seconds",
    "Requests by route, from their headers to the answer.",
    ["route", "method", "status"],
    buckets=BUCKETS,
)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
TEXTS = Histogram(
    "reviewsite_texts", "Texts of one request.", buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)
BATCH = Histogram(
    "reviewsite_batch_windows",
    "Windows that the torch engine reads at once.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)
RATED = Counter("reviewsite_ratings", "Predictions by their rating.", ["rating"])
PREDICTIONS = Counter("reviewsite_predictions", "Predictions kept.", ["source"])
OVERLOADED = Counter("reviewsite_overloaded", "Requests refused as they had waited too long.")
CACHE_HITS = Counter("reviewsite_cache_hits", "Texts answered from the cache.")
CACHE_MISSES = Counter("reviewsite_cache_misses", "Texts that the model had to read.")
INFERENCE = Histogram(
    "reviewsite_inference_seconds", "Reading the texts of one request.", buckets=BUCKETS
)
EXPLANATION = Histogram(
    "reviewsite_explanation_seconds", "Reading the parts of one text.", ["method"], buckets=BUCKETS
)
KEEPING = Histogram(
    "reviewsite_keeping_seconds", "Writing the predictions of one request.", buckets=BUCKETS
)


def request_seconds(route: str, method: str, status: int) -> Histogram:
    """Where a request's time is counted. A client may call its method what it likes."""
    return _request_seconds(route, method if method in METHODS else "other", status)


@cache
def _request_seconds(route: str, method: str, status: int) -> Histogram:
    """Remembered, for to look a label up costs most of the counting."""
    return REQUESTS.labels(route, method, status)


@cache
def rated(rating: int) -> Counter:
    """Where a rating is counted; remembered for the same reason."""
    return RATED.labels(rating)
