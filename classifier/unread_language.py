"""Whether a review is in a language that the model which rated it does not read."""

from dataclasses import dataclass

from django.utils.translation import get_language, get_language_info, gettext

from classifier.card import card_of, languages_in
from classifier.models import ModelVersion, Prediction
from classifier.predictor import holder


@dataclass(frozen=True)
class UnreadLanguage:
    text: str
    """The language of the text, in the reader's words."""
    model: str
    """Those that the model reads."""


def unread_language(prediction: Prediction) -> UnreadLanguage | None:
    """What to warn of; None where text or model are of no known language, or it reads this one."""
    if not prediction.language:
        return None
    read = languages_of(prediction.model_version)
    if not read or prediction.language in read or "multilingual" in read:
        return None
    return UnreadLanguage(
        text=name_of(prediction.language), model=", ".join(name_of(code) for code in read)
    )


def languages_of(version: ModelVersion) -> tuple[str, ...]:
    """What a version's card says that it reads; one that is not registered has it on disk."""
    if version.card:
        return languages_in(version.card)
    loaded = holder.loaded
    if loaded and (loaded.name, loaded.revision) == (version.name, version.revision):
        return languages_in(card_of(loaded.artefact.directory))
    return ()


def name_of(code: str) -> str:
    """A language's name in the reader's language, its code where Django does not know it."""
    try:
        name = gettext(get_language_info(code)["name"])
    except KeyError:
        return code
    # Django has them as in a list; within a sentence only English writes them with a capital.
    return name if get_language() == "en" else name.lower()
