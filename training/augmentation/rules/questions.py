"""Rules that change how a question is put, not what it asks."""

import re
from dataclasses import replace

import numpy as np

from training.augmentation.rules.rule import Row

_RUSSIAN_OPENINGS = ("Скажите, ", "Подскажите, ", "Скажите, пожалуйста, ", "Интересно, ")
_ENGLISH_OPENINGS = ("Tell me, ", "Please tell me, ", "So, ")
_ENGLISH_YES_NO = {
    *("is", "are", "was", "were", "am", "do", "does", "did", "has", "have", "had", "can", "could"),
    *("will", "would", "shall", "should", "may", "might", "must", "isn't", "aren't", "wasn't"),
    *("weren't", "don't", "doesn't", "didn't"),
}
# Letters of Ukrainian, Belarusian, Serbian and others, which the Russian phrases do not fit.
_NOT_RUSSIAN = set("іїєґўјљњћђџѓќѕәңғүұқөһ")


def open_question(row: Row, rng: np.random.Generator) -> Row | None:
    """A phrase is put before the question: "Скажите, был ли ...", "Tell me, is there ...".

    Such a phrase asks for the answer and adds nothing to what is asked. In Russian it may stand
    before any question, with "ли" or without, and needs no other word to change; in English it
    stands before a verb, so other openings are left alone.
    """
    folded = row.text.casefold()
    phrases: tuple[str, ...] = ()
    if re.search(r"[\u0430-\u044f\u0451]", folded) and not set(folded) & _NOT_RUSSIAN:
        phrases = _RUSSIAN_OPENINGS
    elif folded.split(" ")[0] in _ENGLISH_YES_NO:
        phrases = _ENGLISH_OPENINGS
    if not phrases or row.text.startswith(phrases):
        return None
    phrase, question = str(rng.choice(phrases)), row.text
    if question[1:2].islower() or question[1:2].isspace():  # an acronym keeps its capital
        question = question[0].lower() + question[1:]
    return replace(row, text=phrase + question)


def change_question_ending(row: Row, rng: np.random.Generator) -> Row | None:
    """The question mark goes, or comes where there was none.

    That it is a question is the task's, not the mark's: people type them both ways.
    """
    bare = row.text.rstrip(" ?")
    return replace(row, text=bare if bare != row.text.rstrip() else f"{bare}?") if bare else None
