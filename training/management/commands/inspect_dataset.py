"""manage.py inspect_dataset: the data before anything is trained on them."""

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from django.conf import settings
from django.core.management.base import CommandError

from classifier.exceptions import ModelNotReady
from reviewsite.commands import SiteCommand
from training.config import ConfigError, DataConfig, ModelConfig

if TYPE_CHECKING:
    from training.data.inspection import CountTokens, Inspection

SHOWN_LABELS = 40


class Command(SiteCommand):
    help = (
        "Shows a data set as it is: rows, labels, lengths, examples, duplicates within and "
        "across splits, and the first rows that training would refuse."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        hints = get_type_hints(DataConfig)
        for item in fields(DataConfig):
            if item.name == "dataset":
                parser.add_argument("dataset", metavar="NAME", help=item.metadata["help"])
                continue
            parser.add_argument(
                f"--{item.name.replace('_', '-')}",
                type=hints[item.name],
                default=item.default,
                help=item.metadata["help"]
                + (f" (default: {item.default})" if item.default else ""),
            )
        parser.add_argument(
            "--tokenizer",
            default="",
            help="count tokens too, with that of a model as --base-model names it ('minilm')",
        )
        parser.add_argument(
            "--examples", type=int, default=3, help="shown of each label (default: 3)"
        )
        parser.add_argument("--seed", type=int, default=0, help="of the examples (default: 0)")
        parser.add_argument(
            "--output", type=Path, help="draw pictures of labels and lengths into this folder"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Here, not at the top: pandas and scikit-learn would slow every manage.py --help.
        from training.data.inspection import draw_inspection, inspect_dataset
        from training.data.reading import DataError

        if options["examples"] < 0 or options["seed"] < 0:
            raise CommandError(
                "--examples and --seed must be 0 or more, but they are "
                f"{options['examples']} and {options['seed']}. Try 3 and 0."
            )
        try:
            inspection = inspect_dataset(
                DataConfig(**{item.name: options[item.name] for item in fields(DataConfig)}),
                datasets_dir=settings.DATASETS_DIR,
                seed=options["seed"],
                examples=options["examples"],
                count_tokens=_counter(options["tokenizer"]) if options["tokenizer"] else None,
            )
        except (ConfigError, DataError, ModelNotReady) as error:
            raise CommandError(str(error)) from error
        self._write(inspection)
        if options["output"]:
            for picture in draw_inspection(inspection, options["output"]):
                self.stdout.write(f"Drawn: {picture}")

    def _write(self, inspection: "Inspection") -> None:
        self.stdout.write(f"{inspection.dataset}: columns {', '.join(inspection.columns)}")
        self._write_rows(inspection)
        self._write_labels(inspection)
        self._write_lengths(inspection)
        self._write_examples(inspection)
        self._write_duplicates(inspection)
        self._write_faults(inspection)
        self._head("For finetune")
        if inspection.refusal:
            self.stdout.write(self.style.WARNING(f"It would refuse: {inspection.refusal}"))
        else:
            sizes = ", ".join(f"{name} {rows:,}" for name, rows in inspection.used.items())
            self.stdout.write(f"rows: {sizes}\nlabels: {', '.join(inspection.labels)}")

    def _write_rows(self, inspection: "Inspection") -> None:
        self._head("Rows")
        body = [
            [split, f"{facts.rows:,}", f"{facts.unlabelled:,}", f"{facts.bad_rows:,}"]
            for split, facts in inspection.splits.items()
        ]
        heads = ["split", "rows", "unlabelled", "bad"]
        if inspection.groups:
            heads.append("groups")
            for row in body:
                row.append(f"{inspection.groups[row[0]]:,}" if row[0] in inspection.groups else "")
        self._table(heads, body)

    def _write_labels(self, inspection: "Inspection") -> None:
        self._head("Labels")
        splits = inspection.splits
        total: dict[str, int] = {}
        for facts in splits.values():
            for label, rows in facts.classes.items():
                total[label] = total.get(label, 0) + rows
        labels = sorted(total, key=lambda label: -total[label])
        body = []
        for label in labels[:SHOWN_LABELS]:
            row = [label]
            for facts in splits.values():
                rows = facts.classes.get(label, 0)
                share = rows / max(sum(facts.classes.values()), 1)
                row.append(f"{rows:,} ({share:.1%})" if facts.classes else "")
            body.append(row)
        self._table(["label", *splits], body)
        if len(labels) > SHOWN_LABELS:
            self.stdout.write(f"and {len(labels) - SHOWN_LABELS:,} rarer labels")

    def _write_lengths(self, inspection: "Inspection") -> None:
        from training.data.inspection import TOKEN_LIMITS, quantile_rows

        self._head("Lengths")
        self._table(
            ["split", "unit", "shortest", "median", "95 %", "longest"],
            [
                [split, unit, *(f"{value:,}" for value in values)]
                for split, unit, values in quantile_rows(inspection.splits)
            ],
        )
        for split, facts in inspection.splits.items():
            if tokens := facts.lengths.get("tokens"):
                longer = ", ".join(
                    f"{tokens.share_above(limit):.1%} above {limit}" for limit in TOKEN_LIMITS
                )
                self.stdout.write(f"{split}: {longer} tokens")

    def _write_examples(self, inspection: "Inspection") -> None:
        for split, facts in inspection.splits.items():
            if not any(facts.examples.values()):
                continue
            self._head(f"Examples of {split}")
            for label, texts in list(facts.examples.items())[:SHOWN_LABELS]:
                for text in texts:
                    self.stdout.write(f"{label}: {text}")

    def _write_duplicates(self, inspection: "Inspection") -> None:
        self._head("Duplicates, but for case and white space")
        for split, facts in inspection.splits.items():
            self.stdout.write(
                f"{split}: {facts.repeated:,} rows repeat an earlier one, "
                f"{facts.contradictory:,} texts have two labels"
            )
        for (first, second), count in inspection.shared.items():
            self.stdout.write(f"{first} and {second} share {count:,} texts")

    def _write_faults(self, inspection: "Inspection") -> None:
        if not any(facts.bad_rows for facts in inspection.splits.values()):
            return
        self._head("Bad rows")
        for split, facts in inspection.splits.items():
            for row in facts.first_bad_rows:
                self.stdout.write(f"row {row.number} of {split}: {row.message}")
            if hidden := facts.bad_rows - len(facts.first_bad_rows):
                self.stdout.write(f"and {hidden:,} more of {split}")

    def _head(self, text: str) -> None:
        self.stdout.write(f"\n{self.style.MIGRATE_HEADING(text)}")

    def _table(self, heads: Sequence[str], body: Sequence[Sequence[str]]) -> None:
        widths = [max(map(len, column)) for column in zip(heads, *body, strict=True)]
        for row in (heads, *body):
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            self.stdout.write("  ".join(cells).rstrip())


def _counter(model: str) -> "CountTokens":
    from training.evaluation.evaluating import token_counts
    from training.learning.bases import find_base

    base = find_base(ModelConfig(base_model=model), models_dir=settings.MODELS_DIR)
    return partial(token_counts, base.source)
