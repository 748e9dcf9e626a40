"""How long the next review takes to find among many predictions, in milliseconds.

    python benchmarks/review_queue.py --predictions 100000
    python benchmarks/review_queue.py --database-url postgres://postgres@127.0.0.1/postgres

Reviewers judge one prediction after the other, from an untouched queue on, and from one of which
the part that lies closest to the boundary has been judged before. The database is one of its own
and goes away.
"""

import argparse
import os
import random
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--judged", type=int, default=20_000, help="before, closest to 0.5")
    parser.add_argument("--reviews", type=int, default=300, help="a point (default: 300)")
    parser.add_argument("--database-url", default="", help="of a server; default: SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"VAR_DIR": folder, "DJANGO_SETTINGS_MODULE": "reviewsite.settings"}
        os.environ.pop("DATABASE_URL", None)
        if options.database_url:
            os.environ["DATABASE_URL"] = options.database_url
            os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(64))
        measure(options)


def measure(options: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.db import connection

    old = connection.creation.create_test_db(verbosity=0, serialize=False)
    try:
        _measure(options)
    finally:
        connection.creation.destroy_test_db(old, verbosity=0)


def _measure(options: argparse.Namespace) -> None:
    from django.contrib.auth.models import User
    from django.db import connection

    from classifier.models import Feedback, ModelVersion, Prediction, Verdict, text_digest
    from classifier.review import queue
    from classifier.review.verdicts import record_verdict

    rng = random.Random(0)
    version = ModelVersion.objects.create(name="model", revision="0")
    reviewer = User.objects.create_user("ann")
    for start in range(0, options.predictions, 5000):
        Prediction.objects.bulk_create(
            Prediction(
                text=f"A film, number {number}, and what was said of it. " * 10,
                text_sha256=text_digest(str(number)),
                label="POSITIVE" if probability >= 0.5 else "NEGATIVE",
                score=max(probability, 1 - probability),
                positive_probability=probability,
                rating=max(1, round(10 * probability)),
                truncated=False,
                windows=1,
                source=Prediction.Source.API,
                model_version=version,
            )
            for number in range(start, min(start + 5000, options.predictions))
            for probability in [rng.betavariate(0.3, 0.3)]
        )
    complained = Prediction.objects.order_by("?").values_list("pk", flat=True)[:500]
    Feedback.objects.bulk_create(
        Feedback(
            prediction_id=pk, visitor="v", label="NEGATIVE", rating=1, disagrees=True, source="api"
        )
        for pk in complained
    )
    _settle(connection)

    def point(name: str) -> None:
        found, judged = [], []
        for _ in range(options.reviews):
            began = time.perf_counter()
            claim = queue.next_review(reviewer)
            found.append(time.perf_counter() - began)
            assert claim
            began = time.perf_counter()
            record_verdict(
                claim.prediction,
                label="NEGATIVE",
                rating=1,
                reviewer=reviewer,
                chosen_by=claim.chosen_by,
            )
            judged.append(time.perf_counter() - began)
        waiting = min(_seconds(queue.waiting) for _ in range(3))
        print(
            f"| {connection.vendor} | {name} | {_spread(found)} | {_spread(judged)} "
            f"| {1000 * waiting:.1f} |"
        )

    print("| database | queue | next: p50 / p95 / most, ms | verdict: same | counts, ms |")
    print("| --- | --- | ---: | ---: | ---: |")
    point("complaints first")
    point("complaints, then the boundary")
    point("boundary and random share")
    closest = Prediction.objects.filter(verdict=None).values_list("positive_probability", "pk")
    nearest = sorted(closest, key=lambda row: abs(row[0] - 0.5))[: options.judged]
    Verdict.objects.bulk_create(
        (Verdict(prediction_id=pk, label="NEGATIVE", rating=1) for _, pk in nearest),
        batch_size=5000,
    )
    _settle(connection)
    point(f"{options.judged:,} judged before")


def _settle(connection: Any) -> None:
    """What PostgreSQL does by itself within a minute of so many writes; SQLite never does."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def _seconds(call: object) -> float:
    began = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - began


def _spread(seconds: list[float]) -> str:
    p95 = statistics.quantiles(seconds, n=20)[-1]
    return f"{1000 * statistics.median(seconds):.1f} / {1000 * p95:.1f} / {1000 * max(seconds):.1f}"


if __name__ == "__main__":
    main()
