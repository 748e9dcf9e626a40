"""What the commands that carry out a run have alike: finetune and pretrain."""

from argparse import ArgumentParser
from collections.abc import Mapping
from textwrap import fill, indent
from typing import Any, ClassVar, Generic, TypeVar

from django.conf import settings
from django.core.management.base import CommandError

from classifier.exceptions import ModelNotReady
from reviewsite.commands import SiteCommand
from training.config import ConfigError, Sections, with_overrides
from training.learning.distribution import leave, process_count
from training.management.flags import add_flags, given_flags
from training.recipes import Recipes
from training.runs.records import recorded_config

Config = TypeVar("Config", bound=Sections)


class RunCommand(SiteCommand, Generic[Config]):
    """A command whose flags are the parameters of a run: all of them, or single ones of a recipe.

    Attributes:
        recipes: those that --recipe takes.
        made: what the run makes, in one word.
        resumed_by: the flags that name a run that goes on.
    """

    recipes: Recipes[Config]
    made: ClassVar[str]
    resumed_by: ClassVar[str] = "--name"

    def add_arguments(self, parser: ArgumentParser) -> None:
        folder = self.recipes.directory.relative_to(settings.BASE_DIR)
        parser.add_argument("--recipe", help=f"start from a file of {folder}")
        parser.add_argument(
            "--name", help=f"of the run and of its {self.made}; default: data set and time"
        )
        parser.add_argument(
            "--resume",
            action="store_true",
            help="go on from the last checkpoint of the run called --name",
        )
        instead = parser.add_argument_group("instead of training").add_mutually_exclusive_group()
        instead.add_argument(
            "--list-recipes", action="store_true", help="what each recipe is for, and nothing else"
        )
        instead.add_argument(
            "--dry-run",
            action="store_true",
            help="print what would run, with sizes and an estimate of time",
        )
        self.add_alternatives(instead)
        add_flags(parser, self.recipes.kind.kinds())

    def add_alternatives(self, instead: Any) -> None:
        """Add flags that exclude --list-recipes, --dry-run and each other."""

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list_recipes"]:
            return self._list_recipes()
        # Here, not at the top: pandas and scikit-learn would slow every manage.py --help.
        from training.data.reading import DataError
        from training.hub import HubError

        try:
            self.carry_out(*self._run(options), options)
        except (ConfigError, DataError, HubError, ModelNotReady) as error:
            raise CommandError(str(error)) from error
        leave()

    def carry_out(self, name: str, config: Config, options: Mapping[str, Any]) -> None:
        """Do with the run what the options ask for."""
        raise NotImplementedError

    def recorded(self, options: Mapping[str, Any]) -> Config:
        """The parameters that the run to be resumed was started with."""
        return recorded_config(self.recipes.kind, settings.RUNS_DIR, options["name"])

    def chosen(self, options: Mapping[str, Any], given: Mapping[str, Any]) -> Config:
        """The parameters of a run that starts: those given, over those of the recipe."""
        if options["recipe"]:
            return self.recipes.load(options["recipe"], given)
        kind = self.recipes.kind
        return kind.from_sections(with_overrides({}, given, kinds=kind.kinds()))

    def _run(self, options: Mapping[str, Any]) -> tuple[str, Config]:
        """The run's name and parameters."""
        given = given_flags(options, self.recipes.kind.kinds())
        if options["resume"]:
            if given or options["recipe"] or not options["name"]:
                raise ConfigError(
                    "--resume goes on with the parameters that the run was started with, so it "
                    f"takes {self.resumed_by} and nothing else, but it is given "
                    f"{', '.join(sorted(given)) or 'others'}. Give --name and --resume alone."
                )
            return options["name"], self.recorded(options)
        config = self.chosen(options, given)
        if process_count() > 1 and not options["name"]:
            raise ConfigError(
                f"The {process_count()} processes of a run must share its name, but none is "
                "given. Give --name."
            )
        from training.services import default_name

        data: Any = config
        return options["name"] or default_name(data.data.dataset), config

    def _list_recipes(self) -> None:
        for name in self.recipes.names():
            config: Any = self.recipes.load(name)
            self.stdout.write(self.style.MIGRATE_HEADING(name))
            self.stdout.write(indent(fill(self.recipes.description(name), 76), "  "))
            self.stdout.write(f"  {config.model.base_model} on {config.data.dataset}\n")
