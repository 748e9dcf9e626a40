"""The language of a text, and the notice where its model does not read that."""

import string
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from classifier import text_language
from classifier.card import languages_in
from classifier.models import ModelVersion, Prediction
from classifier.text_language import READ_CHARS, language_of
from classifier.unread_language import name_of, unread_language
from tests.factories import make_prediction
from tests.site import ROOT

WORDS = (
    *("House", "River", "Window", "Morning", "Teacher", "Garden", "Winter", "Letter", "Kitchen"),
    *("Summer", "Mountain", "Station", "Brother", "Evening", "Village", "Harbour", "Forest"),
)
ENGLISH_CARD = "---\nlanguage: en\n---\n\n# tiny\n"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("This film is far too long, and I would not watch it again.", "en"),
        ("Этот фильм слишком длинный, и второй раз я бы его смотреть не стал.", "ru"),
        ("Цей фільм занадто довгий, і вдруге я б його не дивився.", "uk"),
        ("Dieser Film ist viel zu lang, und ich würde ihn nicht noch einmal sehen.", "de"),
        ("Ce film est beaucoup trop long, et je ne le reverrais pas.", "fr"),
        ("这部电影太长了,我不会再看一遍。", "zh"),
        ("這部電影太長了,我不會再看一遍。", "zh"),
        ("この映画は長すぎます。もう一度見たいとは思いません。", "ja"),
        ("הסרט הזה ארוך מדי, ולא הייתי רואה אותו שוב פעם נוספת בחיים שלי.", "he"),
    ],
)
def test_a_sentence_has_a_language(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize("text", ["ok", "10/10", "bad", "😀😀😀", "hhhhh", "...", "12345"])
def test_where_it_is_unsure_it_says_so(text: str) -> None:
    assert language_of(text) is None


def test_control_characters_and_lone_surrogates_change_nothing() -> None:
    text = "This film is far too long, \x00\x0b\x7f\ud800and I would not watch it again."

    assert language_of(text) == "en"


@given(st.text(max_size=300))
def test_any_text_has_a_language_or_none(text: str) -> None:
    found = language_of(text)

    assert found is None or (2 <= len(found) <= 3 and set(found) <= set(string.ascii_lowercase))


def test_no_more_than_its_beginning_is_read() -> None:
    english = " ".join(f"{word} is a word that I found in there." for word in WORDS)
    russian = " ".join(f"Слово {word} я нашёл где-то там, в самом начале." for word in WORDS)
    start = (english * 20)[:READ_CHARS]

    assert len(start) == READ_CHARS
    assert language_of(start + 20 * russian) == language_of(start) == "en"


def test_without_its_library_no_language_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycld2", None)
    text_language._detector.cache_clear()
    try:
        assert not text_language.is_available()
        assert language_of("This film is far too long, and I would not watch it again.") is None
    finally:
        monkeypatch.undo()
        text_language._detector.cache_clear()


def test_it_is_loaded_with_the_first_text_and_not_before() -> None:
    code = (
        "import django; django.setup(); import classifier.services, sys; "
        "print('pycld2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("card", "languages"),
    [
        (ENGLISH_CARD, ("en",)),
        ("---\nlanguage:\n- en\n- ru\n---\n", ("en", "ru")),
        ("---\nlanguage: [En, pt-BR]\n---\n", ("en", "pt")),
        ("---\nlicense: mit\n---\n", ()),
        ("# A model\n\nlanguage: en\n", ()),
        ("---\n{ broken\n---\n", ()),
        ("---\nlanguage: {a: b}\n---\n", ()),
        ("---\nlanguage: [1, null]\n---\n", ()),
        ("", ()),
    ],
)
def test_a_card_says_what_its_model_reads(card: str, languages: tuple[str, ...]) -> None:
    assert languages_in(card) == languages


def of_model(card: str, language: str) -> Prediction:
    ModelVersion.objects.create(name="tiny", revision="0123456789ab", card=card)
    return make_prediction("…", language=language)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("card", "language", "warned"),
    [
        (ENGLISH_CARD, "ru", True),
        (ENGLISH_CARD, "en", False),
        (ENGLISH_CARD, "", False),
        ("---\nlanguage: multilingual\n---\n", "ru", False),
        ("# Nothing is known of it", "ru", False),
    ],
)
def test_a_language_that_the_model_does_not_read_is_warned_of(
    card: str, language: str, warned: bool
) -> None:
    assert (unread_language(of_model(card, language)) is not None) == warned


@pytest.mark.django_db
def test_the_page_of_the_answer_warns_in_the_readers_language(client: Client) -> None:
    address = of_model(ENGLISH_CARD, "ru").get_absolute_url()

    english = client.get(address).content.decode()
    russian = client.get(address, headers={"Accept-Language": "ru"}).content.decode()

    assert "seems to be Russian, but the model reads English" in english
    assert "язык этого отзыва — русский, а модель читает английский" in russian


@pytest.mark.django_db
def test_a_model_that_is_not_registered_has_its_card_on_disk(
    client: Client, served_model: Path
) -> None:
    (served_model / "README.md").write_text(ENGLISH_CARD)
    try:
        rated = client.post("/", {"text": "Отличный фильм, всем советую посмотреть."}, follow=True)
        assert "the model reads English" in rated.content.decode()
    finally:
        (served_model / "README.md").unlink()


def test_a_language_that_django_does_not_know_has_its_code() -> None:
    assert name_of("en") == "English"
    assert name_of("xx") == "xx"
