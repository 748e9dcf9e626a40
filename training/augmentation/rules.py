"""More rows of the smallest classes by rules that keep a row's label.

The rules ask nothing of a language but that it writes words between spaces and ends sentences
with . ! ? or an ellipsis; the two that know words (opening phrases, words that turn a sentence's
meaning) know Russian and English, and leave a text of another language alone. Each function's
docstring says why the label stays. They go back to

- EDA (Wei and Zou 2019, arXiv:1901.11196): swapping and dropping a tenth of the words;
- AEDA (Karimi et al. 2021, arXiv:2108.13230): punctuation put in between words;
- the invariance tests of CheckList (Ribeiro et al. 2020, arXiv:2005.04118): typos, and phrases
  that add nothing;
- for question and passage, reading comprehension's finding that the sentences which share words
  with the question carry the evidence for its answer (Min et al. 2018, arXiv:1805.08092: one
  sentence is enough for nine questions in ten of SQuAD).

White space alone is left out on purpose: BERT's tokenizers drop it, so such a row would be a copy.
Rules that change the answer (a negated question, a passage of another question) are left out too:
they need a reader who says whether they did.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from training.augmentation.balance import rows_wanted
from training.reading import DataError

ATTEMPTS = 20  # tries for each row that is wanted
WORD_SHARE = 0.1  # of a text's words that one rule touches; EDA's alpha
STEM = 5  # letters by which two words count as one: Russian endings come after them
AEDA_MARKS = (".", ";", "?", ":", "!", ",")

_SENTENCE_END = re.compile(r"""(?<=[.!?…])["'»”)\]]*\s+""")
# A full stop after one of these, or after a single letter (initials), ends no sentence.
_ABBREVIATIONS = {
    *("mr", "mrs", "ms", "dr", "st", "vs", "no", "jr", "sr", "etc", "eg", "ie", "co", "inc"),
    *("гг", "вв", "им", "др", "пр", "см", "рис", "ул", "тыс", "млн", "млрд", "руб"),  # noqa: RUF001
    *("англ", "нем", "фр", "греч", "лат", "стр", "обл", "гор", "проф", "акад", "св"),  # noqa: RUF001
}
# To lose, move or misspell one of these may turn the meaning round.
_TURNING = {
    *("no", "not", "never", "none", "nobody", "nothing", "nor", "neither", "without", "hardly"),
    *("barely", "but", "however", "although", "though", "yet", "except", "unless", "cannot"),
    *("only", "too", "less", "least", "more", "most", "very"),
    *("не", "ни", "нет", "нельзя", "нигде", "без", "но", "однако", "хотя", "зато", "кроме"),
    *("едва", "вряд", "только", "лишь", "слишком", "менее", "более", "меньше", "больше"),
    *("очень", "ли"),
}
_RUSSIAN_NO = ("никт", "нико", "ника", "ниче", "ничт")  # никто, никому, никакой, ничего, ...
_RUSSIAN_OPENINGS = ("Скажите, ", "Подскажите, ", "Скажите, пожалуйста, ", "Интересно, ")
_ENGLISH_OPENINGS = ("Tell me, ", "Please tell me, ", "So, ")
_ENGLISH_YES_NO = {
    *("is", "are", "was", "were", "am", "do", "does", "did", "has", "have", "had", "can", "could"),
    *("will", "would", "shall", "should", "may", "might", "must", "isn't", "aren't", "wasn't"),
    *("weren't", "don't", "doesn't", "didn't"),
}
# Letters of Ukrainian, Belarusian, Serbian and others, which the Russian phrases do not fit.
_NOT_RUSSIAN = set("іїєґўјљњћђџѓќѕәңғүұқөһ")


@dataclass(frozen=True)
class Row:
    """What a rule sees of a row: a text, or a question and its passage."""

    text: str
    text_pair: str = ""


Rule = Callable[[Row, np.random.Generator], Row | None]
"""The changed row, or None where the rule does not apply."""


def sentences(text: str) -> list[str]:
    """The sentences of `text`, with their punctuation; abbreviations and initials end none."""
    found: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(text):
        piece = text[start : end.end()].strip()
        last = re.search(r"(\w+)\.$", piece)
        if last and (len(last[1]) == 1 or last[1].casefold() in _ABBREVIATIONS):
            continue
        found.append(piece)
        start = end.end()
    return [*found, rest] if (rest := text[start:].strip()) else found


def _stems(text: str) -> set[str]:
    """Beginnings of the words of three letters or more; short ones are mostly function words."""
    return {word[:STEM] for word in re.findall(r"[^\W\d_]{3,}|\d+", text.casefold())}


def _near(row: Row) -> tuple[list[str], list[bool]]:
    """The passage's sentences, and of each whether it may bear on the question.

    The first does (it says what the passage is about), each that shares a word with the question,
    and the one after that, where a pronoun may stand for it. None is far where none shares a word.
    """
    parts, asked = sentences(row.text_pair), _stems(row.text)
    shares = [bool(_stems(part) & asked) for part in parts]
    if not any(shares):
        return parts, [True] * len(parts)
    return parts, [
        number == 0 or share or shares[number - 1] for number, share in enumerate(shares)
    ]


def shorten_passage(row: Row, rng: np.random.Generator) -> Row | None:
    """Only the sentences that may bear on the question are left.

    The evidence is in the sentences that name what is asked about, and in those that go on about
    it; all of them stay, in their order, so yes stays yes and no stays no.
    """
    parts, near = _near(row)
    if all(near):
        return None
    kept = " ".join(part for part, stays in zip(parts, near, strict=True) if stays)
    return replace(row, text_pair=kept)


def drop_far_sentences(row: Row, rng: np.random.Generator) -> Row | None:
    """Some of the sentences that do not bear on the question go, at random.

    What is dropped shares no word with the question and follows no sentence that does.
    """
    parts, near = _near(row)
    far = [number for number, stays in enumerate(near) if not stays]
    if not far:
        return None
    dropped = set(rng.choice(far, size=rng.integers(1, len(far) + 1), replace=False).tolist())
    kept = " ".join(part for number, part in enumerate(parts) if number not in dropped)
    return replace(row, text_pair=kept)


def shuffle_far_sentences(row: Row, rng: np.random.Generator) -> Row | None:
    """The sentences that do not bear on the question change places with each other.

    The evidence stays where it was and in its order; only the matter around it moves.
    """
    parts, near = _near(row)
    far = [number for number, stays in enumerate(near) if not stays]
    if len(far) < 2:
        return None
    moved = dict(zip(far, rng.permutation(far).tolist(), strict=True))
    text = " ".join(parts[moved.get(number, number)] for number in range(len(parts)))
    return replace(row, text_pair=text)


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


def change_case(row: Row, rng: np.random.Generator) -> Row | None:
    """The first text in lower case, or its first letter changed.

    Names are still known by their letters. An uncased model sees no difference, and the row is
    then its source once more.
    """
    first = row.text[:1].swapcase() + row.text[1:]
    changed = str(rng.choice([row.text.lower(), first]))
    return None if changed == row.text else replace(row, text=changed)


def misspell(row: Row, rng: np.random.Generator) -> Row | None:
    """Two letters swapped, one lost or one doubled, inside a tenth of the first text's long words.

    People read such words without noticing (Belinkov and Bisk 2018, arXiv:1711.02173), models
    do notice. The first and last letters stay, and so do numbers, words of four letters or fewer
    and those that turn a meaning.
    """
    words = row.text.split(" ")
    able = [number for number, word in enumerate(words) if len(word) > 4 and _plain(word)]
    if not able:
        return None
    for number in rng.choice(able, size=_share(len(words), len(able)), replace=False).tolist():
        words[number] = _misspelt(words[number], rng)
    changed = " ".join(words)
    return None if changed == row.text else replace(row, text=changed)


def join_words(row: Row, rng: np.random.Generator) -> Row | None:
    """The space between two words is lost, once; unlike doubled spaces, tokenizers see that.

    Both words can still be read; neither is one that turns a meaning.
    """
    words = row.text.split(" ")
    able = [
        number
        for number in range(len(words) - 1)
        if _plain(words[number]) and _plain(words[number + 1])
    ]
    if not able:
        return None
    at = int(rng.choice(able))
    return replace(row, text=" ".join([*words[:at], words[at] + words[at + 1], *words[at + 2 :]]))


def drop_sentence(row: Row, rng: np.random.Generator) -> Row | None:
    """One sentence goes, of a text of four or more; never the first two or the last.

    A longer text says what it feels more than once, and most plainly where it starts and ends
    (Pang et al. 2002, arXiv:cs/0205070).
    """
    parts = sentences(row.text)
    if len(parts) < 4:
        return None
    del parts[int(rng.integers(2, len(parts) - 1))]
    return replace(row, text=" ".join(parts))


def swap_sentences(row: Row, rng: np.random.Generator) -> Row | None:
    """Two neighbouring sentences inside the text change places.

    What is said stays the same. A sentence that opens with a word of contrast stays with the one
    before it.
    """
    parts = sentences(row.text)
    able = [
        number
        for number in range(1, len(parts) - 2)
        if not any(_turns(part.split(" ")[0]) for part in parts[number : number + 3])
    ]
    if not able:
        return None
    at = int(rng.choice(able))
    parts[at], parts[at + 1] = parts[at + 1], parts[at]
    return replace(row, text=" ".join(parts))


def drop_words(row: Row, rng: np.random.Generator) -> Row | None:
    """A tenth of the words go, of a text of eight or more.

    Wei and Zou found that up to that share the label holds. Words that turn a meaning, and the
    word after them, stay: "not bad" must not become "bad", nor "not".
    """
    words = row.text.split(" ")
    able = _movable(words)
    if len(words) < 8 or not able:
        return None
    gone = set(rng.choice(able, size=_share(len(words), len(able)), replace=False).tolist())
    return replace(row, text=" ".join(w for number, w in enumerate(words) if number not in gone))


def swap_words(row: Row, rng: np.random.Generator) -> Row | None:
    """Two neighbouring words change places, one pair in ten words, in a text of eight or more.

    The same words are said, and Russian leaves their order free anyway. Words that turn a
    meaning, and the word after them, stay in place.
    """
    words = row.text.split(" ")
    movable = set(_movable(words))
    able = [number for number in movable if number + 1 in movable]
    if len(words) < 8 or not able:
        return None
    for number in rng.choice(able, size=_share(len(words), len(able)), replace=False).tolist():
        words[number], words[number + 1] = words[number + 1], words[number]
    changed = " ".join(words)
    return None if changed == row.text else replace(row, text=changed)


def add_punctuation(row: Row, rng: np.random.Generator) -> Row | None:
    """Marks are put between the words of the text, one to every third word at most.

    AEDA: no word is lost, added or moved, so the label is safer than under EDA, and the models
    trained on it were better.
    """
    words = row.text.split(" ")
    if len(words) < 3:
        return None
    for _ in range(int(rng.integers(1, len(words) // 3 + 1))):
        words.insert(int(rng.integers(1, len(words))), str(rng.choice(AEDA_MARKS)))
    return replace(row, text=" ".join(words))


def _plain(word: str) -> bool:
    """Letters alone, and none that turns a meaning."""
    return word.isalpha() and not _turns(word)


def _turns(word: str) -> bool:
    bare = word.casefold().strip(".,;:!?…\"'«»()")
    return bare in _TURNING or bare.startswith(_RUSSIAN_NO) or bare.endswith("n't")


def _movable(words: Sequence[str]) -> list[int]:
    return [
        number
        for number, word in enumerate(words)
        if not _turns(word) and (number == 0 or not _turns(words[number - 1]))
    ]


def _share(words: int, able: int) -> int:
    return min(able, max(1, int(words * WORD_SHARE)))


def _misspelt(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(1, len(word) - 2))
    kind = rng.integers(3)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at + 1 :] if kind == 1 else word[: at + 1] + word[at:]


def _named(*rules: Rule) -> dict[str, Rule]:
    return {rule.__name__: rule for rule in rules}


PAIR_RULES = _named(
    shorten_passage,
    drop_far_sentences,
    shuffle_far_sentences,
    open_question,
    change_question_ending,
    change_case,
    misspell,
    join_words,
)
SINGLE_RULES = _named(
    drop_sentence,
    swap_sentences,
    drop_words,
    swap_words,
    add_punctuation,
    change_case,
    misspell,
    join_words,
)


def generate_rows(
    frame: pd.DataFrame,
    *,
    rows: int,
    seed: int,
    pair_rules: Mapping[str, Rule] = PAIR_RULES,
    single_rules: Mapping[str, Rule] = SINGLE_RULES,
) -> pd.DataFrame:
    """New rows of the smallest classes: rows of theirs, each changed by one to three rules.

    All rows of a class are drawn from equally often. No generated row is a copy of a row of
    `frame` or of another.

    Args:
        frame: training rows with `text`, `label` and, for pairs, `text_pair`.
        rows: how many, each for the class that is the smallest by then; 0 brings every class
            to the size of the largest.
        pair_rules: by name, those to choose from where a row has a `text_pair`.
        single_rules: those to choose from where it has none.

    Returns:
        The new rows alone, with the columns of `frame` (those not written here as in their
        source), `generated_by` ("rules:" and the rules in their order, joined by "+") and
        `source_row`, the position of their source in `frame`, 0 the first.

    Raises:
        DataError: the rules cannot make so many different rows of these.
    """
    rng = np.random.default_rng(seed)
    paired = "text_pair" in frame
    originals = [
        Row(text, pair)
        for text, pair in zip(
            frame["text"], frame["text_pair"] if paired else [""] * len(frame), strict=True
        )
    ]
    seen, made = set(originals), []
    for label, wanted in rows_wanted(frame["label"].to_numpy(), rows).items():
        sources = np.flatnonzero(frame["label"] == label)
        accepted: list[tuple[int, Row, str]] = []
        for attempt in range(wanted * ATTEMPTS):
            if len(accepted) == wanted:
                break
            if attempt % len(sources) == 0:
                sources = rng.permutation(sources)
            source = int(sources[attempt % len(sources)])
            rules = pair_rules if originals[source].text_pair else single_rules
            changed, applied = _apply(originals[source], rules, rng)
            if changed not in seen:
                seen.add(changed)
                accepted.append((source, changed, "rules:" + "+".join(applied)))
        if len(accepted) < wanted:
            raise DataError(
                f"The rules must make {wanted} different rows of label {label} out of its "
                f"{len(sources)}, but in {wanted * ATTEMPTS} attempts they made {len(accepted)}. "
                "Lower --generated-rows, or give --balance oversample instead."
            )
        made += accepted
    generated = frame.iloc[[source for source, _, _ in made]].reset_index(drop=True)
    generated["text"] = [row.text for _, row, _ in made]
    if paired:
        generated["text_pair"] = [row.text_pair for _, row, _ in made]
    return generated.assign(
        generated_by=[by for _, _, by in made],
        source_row=np.array([source for source, _, _ in made], dtype=np.int64),
    )


def _apply(row: Row, rules: Mapping[str, Rule], rng: np.random.Generator) -> tuple[Row, list[str]]:
    """`row` changed by up to three rules that apply, and their names."""
    wanted = int(rng.integers(1, 4))
    applied: list[str] = []
    for name in rng.permutation(list(rules)).tolist():
        if len(applied) < wanted and (changed := rules[name](row, rng)):
            row = changed
            applied.append(name)
    return row, applied
