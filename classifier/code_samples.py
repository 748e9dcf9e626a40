"""How a program asks for what a page shows: this site's address and this text, filled in."""

import json
import shlex
from dataclasses import dataclass

SHOWN_CHARS = 1000  # of a text; a longer one is read from a file
FILE = "review.txt"


@dataclass(frozen=True)
class CodeSample:
    name: str
    code: str


def code_samples(address: str, text: str, text_pair: str = "") -> list[CodeSample]:
    """The same request by curl and in Python.

    Args:
        address: of POST /api/predict.
        text_pair: the second text, where the model reads pairs.
    """
    if text_pair:
        return [
            CodeSample("curl", _curl(address, {"text": text, "text_pair": text_pair})),
            CodeSample(
                "Python",
                _python(address, _literal(text), f', "text_pair": {_literal(text_pair)}'),
            ),
        ]
    short = len(text) <= SHOWN_CHARS
    return [
        CodeSample("curl", _curl(address, {"text": text}) if short else _curl_of_file(address)),
        CodeSample(
            "Python", _python(address, _literal(text) if short else f'Path("{FILE}").read_text()')
        ),
    ]


def _curl(address: str, said: dict[str, str]) -> str:
    body = json.dumps(said, ensure_ascii=False)
    return (
        f"curl {shlex.quote(address)} -H 'Content-Type: application/json' \\\n"
        f"     -d {shlex.quote(body)}"
    )


def _curl_of_file(address: str) -> str:
    return f"curl {shlex.quote(address)} --data-urlencode text@{FILE}"


def _literal(text: str) -> str:
    # JSON's strings are Python's, too: both write the same escapes.
    return json.dumps(text, ensure_ascii=False)


def _python(address: str, text: str, more: str = "") -> str:
    imports = (
        "import requests" if text.startswith('"') else "from pathlib import Path\n\nimport requests"
    )
    return (
        f"{imports}\n\n"
        f"response = requests.post(\n"
        f"    {_literal(address)},\n"
        f'    json={{"text": {text}{more}}},\n'
        f"    timeout=30,\n"
        f")\n"
        f"response.raise_for_status()\n"
        f'print(response.json()["rating"], response.json()["label"])'
    )
