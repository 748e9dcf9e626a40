"""The model to train and the Trainer that trains it."""

import math
import timeit
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from classifier.labels import NEGATIVE, POSITIVE
from classifier.messages import message
from training.checkpoints import StagedCheckpoints
from training.config import (
    ConfigError,
    FinetuningConfig,
    ModelConfig,
    OptimizationConfig,
    TrainingConfig,
)
from training.data.sampling import RepeatableOrder
from training.data.stars import LOW
from training.data.targets import STARS
from training.evaluation.metrics import classification_metrics
from training.learning.adapters import open_adapter
from training.learning.bases import Base, open_base
from training.learning.distribution import from_main, process_count
from training.learning.objectives import Objective, Objectives

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset
    from transformers import (
        PreTrainedModel,
        PreTrainedTokenizerBase,
        Trainer,
        TrainingArguments,
    )

WORTH_BF16 = 1.5  # times as fast; half the digits are not given away for less
# The parts on top of the encoder: new or unfit for the task, so always trained whole.
HEADS = ("pooler", "pre_classifier", "classifier", "score")


def learns_stars(config: ModelConfig, train: "pd.DataFrame", labels: tuple[str, ...]) -> bool:
    """Whether a star head is trained: it is wanted, and rows have stars and the two sentiments."""
    return (
        config.star_head
        and labels == (NEGATIVE, POSITIVE)
        and LOW in train
        and bool(train[LOW].any())
    )


def load_base(
    base: Base,
    config: ModelConfig,
    labels: tuple[str, ...],
    *,
    stars: bool = False,
    adapter: Path | None = None,
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """The base model with a head for `labels`, an adapter on it if asked, and its tokenizer.

    Args:
        stars: whether its last layer gets ten more outputs, one a rating; they begin as the star
            head that the base or the adapter has, if it has one.
        adapter: directory of the one that is trained further; None makes a new one.

    Raises:
        ConfigError: there is no such model, or the adapter is of another one.
    """
    from transformers import AutoModelForSequenceClassification

    source, settings, tokenizer = open_base(
        base,
        config,
        id2label=dict(enumerate(labels)),
        label2id={name: index for index, name in enumerate(labels)},
    )
    model = AutoModelForSequenceClassification.from_pretrained(
        **source, config=settings, ignore_mismatched_sizes=True, use_safetensors=True
    )
    if adapter:
        model = open_adapter(model, adapter, base, config)
    if stars:
        from classifier.star_head import read_star_head, widen

        widen(model, read_star_head(adapter or Path(base.source)))
    if config.method == "lora" and not adapter:
        model = _with_adapter(model, config)
    return model, tokenizer


def _with_adapter(model: Any, config: ModelConfig) -> Any:
    from peft import LoraConfig, get_peft_model
    from torch import nn

    modules = dict(model.named_modules())
    heads = [head for head in HEADS if any(name.split(".")[-1] == head for name in modules)]
    encoder_linears = [
        name
        for name, module in modules.items()
        if isinstance(module, nn.Linear) and not set(name.split(".")) & set(heads)
    ]
    return get_peft_model(
        model,
        LoraConfig(
            task_type="SEQ_CLS",
            r=config.lora_rank,
            lora_alpha=config.lora_alpha,
            lora_dropout=config.dropout,
            target_modules=encoder_linears,
            modules_to_save=heads,
        ),
    )


def gains_from_bf16(*, cpu: bool) -> bool:
    """Whether the processor, or else the GPU, trains faster in bfloat16.

    Of a processor it is measured, on a layer of the bundled encoder's: what its flags promise is
    not what torch makes of them. With AVX-512 BF16 one kind trained at half the speed of fp32,
    another at twice.
    """
    import torch

    if not cpu and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())

    def seconds(kind: torch.dtype) -> float:
        rows, weights = torch.ones(2048, 384, dtype=kind), torch.ones(384, 1536, dtype=kind)
        return min(timeit.repeat(lambda: rows @ weights, number=1, repeat=5))

    return seconds(torch.bfloat16) * WORTH_BF16 < seconds(torch.float32)


def trains_on_cpu(training: OptimizationConfig) -> bool:
    """Whether `device` and the machine mean the processor.

    Raises:
        ConfigError: the device is not there, or cannot compute in `precision`.
    """
    import torch

    cuda = torch.cuda.is_available()
    if training.device == "cuda" and not cuda:
        raise ConfigError(
            message(
                "device=cuda needs a GPU that torch can use, but there is none. Give --device cpu."
            )
        )
    cpu = training.device == "cpu" or not torch.accelerator.is_available()
    if training.precision == "fp16" and (cpu or not cuda):
        raise ConfigError(
            message(
                "precision=fp16 needs CUDA, whose gradient scaler it relies on, but the "
                "device is {found!r}. Give --precision bf16 or fp32.",
                found="cpu" if cpu else training.device,
            )
        )
    return cpu


def build_trainer(
    config: FinetuningConfig,
    *,
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    train: "Dataset",
    validation: "Dataset",
    labels: tuple[str, ...],
    run_dir: Path,
) -> "Trainer":
    """A Trainer over length-grouped batches that keeps the best checkpoint by validation loss.

    Raises:
        ConfigError: the device is not there, or cannot compute in the precision asked for.
    """
    import torch
    from transformers import DataCollatorWithPadding, Trainer

    from training.augmentation.balance import class_weights
    from training.augmentation.mixup import Mixup, add_pairs

    training: TrainingConfig = config.training
    augmentation = config.augmentation
    kinds: tuple[type, ...] = (Objectives, StagedCheckpoints, RepeatableOrder, Trainer)
    weights = None
    if augmentation.balance == "class_weights":
        weights = torch.tensor(class_weights(train["labels"], len(labels)), dtype=torch.float32)
    objective = Objective(
        len(labels),
        class_weights=weights,
        star_weight=training.star_weight if STARS in train.column_names else 0.0,
        temperature=config.distillation.temperature,
    )
    extra: dict[str, Any] = {"objective": objective}
    if augmentation.mixup != "none":
        kinds, extra = (Mixup, *kinds), {**extra, "augmentation": augmentation}
        if augmentation.mixup_pairs:
            train = add_pairs(train, augmentation, seed=training.seed)
    finetuning_trainer: Any = type("FinetuningTrainer", kinds, {})
    arguments = training_arguments(
        training,
        rows=len(train),
        run_dir=run_dir,
        label_names=["labels", STARS] if objective.star_weight else ["labels"],
    )

    def compute_metrics(prediction: Any) -> dict[str, float]:
        logits = np.asarray(prediction.predictions, dtype=np.float64)[:, : len(labels)]
        ids = prediction.label_ids
        ids = ids[0] if isinstance(ids, tuple) else ids  # behind them the stars' targets
        return classification_metrics(softmax(logits, axis=1), ids, labels)

    trainer: Trainer = finetuning_trainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=_by_length(validation) if process_count() == 1 else validation,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8),
        compute_metrics=compute_metrics,
        **extra,
    )
    # The Trainer leaves it to a model that takes num_items_in_batch to divide the loss by it. BERT
    # and its kin take it and ignore it: gradients would be as many times too large as there are
    # accumulated passes and processes.
    trainer.model_accepts_loss_kwargs = False
    return trainer


def _by_length(rows: "Dataset") -> "Dataset":
    """The longest first: padded to the longest of any 32, most of a batch would be padding.

    Several processes keep the order as it is: accelerate fills their last batches up with the
    first rows, whose loss counts there, and which therefore must be rows like any.
    """
    return rows.select(np.argsort(rows["length"], kind="stable")[::-1])


def training_arguments(
    training: OptimizationConfig, *, rows: int, run_dir: Path, steps: int = 0, **more: Any
) -> "TrainingArguments":
    """What the Trainer is told: evaluate and save by turns, end with the checkpoint of least loss.

    Args:
        rows: that are trained on.
        run_dir: of the run; the checkpoints lie in it.
        steps: of the optimizer; 0 takes `epochs`.
        more: further arguments.

    Raises:
        ConfigError: the device is not there, or cannot compute in the precision asked for.
    """
    from transformers import TrainingArguments

    cpu = trains_on_cpu(training)
    rows_per_step = training.batch_size * training.gradient_accumulation * process_count()
    steps_per_epoch = math.ceil(rows / rows_per_step)
    total_steps = steps or math.ceil(steps_per_epoch * training.epochs)
    evaluation_steps = min(total_steps, math.ceil(steps_per_epoch / training.evaluations_per_epoch))
    bf16 = training.precision == "bf16" or (
        training.precision == "auto" and from_main(gains_from_bf16(cpu=cpu))
    )
    return TrainingArguments(
        output_dir=str(run_dir / "checkpoints"),
        num_train_epochs=training.epochs,
        max_steps=steps or -1,
        learning_rate=training.learning_rate,
        per_device_train_batch_size=training.batch_size,
        per_device_eval_batch_size=32,
        gradient_accumulation_steps=training.gradient_accumulation,
        activation_checkpointing=training.gradient_checkpointing,
        weight_decay=training.weight_decay,
        warmup_steps=training.warmup_steps or math.ceil(training.warmup_fraction * total_steps),
        lr_scheduler_type=training.scheduler,
        bf16=bf16,
        fp16=training.precision == "fp16",
        use_cpu=cpu,
        eval_strategy="steps",
        eval_steps=evaluation_steps,
        save_strategy="steps",
        save_steps=evaluation_steps,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        logging_steps=max(1, min(25, total_steps // 10)),
        seed=training.seed,
        data_seed=training.seed,
        dataloader_pin_memory=False,
        report_to=[],
        **more,
    )
