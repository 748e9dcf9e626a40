"""Figures of this site for Prometheus, read at /metrics."""

from prometheus_client import Counter, Histogram

# Seconds; a short sentence takes a millisecond, a list of long reviews seconds.
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)

PREDICTIONS = Counter("reviewsite_predictions", "Predictions kept.", ["source"])
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
