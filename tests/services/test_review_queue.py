"""Reviewers at the same moment, each in a process of their own, on both databases."""

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.site import ROOT, Site

ROWS = 150
PREPARE = f"""
import random
from django.contrib.auth.models import User
from classifier.models import ModelVersion, Prediction, text_digest
from classifier.review.feedback import give_feedback
version = ModelVersion.objects.create(name="tiny", revision="0")
rng = random.Random(0)
for name in ("ann", "bob"):
    User.objects.create_user(name)
rows = Prediction.objects.bulk_create(
    Prediction(
        text=f"film {{number}}", text_sha256=text_digest(f"film {{number}}"), label="POSITIVE",
        score=0.7, positive_probability=rng.random(), rating=7, truncated=False, windows=1,
        source="api", model_version=version,
    )
    for number in range({ROWS})
)
for row in rows[:30]:
    give_feedback(row, visitor="v", label="NEGATIVE", rating=2, source="api")
"""
REVIEW = """
import json, sys, django
django.setup()
from django.contrib.auth.models import User
from classifier.review import queue
from classifier.review.verdicts import record_verdict
reviewer = User.objects.get(username=sys.argv[1])
print("ready", flush=True)
input()
served = []
while claim := queue.next_review(reviewer):
    served.append(str(claim.prediction_id))
    record_verdict(
        claim.prediction, label="NEGATIVE", rating=2, reviewer=reviewer, chosen_by=claim.chosen_by
    )
print(json.dumps(served))
"""


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    url = (
        {"DATABASE_URL": request.getfixturevalue("postgresql_url")}
        if request.param == "PostgreSQL"
        else {}
    )
    return Site.prepared(tmp_path, **url)


def verdicts(site: Site) -> list[Any]:
    query = "SELECT prediction_id FROM classifier_verdict"
    if url := site.environment.get("DATABASE_URL"):
        import psycopg

        with psycopg.connect(url) as connection:
            return [str(row[0]) for row in connection.execute(query).fetchall()]
    with closing(sqlite3.connect(site.var_dir / "db.sqlite3")) as connection:
        return [row[0] for row in connection.execute(query).fetchall()]


def test_reviewers_at_once_get_every_row_and_none_twice(site: Site) -> None:
    site.manage("shell", "--no-imports", "--command", PREPARE)
    reviewers = [
        subprocess.Popen(
            [sys.executable, "-c", REVIEW, name],
            cwd=ROOT,
            env=site.environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in ("ann", "bob")
    ]
    for reviewer in reviewers:
        assert reviewer.stdout
        assert reviewer.stdout.readline() == "ready\n"
    for reviewer in reviewers:
        assert reviewer.stdin
        reviewer.stdin.write("go\n")
        reviewer.stdin.flush()
    said = [reviewer.communicate(timeout=300) for reviewer in reviewers]

    assert [reviewer.returncode for reviewer in reviewers] == [0, 0], said
    served = [json.loads(out) for out, _ in said]
    counts = Counter(pk for each in served for pk in each)
    assert len(counts) == ROWS  # none lost
    assert set(counts.values()) == {1}  # none twice
    assert all(len(each) > ROWS / 20 for each in served)  # both had work
    assert len(verdicts(site)) == ROWS
