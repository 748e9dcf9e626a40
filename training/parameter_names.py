"""What people call the parameters of a run, where the command line has flags."""

from django.utils.translation import gettext_lazy as _

LABELS = {
    "dataset": _("Data set"),
    "also_train": _("Also train"),
    "text_column": _("Text column"),
    "text_pair_column": _("Text pair column"),
    "label_column": _("Label column"),
    "label_names": _("Label names"),
    "group_column": _("Group column"),
    "group_table": _("Group table"),
    "stars_column": _("Stars column"),
    "stars_range": _("Stars range"),
    "validation_fraction": _("Validation fraction"),
    "test_fraction": _("Test fraction"),
    "validation_split": _("Validation split"),
    "test_split": _("Test split"),
    "train_rows": _("Train rows"),
    "test_rows": _("Test rows"),
    "replay_dataset": _("Replayed data set"),
    "replay_per_verdict": _("Replay per verdict"),
    "base_model": _("Base model"),
    "base_revision": _("Base revision"),
    "method": _("Method"),
    "adapter": _("Adapter"),
    "lora_rank": _("LoRA rank"),
    "lora_alpha": _("LoRA alpha"),
    "dropout": _("Dropout"),
    "max_length": _("Max length"),
    "star_head": _("Star head"),
    "pair_truncation": _("Pair truncation"),
    "long_texts": _("Long texts"),
    "mixup": _("MixUp"),
    "mixup_layer": _("MixUp layer"),
    "mixup_alpha": _("MixUp alpha"),
    "mixup_pairs": _("MixUp pairs"),
    "mixup_rows": _("MixUp rows"),
    "balance": _("Balance"),
    "generate": _("Generate"),
    "generated_rows": _("Generated rows"),
    "generator_model": _("Generator model"),
    "excerpts": _("Excerpts"),
    "generator_epochs": _("Generator epochs"),
    "epochs": _("Epochs"),
    "learning_rate": _("Learning rate"),
    "batch_size": _("Batch size"),
    "weight_decay": _("Weight decay"),
    "warmup_fraction": _("Warmup fraction"),
    "scheduler": _("Scheduler"),
    "precision": _("Precision"),
    "warmup_steps": _("Warmup steps"),
    "gradient_accumulation": _("Gradient accumulation"),
    "gradient_checkpointing": _("Gradient checkpointing"),
    "device": _("Device"),
    "evaluations_per_epoch": _("Evaluations per epoch"),
    "seed": _("Seed"),
    "untuned_rows": _("Untuned rows"),
    "star_weight": _("Star weight"),
    "interpolate": _("Interpolate"),
    "pseudo_rows": _("Pseudo rows"),
    "temperature": _("Temperature"),
    "calibrate": _("Calibrate"),
    "rating": _("Rating"),
    "rating_interval": _("Rating interval"),
    "experiment": _("Experiment"),
    "push_to_hub": _("Repository on the Hub"),
    "private": _("Private"),
}
SECTION_TITLES = {
    "data": _("Data"),
    "model": _("Model"),
    "augmentation": _("Augmentation"),
    "training": _("Training"),
    "distillation": _("Distillation"),
    "calibration": _("Calibration"),
    "publishing": _("Tracking"),
}
# Where it differs from that of the command line, on which a data set and a model are paths as well.
HELP = {
    "dataset": _(
        "a name under DATASETS_DIR, 'reviewed' for the predictions that were reviewed here, "
        "or a Hub id"
    ),
    "replay_dataset": _(
        "with 'reviewed': the data set, a name under DATASETS_DIR or a Hub id, whose "
        "training rows are mixed in, so that the model does not forget; columns, labels, groups "
        "and test split are then those of it"
    ),
    "base_model": _("'minilm' (bundled), 'starter', a model of this site, or a Hub id"),
    "generator_model": _(
        "with p_tuning: the causal language model that writes, of this site or a Hub id"
    ),
    "method": _("LoRA trains a small adapter, full trains every weight"),
    "mixup_alpha": _("the mixing weight is drawn from Beta(alpha, alpha)"),
    "push_to_hub": _("the model is pushed to this user/name at the end; empty pushes nowhere"),
    "private": _("whether a repository made by pushing can be seen by its owner alone"),
}


def label_of(name: str) -> str:
    """What a person calls a parameter: LoRA rank for lora_rank."""
    return str(LABELS[name])
