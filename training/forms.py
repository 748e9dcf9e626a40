"""The form that starts a training run: a recipe, and every parameter that may differ from it.

The fields of the parameters are made from the dataclasses of training.config, which alone know the
rules: what breaks one is said by training.services and put beside its field here.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from classifier.api.refusals import Refusal
from classifier.artefact import STARTER
from classifier.messages import counted, told
from training.config import BUNDLED, REVIEWED, SECTIONS
from training.exceptions import InvalidRun
from training.models import TrainingRun
from training.parameter_names import HELP, SECTION_TITLES, label_of
from training.recipes import load_recipe, recipe_description, recipe_names

SUFFIXES = (
    ".csv",
    ".jsonl",
    ".parquet",
    ".tsv",
)  # as training.data.reading's READERS, without pandas
SUGGESTED = re.compile(r".+-\d{8}-\d{6}(?:-2)?")  # as suggested_name makes them
PARAMETERS: dict[str, str] = {
    item.name: section for section, kind in SECTIONS.items() for item in fields(kind)
}
"""Section of each parameter; no two sections share a name."""

Values = dict[str, Any]
Fieldsets = list[tuple[str | None, dict[str, Any]]]


@dataclass(frozen=True)
class Suggestion:
    """A value that a field offers, and what is said of it."""

    value: str
    label: str = ""


@dataclass(frozen=True)
class Recipe:
    """What the form says of a recipe."""

    name: str
    description: str
    base_model: str
    dataset: str


def recipes() -> list[Recipe]:
    found = []
    for name in recipe_names():
        config = load_recipe(name)
        found.append(
            Recipe(
                name,
                gettext(recipe_description(name)),
                config.model.base_model,
                config.data.dataset,
            )
        )
    return found


def recipe_values(recipe: str) -> Values:
    """Every parameter as a recipe has it; with no recipe its default."""
    if recipe in recipe_names():
        return flat(load_recipe(recipe).to_sections())
    return {
        item.name: "" if item.default is MISSING else item.default
        for kind in SECTIONS.values()
        for item in fields(kind)
    }


def flat(sections: Mapping[str, Mapping[str, Any]]) -> Values:
    """The parameters of a config without their sections; unknown ones are left out."""
    return {
        name: value
        for section in sections.values()
        for name, value in section.items()
        if name in PARAMETERS
    }


def suggested_name(start: str) -> str:
    """A name that no run has: `start`, without a time of its own, and the time."""
    stem = re.sub(r"-\d{8}-\d{6}(-2)?$", "", start)
    stem = re.sub(r"[^\w.-]+", "-", stem, flags=re.ASCII).strip("-._")[:70] or "run"
    name = f"{stem}-{timezone.localtime():%Y%m%d-%H%M%S}"
    return f"{name}-2" if TrainingRun.objects.filter(name=name).exists() else name


def _help_of(parameter: Field[Any]) -> str:
    """As the command line has it; its own words mark it for translation."""
    return str(parameter.metadata["help"])


def _recipe_choices() -> list[tuple[str, str]]:
    return [("", gettext("none")), *((name, name) for name in recipe_names())]


class StartForm(forms.Form):
    """What a new run is. Parameters left as the recipe has them are not overridden."""

    recipe = forms.ChoiceField(
        label=_("Recipe"), required=False, choices=_recipe_choices, widget=forms.RadioSelect
    )
    filled_from = forms.ChoiceField(
        required=False, choices=_recipe_choices, widget=forms.HiddenInput
    )
    name = forms.CharField(
        label=_("Name"),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "size": 40}),
        help_text=_(
            "Of the run and of the model that it makes; empty takes the data set and the time."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.base = recipe_values(self._raw("filled_from"))
        for kind in SECTIONS.values():
            hints = get_type_hints(kind)
            for item in fields(kind):
                self.fields[item.name] = _field(
                    hints[item.name],
                    label=label_of(item.name),
                    help_text=str(HELP.get(item.name) or gettext(_help_of(item))),
                    base=self.base[item.name],
                    recipe=self._raw("filled_from"),
                )
                if item.name not in self.initial:
                    self.initial[item.name] = self.base[item.name]
        for name, offered in (
            ("dataset", "datasets"),
            ("replay_dataset", "replayable"),
            ("base_model", "models"),
            ("generator_model", "models"),
        ):
            self.fields[name].widget.attrs |= {"list": offered, "autocomplete": "off"}

    @classmethod
    def filled(cls, recipe: str, values: Mapping[str, Any], *, name: str = "") -> Self:
        """With a recipe chosen, and the parameters `values` different from it."""
        known = recipe if recipe in recipe_names() else ""
        start = name or known
        return cls(
            initial={
                **values,
                "recipe": known,
                "filled_from": known,
                "name": suggested_name(start) if start else "",
            }
        )

    def refilled(self) -> Self:
        """With the recipe that is chosen now; what was changed by hand stays."""
        kept = {name: self._raw(name) for name in PARAMETERS if self._is_changed(name)}
        new = type(self).filled(self._raw("recipe"), kept)
        own_name = self._raw("name")
        if own_name and not SUGGESTED.fullmatch(own_name):
            new.initial["name"] = own_name
        return new

    def overrides(self) -> Values:
        """The parameters that differ from those of the recipe that the form was filled from."""
        return {name: self.cleaned_data[name] for name in PARAMETERS if self._is_changed(name)}

    refused: Refusal | None = None
    """What keeps any run from being started now."""

    def place_error(self, error: InvalidRun | Refusal) -> None:
        """Put what stands against the run beside its field, or on top."""
        if isinstance(error, Refusal):
            self.refused = error
            self.add_error(None, error.told)
        else:
            self.add_error(error.field if error.field in self.fields else None, error.told)

    @property
    def fieldsets(self) -> Fieldsets:
        """As Django's admin has them; those of single sections are folded."""
        first = ["dataset", "base_model", "name"]
        hub = ["push_to_hub", "private"]
        folded = []
        for section, kind in SECTIONS.items():
            names = [item.name for item in fields(kind) if item.name not in first + hub]
            changed = sum(map(self._is_changed, names))
            title = str(SECTION_TITLES[section])
            if changed:
                title = ngettext(
                    "{title} ({changed} changed)", "{title} ({changed} changed)", changed
                )
                title = title.format(title=SECTION_TITLES[section], changed=changed)
            folded.append((title, {"fields": names, "classes": ["collapse"]}))
        return [(gettext("Run"), {"fields": first}), (gettext("Hub"), {"fields": hub}), *folded]

    @property
    def recipes(self) -> list[Recipe]:
        return recipes()

    @property
    def chosen_recipe(self) -> str:
        return str(self._raw("recipe"))

    def _raw(self, name: str) -> Any:
        if self.is_bound:
            return self.fields[name].widget.value_from_datadict(
                self.data, self.files, self.add_prefix(name)
            )
        return self.initial.get(name, "")

    def _is_changed(self, name: str) -> bool:
        field, value = self.fields[name], self._raw(name)
        if isinstance(field, forms.IntegerField) and value in ("", None):
            return False  # an emptied number is the recipe's own, as its placeholder says
        return field.has_changed(self.base[name], value)


def _field(hint: Any, *, label: str, help_text: str, base: Any, recipe: str) -> forms.Field:
    """The field of a parameter, by its type in the dataclass."""
    shown = _shown(base)
    help_html = format_html(
        "{} <span class='run-base'>{}: {}</span>",
        help_text[:1].upper() + help_text[1:] + ".",
        gettext("Recipe") if recipe else gettext("Default"),
        shown or gettext("empty"),
    )
    common: dict[str, Any] = {"label": label, "help_text": help_html, "required": False}
    if hint is bool:
        return forms.BooleanField(**common)
    if get_origin(hint) is Literal:
        return forms.ChoiceField(choices=[(each, each) for each in get_args(hint)], **common)
    if hint is int:
        return forms.IntegerField(
            widget=forms.NumberInput(attrs={"placeholder": shown, "class": "vIntegerField"}),
            **common,
        )
    if hint is float:
        return forms.FloatField(
            widget=forms.NumberInput(
                attrs={"placeholder": shown, "step": "any", "class": "vIntegerField"}
            ),
            **common,
        )
    return forms.CharField(widget=forms.TextInput(attrs={"size": 40}), **common)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return str(value)


def dataset_suggestions(reviewed: int) -> list[Suggestion]:
    """Names under DATASETS_DIR, and the reviewed predictions.

    Args:
        reviewed: how many predictions there are with a verdict and a text.
    """
    return [
        Suggestion(
            REVIEWED,
            told(
                counted("{count:,} reviewed prediction", "{count:,} reviewed predictions", reviewed)
            ),
        ),
        *(Suggestion(name) for name in _names(settings.DATASETS_DIR, _is_dataset)),
    ]


def model_suggestions() -> list[Suggestion]:
    """The bundled models, and names under MODELS_DIR."""
    return [
        Suggestion(BUNDLED, gettext("the bundled encoder")),
        Suggestion(STARTER, gettext("the model of a fresh clone")),
        *(
            Suggestion(name)
            for name in _names(settings.MODELS_DIR, lambda path: (path / "config.json").is_file())
            if name not in (BUNDLED, STARTER)
        ),
    ]


def hub_token_is_set() -> bool:
    return bool(os.environ.get("HF_TOKEN", "").strip())


def _is_dataset(path: Path) -> bool:
    if path.is_dir():
        return any((path / f"train{suffix}").is_file() for suffix in SUFFIXES)
    return path.suffix in SUFFIXES


def _names(directory: Path, is_wanted: Any) -> Iterable[str]:
    if not directory.is_dir():
        return []
    found = (path for path in directory.iterdir() if not path.name.startswith("."))
    return sorted({path.stem if path.is_file() else path.name for path in found if is_wanted(path)})
