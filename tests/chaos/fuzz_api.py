"""Requests that nobody foresaw, to a real site on SQLite and on PostgreSQL.

    python tests/chaos/fuzz_api.py --cases 10000 --bodies 5000

Schemathesis makes cases of the site's own schema, examples, limits, random and in sequence, until
so many were sent; after them come raw bodies that are hardly JSON: NUL, lone surrogates, numbers
beyond all bounds, deep nesting, repeated keys, other charsets, bodies that say they are compressed.
Exits 1 where an answer is a 5xx, is none of its schema's, or a refusal has another shape than the
API's errors.

--plant careless lets errors of reading a body through; then answers must be 500.
"""

import argparse
import gzip
import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from classifier.onnx_export import export_model  # noqa: E402
from tests import tiny  # noqa: E402
from tests.chaos.findings import report  # noqa: E402
from tests.servers import own_postgresql  # noqa: E402
from tests.site import Site  # noqa: E402

CHECKS = ",".join(
    (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
)
PATHS = ("/api/predict", "/api/inference", "/predict", "/api/bulk")
OWN_SHAPE = ("/api/predict", "/api/bulk")  # the others answer in that of who they stand in for
SHAPE = {"code", "field", "rule", "value", "remedy"}
CARELESS = """
import json
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")
import django
django.setup()
from classifier.api import predict
predict.plain_answer = lambda request: json.loads(request.body) and None
from reviewsite.wsgi import application  # only now: the middleware takes what it finds
"""
# Of the coverage of a schema, what one turn sends cannot be foreseen: turns go on until the sum.
TURN = re.compile(r"(\d+) generated, (\d+) passed")


def raw_body(rng: random.Random) -> tuple[bytes, dict[str, str]]:
    """A body that is nearly JSON, and its headers."""
    text = "".join(rng.choice('aé😀\u202e\u0301 {}[]",:\\') for _ in range(rng.randrange(40)))
    deep = rng.randrange(10, 10_000)
    bodies = (
        json.dumps({"text": text + "\x00"}),
        f'{{"text": "\\ud800{"x" * rng.randrange(5)}"}}',
        f'{{"text": {rng.choice(("1e400", "-1e400", "NaN", "Infinity", "1" * 5000, "-"))}}}',
        "[" * deep + "]" * deep,
        '{"text":' * deep,
        '{"text": "a", "text": "b"}',
        json.dumps({"texts": [text] * rng.randrange(200)}),
        json.dumps({"text": text + "a\u0301" * rng.randrange(3000)}),
        json.dumps({"text": [text, {"text": None}, True]}),
        json.dumps({"inputs": [[text, text], [text]], "parameters": {"top_k": -1}}),
        json.dumps(text),
        "",
        "\ufeff" + json.dumps({"text": text}),
        json.dumps({"text": text})[: rng.randrange(20)],
    )
    body = rng.choice(bodies).encode("utf-8", "surrogatepass")
    headers = {"Content-Type": "application/json"}
    kind = rng.random()
    if kind < 0.1:
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
    elif kind < 0.2:
        charset = rng.choice(("utf-16", "utf-7", "latin-1", "idna", "none-such", "rot13"))
        headers["Content-Type"] = f"application/json; charset={charset}"
    elif kind < 0.3:
        body = gzip.compress(b'{"text": "' + b"a" * rng.randrange(1_000_000) + b'"}')
        headers["Content-Encoding"] = "gzip"
    elif kind < 0.4:
        headers["Content-Type"] = rng.choice(
            (
                "",
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=",
            )
        )
    if rng.random() < 0.1:
        headers["Idempotency-Key"] = rng.choice(("", "a" * 1000, "{}"))
    return body, headers


def send_raw(site: Site, count: int, seed: int) -> Counter[str]:
    """What so many raw bodies were answered: statuses, and what was wrong."""
    rng, said = random.Random(seed), Counter[str]()
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=60)
    for _ in range(count):
        body, headers = raw_body(rng)
        path = rng.choice(PATHS)
        try:
            answer, content = asked(connection, path, body, headers)
        except OSError as error:
            connection.close()
            said[f"wrong: {path} {error!r}"] += 1
            continue
        said[str(answer.status)] += 1
        if answer.status >= 500:
            said[f"wrong: {path} {answer.status} {body[:80]!r}"] += 1
        elif answer.status >= 400 and path in OWN_SHAPE and not has_shape(content):
            said[f"wrong: {path} {content[:80]!r}"] += 1
        if answer.getheader("Connection") == "close":
            connection.close()
    connection.close()
    return said


def asked(
    connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]
) -> tuple[http.client.HTTPResponse, bytes]:
    """The answer and its body; a kept connection that was closed meanwhile is opened again."""
    kept = connection.sock is not None
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        connection.close()
        if not kept:
            raise
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
    return answer, answer.read()


def has_shape(content: bytes) -> bool:
    """Whether an answer is an error as the API says them, or several."""
    try:
        said = json.loads(content)
    except ValueError:
        return False
    errors = said.get("errors") or [said.get("error")]
    return all(isinstance(error, dict) and set(error) >= SHAPE for error in errors)


def send_cases(site: Site, key: str, count: int, seed: int, seconds: float) -> tuple[int, str]:
    """Cases of the schema, until `count` were sent; how many, and what was found wrong."""
    sent, turn, began = 0, 0, time.monotonic()
    while sent < count and time.monotonic() - began < seconds:
        done = subprocess.run(
            [
                *(Path(sys.executable).with_name("schemathesis"), "run", f"{site.url}/api/schema"),
                *("--checks", CHECKS, "--continue-on-failure", "--suppress-health-check", "all"),
                *("--max-examples", str(max(50, count // 60)), "--seed", str(seed + turn)),
                *("--header", f"Authorization: Bearer {key}", "--warnings", "off"),
                # The limits of a schema are the same in each turn.
                *("--phases", "examples,coverage,fuzzing,stateful" if not turn else "fuzzing"),
            ],
            cwd=site.var_dir,
            capture_output=True,
            text=True,
            timeout=3600,
        )
        found = TURN.search(done.stdout)
        if found is None or found[1] != found[2] or done.returncode:
            return sent, done.stdout[-4000:] + done.stderr[-1000:]
        sent += int(found[1])
        turn += 1
    return sent, ""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--cases", type=int, default=10_000, help="of the schema, in each database")
    parser.add_argument("--bodies", type=int, default=5000, help="raw, in each database")
    parser.add_argument("--seconds", type=float, default=1800, help="for the cases of a database")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plant", choices=["none", "careless"], default="none")
    options = parser.parse_args(arguments)
    sent: dict[str, int] = {}
    statuses, faults = Counter[str](), list[str]()
    with tempfile.TemporaryDirectory(prefix="fuzz-api-") as directory, ExitStack() as stack:
        folder = Path(directory)
        model = tiny.write_classifier(folder / "tiny")
        export_model(model)
        (folder / "planted.py").write_text(CARELESS)
        for database in ("SQLite", "PostgreSQL"):
            here = folder / database
            here.mkdir()
            variables = {
                "CLASSIFIER_MODEL": str(model),
                "WEB_CONCURRENCY": "2",
                "LOG_LEVEL": "ERROR",
            }
            # Addresses of any length come through, as nginx is who refuses long ones.
            variables["GUNICORN_CMD_ARGS"] = "--limit-request-line 0"
            if database == "PostgreSQL":
                variables["DATABASE_URL"] = stack.enter_context(own_postgresql()).url
                variables |= {"SECRET_KEY": "guards nothing " * 5, "ALLOWED_HOSTS": "127.0.0.1"}
            if options.plant == "careless":
                variables["PYTHONPATH"] = f"{folder}:{ROOT}"
            wsgi = "planted" if options.plant == "careless" else "reviewsite.wsgi"
            with Site.started(here, wsgi=wsgi, **variables) as site:
                scopes = ("rate", "bulk", "read", "feedback")
                key = site.manage("api_key", "create", "fuzz", "--scopes", *scopes).split()[-1]
                raw = send_raw(site, options.bodies, options.seed)
                statuses += Counter({one: n for one, n in raw.items() if one.isdigit()})
                faults += [f"{database}, {one}" for one in raw if not one.isdigit()]
                sent[database], wrong = (
                    send_cases(site, key, options.cases, options.seed, options.seconds)
                    if not faults
                    else (0, "")
                )
                if wrong:
                    faults.append(f"{database}, cases of the schema:\n{wrong}")
    tried = sum(sent.values()) + statuses.total()
    sys.stdout.write(
        report(
            "T14",
            unit="requests",
            tried=tried,
            failures=len(faults),
            target="no 5xx, no answer outside the schema, each refusal in the shape of the API",
            figures={
                **{f"cases of the schema, {name}": f"{count:,}" for name, count in sent.items()},
                "raw bodies": f"{statuses.total():,}",
                "answers to them": dict(sorted(statuses.items())),
            },
        )
    )
    sys.stdout.write("".join(f"{fault}\n" for fault in faults[:10]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
