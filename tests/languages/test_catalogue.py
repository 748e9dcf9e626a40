"""The catalogues have a translation of every message, and each keeps its places."""

import re
from io import StringIO
from string import Formatter
from typing import Any

import pytest
from babel.messages.catalog import Message
from django.core.management import CommandError, call_command

from reviewsite import catalogue

languages = pytest.mark.parametrize("language", catalogue.LANGUAGES)
_PERCENT = re.compile(r"%\((\w+)\)[sd]|%%")
_TAG = re.compile(r"</?\w+[^>]*>")


def messages(language: str) -> list[Message]:
    return [each for each in catalogue.read(catalogue.catalogue_of(language)) if each.id]


def texts(message: Any) -> list[tuple[str, str]]:
    """Each translation beside a message that it must have the places of."""
    if message.pluralizable:
        return [(message.id[-1], text) for text in message.string]
    return [(message.id, message.string)]


@languages
def test_the_catalogue_has_the_messages_of_the_code(language: str) -> None:
    assert catalogue.catalogue_of(language).read_bytes() == catalogue.renewed(language)
    call_command("makemessages", "--check", stdout=StringIO())


@languages
def test_every_message_is_translated(language: str) -> None:
    found = catalogue.read(catalogue.catalogue_of(language))
    empty = [each.id for each in messages(language) for _, text in texts(each) if not text.strip()]

    assert len(messages(language)) > 1000
    assert not empty
    assert not [each.id for each in found if each.id and each.fuzzy]
    assert not found.obsolete


@languages
def test_numbers_have_all_their_forms(language: str) -> None:
    counted = [each for each in messages(language) if each.pluralizable]

    assert counted
    assert {len(each.string or ()) for each in counted} == {3}


@languages
def test_a_translation_keeps_places_tags_and_ends(language: str) -> None:
    for message in messages(language):
        for source, text in texts(message):
            assert _places(source, message) == _places(text, message), source
            assert sorted(_TAG.findall(source)) == sorted(_TAG.findall(text)), source
            assert source.endswith("\n") == text.endswith("\n"), source
            assert source[-1:].isspace() == text[-1:].isspace(), source


def test_a_message_that_is_not_in_the_catalogue_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    gathered = catalogue.gathered

    def with_one_more() -> object:
        found = gathered()
        found.add("Nobody has translated this.")
        return found

    monkeypatch.setattr(catalogue, "gathered", with_one_more)
    with pytest.raises(CommandError, match="make messages"):
        call_command("makemessages", "--check")


def _places(text: str, message: Message) -> set[str | None]:
    """Names in the text that values take the place of, whichever way they are written."""
    found: set[str | None] = {match[1] for match in _PERCENT.finditer(text) if match[1]}
    if "python-brace-format" in message.flags and '{"' not in text:
        found |= {name for _, name, _, _ in Formatter().parse(text) if name}
    return found
