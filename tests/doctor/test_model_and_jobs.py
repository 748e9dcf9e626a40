import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from classifier import doctor
from classifier.model_store import directory_of
from classifier.models import BulkJob
from classifier.versions.activation import find_version
from reviewsite.doctor import Finding, Outcome

pytestmark = pytest.mark.django_db


def outcome(finding: Finding) -> Outcome:
    assert finding.told
    if finding.outcome in (Outcome.WARNING, Outcome.FAILED):
        assert finding.remedy
    return finding.outcome


def test_a_model_that_answers_is_well_and_its_engine_is_told(
    served_graph: Path, settings: Settings
) -> None:
    finding = doctor.model()

    assert outcome(finding) == Outcome.OK
    assert finding.told.endswith("answers 10 reviews, onnx")
    settings.CLASSIFIER_ENGINE = "torch"
    finding = doctor.model()
    assert outcome(finding) == Outcome.WARNING
    assert "CLASSIFIER_ENGINE=torch" in finding.told


def test_a_model_that_is_missing_is_found(no_model: Path) -> None:
    assert outcome(doctor.model()) == Outcome.FAILED


def test_files_of_a_version_that_changed_or_are_gone_are_found(
    exported_model_dir: Path, settings: Settings, tmp_path: Path
) -> None:
    settings.MODELS_DIR = tmp_path
    settings.SHARE_MODELS = False
    assert outcome(doctor.model_files()) == Outcome.SKIPPED
    version = find_version(str(exported_model_dir))
    assert outcome(doctor.model_files()) == Outcome.OK

    with (directory_of(version) / "config.json").open("a") as config:
        config.write("\n")
    assert outcome(doctor.model_files()) == Outcome.FAILED

    shutil.rmtree(directory_of(version))
    finding = doctor.model_files()
    assert outcome(finding) == Outcome.FAILED
    assert str(version) in finding.told


def test_jobs_that_are_lost_or_wait_for_long_are_found() -> None:
    assert outcome(doctor.jobs()) == Outcome.OK
    job = BulkJob.objects.create(filename="a.csv", text_column="text")
    assert outcome(doctor.jobs()) == Outcome.OK

    BulkJob.objects.update(queued_at=timezone.now() - timedelta(hours=1))
    assert outcome(doctor.jobs()) == Outcome.WARNING

    claim = BulkJob.objects.claim(job.pk)
    assert claim
    claim.pause("The disk is full.")
    finding = doctor.jobs()
    assert outcome(finding) == Outcome.WARNING
    assert "The disk is full." in finding.told
    assert BulkJob.objects.resume(job.pk)

    assert BulkJob.objects.claim(job.pk)
    BulkJob.objects.update(lease_until=timezone.now() - timedelta(minutes=5))
    finding = doctor.jobs()
    assert outcome(finding) == Outcome.FAILED
    assert str(job.pk) in finding.told
