import pytest
from django.core import checks
from pytest_django import Settings

from reviewsite import catalogue
from reviewsite.doctor import Finding, Outcome, configuration
from reviewsite.doctor import ok as ok_finding

GOOD_KEY = "kJ8s2-Lm4v_Qw9xZ1rTy7Uo3Pa6Sd5Fg0Hj2Kl8Zx4Cv6Bn1Mq"


def outcome(finding: Finding) -> Outcome:
    assert finding.told
    if finding.outcome in (Outcome.WARNING, Outcome.FAILED):
        assert finding.remedy
    return finding.outcome


@pytest.fixture
def deployed(settings: Settings) -> Settings:
    settings.DEPLOYED = settings.HTTPS = settings.TRUST_PROXY = True
    settings.NUM_PROXIES = 1
    settings.SECRET_KEY = GOOD_KEY
    settings.METRICS_TOKEN = "a token of 20 letters"
    settings.LABEL_STUDIO_SECRET = ""
    settings.ALLOWED_HOSTS = ["reviews.example"]
    settings.DEBUG = False
    return settings


PROBES = {
    each.__name__: each
    for each in (
        configuration.https,
        configuration.proxies,
        configuration.keys,
        configuration.debug,
        configuration.metrics_token,
    )
}


@pytest.mark.parametrize("name", PROBES)
def test_a_good_deployment_is_well(name: str, deployed: Settings) -> None:
    assert outcome(PROBES[name]()) == Outcome.OK


@pytest.mark.parametrize(
    ("name", "faults", "expected"),
    [
        ("https", {"HTTPS": False}, Outcome.FAILED),
        ("proxies", {"NUM_PROXIES": 0}, Outcome.FAILED),
        ("proxies", {"TRUST_PROXY": False}, Outcome.FAILED),
        ("proxies", {"TRUST_PROXY": False, "NUM_PROXIES": 0}, Outcome.WARNING),
        ("keys", {"SECRET_KEY": "short"}, Outcome.FAILED),
        ("keys", {"SECRET_KEY": "ab" * 40}, Outcome.FAILED),
        ("keys", {"METRICS_TOKEN": "abc"}, Outcome.FAILED),
        ("debug", {"DEBUG": True}, Outcome.FAILED),
        ("debug", {"ALLOWED_HOSTS": ["*"]}, Outcome.WARNING),
        ("metrics_token", {"METRICS_TOKEN": ""}, Outcome.WARNING),
    ],
)
def test_a_planted_fault_is_found(
    name: str, faults: dict[str, object], expected: Outcome, deployed: Settings
) -> None:
    for setting, value in faults.items():
        setattr(deployed, setting, value)

    finding = PROBES[name]()

    assert outcome(finding) == expected
    assert deployed.SECRET_KEY not in finding.told
    assert not deployed.METRICS_TOKEN or deployed.METRICS_TOKEN not in finding.told


def test_system_checks_are_told_with_their_hint(settings: Settings) -> None:
    settings.DEPLOYED = False
    assert outcome(configuration.system_checks()) == Outcome.OK
    settings.CLASSIFIER_MAX_TEXTS = 0

    finding = configuration.system_checks()

    assert finding.outcome == Outcome.FAILED
    assert "classifier.E001" in finding.told
    assert "Try its default." in finding.remedy


def test_a_warning_of_a_check_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [checks.Warning("something odd", id="x.W001")]
    monkeypatch.setattr(checks, "run_checks", lambda **kwargs: found)

    assert outcome(configuration.system_checks()) == Outcome.WARNING


def test_translations_that_are_stale_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configuration.translations() == ok_finding("compiled")
    monkeypatch.setattr(catalogue, "is_compiled", lambda language: False)

    assert outcome(configuration.translations()) == Outcome.FAILED


@pytest.mark.parametrize(
    ("workers", "each", "expected"),
    [
        ("1", "1", Outcome.OK),
        ("1", None, Outcome.OK),
        ("1", "4096", Outcome.WARNING),
        ("4096", "1", Outcome.WARNING),
        ("1", "many", Outcome.FAILED),
    ],
)
def test_more_threads_than_cores_are_found(
    workers: str, each: str | None, expected: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", workers)
    if each is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", each)

    assert outcome(configuration.threads()) == expected
