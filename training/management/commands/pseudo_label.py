"""manage.py pseudo_label: soft labels, by several models together, for texts without any."""

import math
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from django.conf import settings
from django.core.management.base import CommandError

from classifier.engines import KINDS
from classifier.exceptions import ModelNotReady
from reviewsite.commands import SiteCommand
from training.config import ConfigError, DataConfig
from training.data.pseudo_rows import ROWS
from training.recipes import load_recipe
from training.runs.names import require_name

if TYPE_CHECKING:
    from training.ensemble import Member, Request
    from training.ensemble.labelling import Weights

EQUAL, AUTO = "equal", "auto"
NOT_READ = {"train_rows", "test_rows", "text_pair_column", "replay_dataset", "replay_per_verdict"}
DATA = [item for item in fields(DataConfig) if item.name not in NOT_READ]


class Command(SiteCommand):
    help = (
        "Labels the texts of a split or file that nobody labelled: with the probabilities of "
        "several models together, which finetune then learns from. Started again with --resume "
        "after it was killed, it goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="of the rows, as finetune names them")
        parser.add_argument("--recipe", help="take the data's parameters from this recipe")
        hints = get_type_hints(DataConfig)
        for item in DATA:
            parser.add_argument(
                f"--{item.name.replace('_', '-')}",
                type=hints[item.name],
                help=f"{item.metadata['help']} (as for finetune)",
            )
        texts = parser.add_mutually_exclusive_group(required=True)
        texts.add_argument(
            "--split",
            default="",
            help="of the data set: one that finetune does not read, or train",
        )
        texts.add_argument("--file", type=Path, help="any table with the text column")
        parser.add_argument("--models", default="", help="models of the site, with commas between")
        parser.add_argument(
            "--linear",
            action="store_true",
            help="fit a linear model on the training rows, as one more member, the last",
        )
        parser.add_argument(
            "--linear-weight",
            type=float,
            help="the linear model's share, 0..1; the models share the rest evenly",
        )
        parser.add_argument(
            "--weights",
            default=EQUAL,
            help=f"{EQUAL}; one a member, with commas between; or {AUTO}: those, and the "
            "temperature, under which the labels of the validation rows are likeliest "
            f"(default: {EQUAL})",
        )
        parser.add_argument(
            "--temperature",
            type=float,
            help=f"above 1 softens the labels (default: 1, or what {AUTO} finds)",
        )
        parser.add_argument(
            "--sample", type=int, default=0, help="only so many texts, drawn by --seed"
        )
        parser.add_argument("--seed", type=int, default=0, help="(default: 0)")
        parser.add_argument(
            "--engine",
            default=settings.CLASSIFIER_ENGINE,
            choices=KINDS,
            help=f"that models are read with (default: {settings.CLASSIFIER_ENGINE})",
        )
        parser.add_argument("--resume", action="store_true", help="go on with a run of this name")

    def handle(self, *args: Any, **options: Any) -> None:
        # Here, not at the top: pandas and scikit-learn would slow every manage.py --help.
        from training.data.reading import DataError
        from training.ensemble import pseudo_label

        _require_sound(options)
        place = Path(settings.PSEUDO_DIR) / options["name"]
        try:
            require_name(options["name"])
            if place.exists() and not options["resume"]:
                raise ConfigError(
                    f"The rows' name must be new, but {place} exists. Give another --name, or "
                    "--resume to go on with it."
                )
            if (place / ROWS).is_file():
                self.stdout.write(f"All rows are in {place / ROWS}")
                return
            result = pseudo_label(_request(options), place, report=self._report)
        except (ConfigError, DataError, ModelNotReady) as error:
            raise CommandError(str(error)) from error
        facts = result.facts
        left_out = ", ".join(f"{count:,} {why}" for why, count in facts["left_out"].items())
        self.stdout.write(
            f"{facts['rows']:,} rows are in {result.rows}\n"
            f"left out: {left_out or 'none'}\n"
            f"all members agree on {facts['agreement']:.1%}; the ensemble gives a label "
            f"{facts['confident_above']} or more on {facts['confident']:.1%}"
        )

    def _report(self, measures: Mapping[str, Mapping[str, float]], weights: "Weights") -> None:
        """What each is worth on validation rows."""
        columns = list(dict.fromkeys(name for found in measures.values() for name in found))
        width = max(map(len, measures)) + 2
        shares = [f"{share:.3f}" for share in weights.labels]
        stars = [f"{share:.3f}" if share else "" for share in weights.stars]
        self.stdout.write(
            " ".join([f"{'on validation':{width}}", "weight", "stars ", *columns]).rstrip()
        )
        for name, found in measures.items():
            own = [shares.pop(0), stars.pop(0)] if shares else ["", ""]
            cells = [
                f"{found[column]:{len(column)}.4f}" if column in found else " " * len(column)
                for column in columns
            ]
            line = [f"{name:{width}}", *(f"{cell:6}" for cell in own), *cells]
            self.stdout.write(" ".join(line).rstrip())
        self.stdout.write(f"temperature {weights.temperature:.3f}")


def _require_sound(options: Mapping[str, Any]) -> None:
    for name, least in (("sample", 0), ("seed", 0)):
        if options[name] < least:
            raise CommandError(f"--{name} must be {least} or more, but it is {options[name]}.")
    if (temperature := options["temperature"]) is not None and not temperature > 0:
        raise CommandError(f"--temperature must be above 0, but it is {temperature}. Try 1.")
    if not options["models"] and not options["linear"]:
        raise CommandError(
            "An ensemble has one member at least, but there is none. Give --models or --linear."
        )


def _request(options: Mapping[str, Any]) -> "Request":
    """What the options ask for; reads the data and looks at the models.

    Raises:
        ConfigError, DataError, ModelNotReady: something of it is not to be had.
    """
    from training.data.splits import load_splits
    from training.ensemble import LinearMember, Request, open_members, unlabelled_texts

    given = {item.name: options[item.name] for item in DATA if options[item.name] is not None}
    if options["recipe"]:
        data = load_recipe(options["recipe"], given).data
    elif "dataset" in given:
        data = DataConfig(**given)
    else:
        raise ConfigError("The data have a name, but there is none. Give --dataset or --recipe.")
    data = replace(data, train_rows=0, test_rows=0)  # no row of the test split is learnt from
    names = [name.strip() for name in options["models"].split(",") if name.strip()]
    splits = load_splits(data, datasets_dir=settings.DATASETS_DIR, seed=0)
    members: list[Member] = list(
        open_members(
            names,
            splits.labels,
            models_dir=settings.MODELS_DIR,
            engine=options["engine"],
            device=settings.CLASSIFIER_DEVICE,
        )
    )
    if options["linear"]:
        members.append(
            LinearMember(
                splits.train,
                splits.labels,
                out_of_fold=options["split"] == "train",
                group_column=data.group_column if data.group_column in splits.train else "",
            )
        )
    weights = member_weights(
        options["weights"],
        count=len(members),
        linear=options["linear"],
        linear_weight=options["linear_weight"],
    )
    texts = unlabelled_texts(
        data,
        splits,
        datasets_dir=settings.DATASETS_DIR,
        split=options["split"],
        file=options["file"],
        sample=options["sample"],
        seed=options["seed"],
    )
    return Request(
        labels=splits.labels,
        members=members,
        texts=texts,
        validation=splits.validation,
        source={
            "name": options["name"],
            "dataset": Path(data.dataset).name if Path(data.dataset).exists() else data.dataset,
            "split": options["split"],
            "file": options["file"].name if options["file"] else "",
            "sample": options["sample"],
            "seed": options["seed"],
            "weights": options["weights"],
        },
        weights=weights,
        temperature=options["temperature"],
    )


def member_weights(
    given: str, *, count: int, linear: bool, linear_weight: float | None
) -> Sequence[float] | None:
    """Of each member, the linear model last; None where they are to be fitted.

    Args:
        given: "equal", "auto", or numbers with commas between.
        linear: whether the last of the `count` members is the linear model.
        linear_weight: its share; None for what `given` says.

    Raises:
        ConfigError: they do not fit the members, or each other.
    """
    if linear_weight is not None:
        if given != EQUAL or not linear or not 0 <= linear_weight <= 1 or count == 1:
            raise ConfigError(
                f"--linear-weight is a share of 0..1 for --linear beside --models, with --weights "
                f"{EQUAL}, but it is {linear_weight} with --weights {given}. Leave it out, or "
                "mend it."
            )
        return [(1 - linear_weight) / (count - 1)] * (count - 1) + [linear_weight]
    if given == AUTO:
        return None
    if given == EQUAL:
        return [1 / count] * count
    try:
        weights = [float(part) for part in given.split(",")]
    except ValueError:
        weights = []
    if len(weights) != count or min(weights) < 0 or not 0 < sum(weights) < math.inf:
        raise ConfigError(
            f"--weights is {EQUAL}, {AUTO}, or {count} numbers of 0 or more with commas between, "
            f"one a member, but it is {given!r}. Mend it."
        )
    return weights
