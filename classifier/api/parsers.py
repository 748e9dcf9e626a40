"""JSON and forms in UTF-8, and no more: whatever the body, the answer is a 4xx and not a 500."""

import codecs
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from django.http import QueryDict
from django.utils.http import parse_header_parameters
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import FormParser, JSONParser

from classifier.api.requests import strict_json
from classifier.messages import message_of, told


class StrictJSONParser(JSONParser):
    """JSON as RFC 8259 has it; no NaN or Infinity, no key twice, not nested too deep."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        _refuse_other_charsets(media_type)
        try:
            return strict_json(stream.read())
        except ValueError as error:  # as JSON and Unicode errors are
            raise ParseError(told(message_of(error))[:200]) from error


class StrictFormParser(FormParser):
    """A form whose bytes are UTF-8; QueryDict alone would put U+FFFD for those that are not."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        _refuse_other_charsets(media_type)
        body = stream.read()
        try:
            unquote_to_bytes(body).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ParseError(str(error)) from error
        return QueryDict(body, encoding="utf-8")


def _refuse_other_charsets(media_type: str | None) -> None:
    """Rather than read a body in another charset than the one its sender names."""
    charset = parse_header_parameters(media_type or "")[1].get("charset") or "utf-8"
    try:
        known = codecs.lookup(charset).name in {"utf-8", "ascii"}
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        known = False
    if not known:
        raise UnsupportedMediaType(media_type or "")
