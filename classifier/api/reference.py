"""The API as people read it: each operation with its fields, from the schema."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.utils import translation

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """A parameter of a request, or a field of a body."""

    name: str
    kind: str
    """Such as `string`, `list of Prediction` or `path, string`."""
    required: bool
    description: str


@dataclass(frozen=True)
class Answer:
    status: str
    name: str
    """Of the schema that describes it; empty for an answer without a body."""


@dataclass(frozen=True)
class Operation:
    anchor: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Field, ...]
    content_type: str
    fields: tuple[Field, ...]
    """Of the body, in `content_type`."""
    examples: tuple[str, ...]
    """JSON of request bodies."""
    answers: tuple[Answer, ...]
    answer_example: str

    def curl(self, site: str) -> str:
        """This request from a shell, to `site`, such as https://reviews.example."""
        parts = ["curl"]
        if self.method not in ("GET", "POST") or (self.method == "POST" and not self.fields):
            parts += ["-X", self.method]
        parts.append(shlex.quote(site + self.path))
        if self.content_type == "multipart/form-data":
            parts += ["-F", "file=@reviews.csv"]
        elif self.examples:
            body = json.dumps(json.loads(self.examples[0]), ensure_ascii=False)
            parts += ["--json", shlex.quote(body)]
        return " ".join(parts)


@dataclass(frozen=True)
class Shape:
    """An object that operations send or answer."""

    name: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Reference:
    groups: tuple[tuple[str, tuple[Operation, ...]], ...]
    """Operations by the part of the API that they belong to."""
    shapes: tuple[Shape, ...]


@cache
def reference() -> Reference:
    """All of the API of this code; takes a second the first time."""
    return read_schema(english_schema())


def english_schema() -> Any:
    """The OpenAPI schema of this code, of plain lists and objects."""
    from classifier.api.schema import OneAtATime

    with translation.override("en"):
        made = OneAtATime().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return json.loads(json.dumps(made, default=str))


def read_schema(schema: Schema) -> Reference:
    """What an OpenAPI schema of version 3.0 says."""
    groups: dict[str, list[Operation]] = {"predict": []}  # what most come for stands first
    for path, methods in schema["paths"].items():
        for method, said in methods.items():
            operation = _operation(path, method, said, schema)
            groups.setdefault(said["tags"][0], []).append(operation)
    shapes = [
        Shape(name, said.get("description", ""), tuple(_fields(said)))
        for name, said in schema["components"]["schemas"].items()
        if said.get("properties")
    ]
    return Reference(
        tuple((name, tuple(operations)) for name, operations in groups.items()), tuple(shapes)
    )


def _operation(path: str, method: str, said: Schema, schema: Schema) -> Operation:
    content = said.get("requestBody", {}).get("content", {})
    none: tuple[str, Schema] = ("", {})
    content_type, body = next(iter(content.items()), none)
    parameters: Sequence[Schema] = said.get("parameters", ())
    answers: dict[str, Schema] = {
        status: next(iter(answer.get("content", {}).values()), {})
        for status, answer in said["responses"].items()
    }
    good: Schema = next((one for status, one in answers.items() if status.startswith("2")), {})
    return Operation(
        anchor=said["operationId"],
        method=method.upper(),
        path=path,
        summary=said.get("summary", ""),
        description=said.get("description", ""),
        parameters=tuple(
            Field(
                one["name"],
                f"{one['in']}, {_kind(one['schema'])}",
                one.get("required", False),
                one.get("description", ""),
            )
            for one in parameters
        ),
        content_type=content_type,
        fields=tuple(_fields(_resolved(body.get("schema", {}), schema))),
        examples=tuple(_examples(body)),
        answers=tuple(
            Answer(status, _kind(one["schema"]) if one.get("schema") else "")
            for status, one in answers.items()
        ),
        answer_example=next(_examples(good), ""),
    )


def _fields(said: Schema) -> Iterator[Field]:
    required = said.get("required", ())
    for name, one in said.get("properties", {}).items():
        yield Field(name, _kind(one), name in required, one.get("description", ""))


def _examples(body: Schema) -> Iterator[str]:
    for example in body.get("examples", {}).values():
        yield json.dumps(example["value"], ensure_ascii=False, indent=2)


def _resolved(said: Schema, schema: Schema) -> Schema:
    if "$ref" in said:
        found: Schema = schema["components"]["schemas"][_name(said["$ref"])]
        return found
    return said


def _kind(said: Schema) -> str:
    """What a value is, in a word or a few."""
    nullable = " or null" if said.get("nullable") else ""
    if "$ref" in said:
        return _name(said["$ref"]) + nullable
    for several in ("allOf", "oneOf", "anyOf"):
        if several in said:
            return " or ".join(dict.fromkeys(_kind(one) for one in said[several])) + nullable
    if said.get("enum"):
        return " or ".join(json.dumps(one) for one in said["enum"]) + nullable
    if said.get("type") == "array":
        return f"list of {_kind(said.get('items', {}))}{nullable}"
    kind = said.get("format") or said.get("type") or "anything"
    return f"{kind}{nullable}"


def _name(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]
