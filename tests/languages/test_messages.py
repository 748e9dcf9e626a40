"""Messages are English wherever they arise, and told in the language of whoever reads them."""

import json
import pickle

import pytest
from django.utils import translation

from classifier.exceptions import InvalidText
from classifier.messages import (
    Message,
    counted,
    from_data,
    joined,
    message,
    message_of,
    to_data,
    told,
)
from classifier.models import AuditEntry
from classifier.texts import clean_review_text

LIMIT = message("A text may have {most:,} characters at most.", most=100_000)


def test_a_message_is_its_english_text() -> None:
    assert LIMIT == "A text may have 100,000 characters at most."
    assert json.dumps([LIMIT]) == '["A text may have 100,000 characters at most."]'
    with translation.override("ru"):
        assert f"{LIMIT}" == "A text may have 100,000 characters at most."


def test_it_is_told_in_the_language_that_is_active() -> None:
    assert told(LIMIT) == LIMIT
    with translation.override("ru"):
        assert told(LIMIT) == "В тексте может быть не больше 100\xa0000 символов."


@pytest.mark.parametrize(
    ("count", "english", "russian"),
    [
        (1, "1 character", "1 символ"),
        (3, "3 characters", "3 символа"),
        (11, "11 characters", "11 символов"),
        (1_000_001, "1,000,001 characters", "1\xa0000\xa0001 символ"),
    ],
)
def test_a_number_decides_on_the_form(count: int, english: str, russian: str) -> None:
    said = counted("{count:,} character", "{count:,} characters", count)

    assert said == english
    with translation.override("ru"):
        assert told(said) == russian


def test_fractions_have_the_comma_of_the_language_and_texts_stay_as_they_are() -> None:
    number = message("{share:.1f} %", share=12.5)
    with translation.override("ru"):
        assert told(number) == "12,5 %"
        assert told(message("{name} has {names}", name="a.b", names="c,d")) == "у a.b метки c,d"


def test_messages_within_messages_are_told_too() -> None:
    error = InvalidText(
        code="x",
        rule=LIMIT,
        value=counted("{count:,} character", "{count:,} characters", 100_001),
        remedy=message("Shorten it, or send it in parts."),
    )

    assert str(error) == (
        "A text may have 100,000 characters at most. Found: 100,001 characters. "
        "Shorten it, or send it in parts."
    )
    with translation.override("ru"):
        assert error.remedy == "Сократите его или отправьте по частям."
        assert error.told == (
            "В тексте может быть не больше 100\xa0000 символов. Найдено: 100\xa0001 символ. "
            "Сократите его или отправьте по частям."
        )
        assert str(error).startswith("A text may have")
        assert told(joined([LIMIT, LIMIT])) == f"{told(LIMIT)} {told(LIMIT)}"


def test_without_values_braces_are_braces() -> None:
    with pytest.raises(InvalidText) as refused:
        clean_review_text(5)

    assert refused.value.remedy == 'Send the review in quotes: {"text": "..."}.'
    with translation.override("ru"):
        assert refused.value.value == "число"
        assert refused.value.remedy == 'Отправьте отзыв в кавычках: {"text": "..."}.'


def test_what_no_message_was_made_of_is_told_as_it_is() -> None:
    with translation.override("ru"):
        assert told("A text may have 7 characters at most.") == (
            "A text may have 7 characters at most."
        )


def test_a_message_outlives_processes_and_rows() -> None:
    nested = message("{before} {next}", before=LIMIT, next=message("Mend it."))

    for kept in (
        pickle.loads(pickle.dumps(nested)),
        from_data(json.loads(json.dumps(to_data(nested)))),
    ):
        assert isinstance(kept, Message)
        assert kept == nested
        with translation.override("ru"):
            assert told(kept) == f"{told(LIMIT)} Исправьте её."
    assert from_data(to_data("a text")) == "a text"


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        [],
        {},
        {"message": "{a}", "plural": "", "values": {}} | {"plural": 1},
        {"message": "{a.__class__.x}", "plural": "", "values": {"a": "b"}},
        {"message": "{a}", "plural": "", "values": {"b": "c"}},
        {"message": "one", "plural": "many", "values": {"a": "c"}},
    ],
)
def test_what_is_no_message_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="message"):
        from_data(data)


@pytest.mark.django_db
def test_a_column_keeps_messages_and_texts_alike() -> None:
    for reason in (LIMIT, "because", ""):
        AuditEntry.objects.create(action="texts purged", subject="x", reason=reason)

    kept = list(AuditEntry.objects.order_by("pk").values_list("reason", flat=True))
    assert kept == [LIMIT, "because", ""]
    with translation.override("ru"):
        assert told(kept[0]) == told(LIMIT) != LIMIT
    assert AuditEntry.objects.filter(reason=LIMIT).count() == 1


def test_what_an_error_was_made_with_is_kept_of_it() -> None:
    assert message_of(FileNotFoundError(LIMIT)) is LIMIT
    assert message_of(FileNotFoundError(2, "No such file")) == "[Errno 2] No such file"
    assert message_of(ValueError()) == ""
