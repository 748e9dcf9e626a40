import http.server
import threading
from collections.abc import Iterator

import pytest

from reviewsite.doctor import Finding, Outcome
from tests.site import free_port
from training import doctor


def outcome(finding: Finding) -> Outcome:
    assert finding.told
    if finding.outcome in (Outcome.WARNING, Outcome.FAILED):
        assert finding.remedy
    return finding.outcome


@pytest.fixture
def server() -> Iterator[str]:
    """Answers /health and /api/whoami-v2, and nothing else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = {"/health": b"OK", "/api/whoami-v2": b'{"name": "ann", "type": "user"}'}
            body = known.get(self.path)
            right = self.path == "/health" or self.headers["Authorization"] == "Bearer hf_right"
            self.send_response(404 if body is None else 200 if right else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)


def test_the_hub_is_asked_who_we_are(
    server: str, online: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server)
    assert outcome(doctor.hub()) == Outcome.SKIPPED
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    finding = doctor.hub()
    assert outcome(finding) == Outcome.OK
    assert "ann" in finding.told

    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    finding = doctor.hub()
    assert outcome(finding) == Outcome.FAILED
    assert "401" in finding.told
    assert "hf_wrong" not in finding.told + finding.remedy

    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert outcome(doctor.hub()) == Outcome.FAILED


def test_offline_the_hub_is_not_asked(online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_TOKEN", "hf_right")

    assert outcome(doctor.hub()) == Outcome.SKIPPED


def test_mlflow_is_asked_whether_it_is_well(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert outcome(doctor.mlflow()) == Outcome.SKIPPED
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.replace("//", "//ann:secret@"))
    finding = doctor.mlflow()
    assert outcome(finding) == Outcome.OK
    assert "secret" not in finding.told
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    assert outcome(doctor.mlflow()) == Outcome.FAILED
