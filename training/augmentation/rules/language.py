"""What the rules know of language: where a sentence ends, and which words turn a meaning."""

import re

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


def turns(word: str) -> bool:
    """Whether the meaning may hang on `word`, whatever stands around it."""
    bare = word.casefold().strip(".,;:!?…\"'«»()")
    return bare in _TURNING or bare.startswith(_RUSSIAN_NO) or bare.endswith("n't")


def is_plain(word: str) -> bool:
    """Letters alone, and none that turns a meaning."""
    return word.isalpha() and not turns(word)
