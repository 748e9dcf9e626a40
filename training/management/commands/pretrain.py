"""manage.py pretrain: an encoder reads texts of its domain before it is fine-tuned."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from training.learning.distribution import is_main_process
from training.management.flags import going_on
from training.management.running import RunCommand
from training.pretraining.config import PretrainingConfig
from training.recipes import PRETRAINING


class Command(RunCommand[PretrainingConfig]):
    help = (
        "Goes on training an encoder to guess masked words, on the texts of a data set, labelled "
        "or not; the result is no classifier, but a base for finetune --base-model."
    )

    recipes = PRETRAINING
    made = "encoder"

    def carry_out(self, name: str, config: PretrainingConfig, options: Mapping[str, Any]) -> None:
        if options["dry_run"]:
            self._dry_run(config)
        else:
            self._train(config, name, resume=options["resume"])

    def _dry_run(self, config: PretrainingConfig) -> None:
        from training.pretraining.plan import plan_run

        plan = plan_run(config, models_dir=settings.MODELS_DIR, datasets_dir=settings.DATASETS_DIR)
        self.stdout.write(plan.to_text())

    def _train(self, config: PretrainingConfig, name: str, *, resume: bool) -> None:
        from training.pretraining.run import run_pretraining
        from training.tracking import tracking_uri

        with going_on("pretrain", f"--name {name}"):
            result = run_pretraining(
                config,
                name=name,
                models_dir=settings.MODELS_DIR,
                runs_dir=settings.RUNS_DIR,
                datasets_dir=settings.DATASETS_DIR,
                resume=resume,
                tracking_uri=tracking_uri(settings.VAR_DIR),
            )
        if not is_main_process():
            return
        for key, value in result.metrics.items():
            shown = f"{value:,.0f}" if key.endswith("_tokens") else f"{value:.4f}"
            self.stdout.write(f"{key:28} {shown}")
        self.stdout.write(self.style.SUCCESS(f"\nThe encoder is in {result.model_dir}"))
        self.stdout.write(f"Fine-tune it: manage.py finetune --base-model {name} --dataset ...")
