"""What is made of the training rows before they are learnt from."""

from dataclasses import dataclass
from typing import Literal

from classifier.messages import message
from training.config.sections import option, require


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """What is added to the training rows, or weighed differently among them."""

    mixup: Literal["none", "embeddings", "hidden", "features"] = option(
        "where pairs of rows are mixed: input embeddings, after hidden layer mixup_layer, or the "
        "features that the head reads",
        default="none",
    )
    mixup_layer: int = option("with mixup=hidden: after which layer, 1 is the first", default=1)
    mixup_alpha: float = option("lam is drawn from Beta(alpha, alpha)", default=0.4)
    mixup_pairs: int = option(
        "pairs drawn once before training and added to the rows; 0 mixes every batch on the fly",
        default=0,
    )
    mixup_rows: int = option(
        "rows, drawn by seed, that the mixup_pairs are made of; 0 draws from all", default=0
    )
    balance: Literal["none", "class_weights", "oversample", "undersample"] = option(
        "what is done about classes of different size", default="none"
    )
    generate: Literal["none", "rules", "p_tuning"] = option(
        "how more rows of the smallest classes are made", default="none"
    )
    generated_rows: int = option(
        "rows to generate; 0 makes as many as bring every class to the size of the largest",
        default=0,
    )
    generator_model: str = option(
        "with generate=p_tuning: the causal language model that writes, a directory or a Hub id",
        default="",
    )
    excerpts: float = option(
        "short excerpts, with the label and the stars of the text they are cut from, that are "
        "added for each training row; teaches what a few words can tell",
        default=0.0,
    )
    generator_epochs: float = option(
        "with generate=p_tuning: passes of the prompt encoder over the rows", default=3.0
    )

    def __post_init__(self) -> None:
        require(
            self.mixup_layer > 0,
            message("mixup_layer must be 1 or more"),
            self.mixup_layer,
            message("Try 1."),
        )
        require(
            self.mixup_alpha > 0,
            message("mixup_alpha must be positive"),
            self.mixup_alpha,
            message("Try 0.4."),
        )
        for name in ("mixup_pairs", "mixup_rows", "generated_rows"):
            value = getattr(self, name)
            require(
                value >= 0, message("{name} must be 0 or more", name=name), value, message("Try 0.")
            )
        require(
            0 <= self.excerpts <= 10,
            message("excerpts must lie in 0..10"),
            self.excerpts,
            message("Try 0.5."),
        )
        require(
            self.mixup_pairs == 0 or self.mixup != "none",
            message("mixup_pairs needs mixup, the place where they are mixed"),
            self.mixup,
            message("Give --mixup embeddings."),
        )
        require(
            self.mixup_rows == 0 or self.mixup_pairs > 0,
            message("mixup_rows needs mixup_pairs, how many pairs to make of them"),
            self.mixup_rows,
            message("Give --mixup-pairs."),
        )
        require(
            self.mixup == "none" or self.balance != "class_weights",
            message("class_weights and mixup's soft targets exclude each other"),
            self.mixup,
            message("Give --balance oversample."),
        )
        require(
            (self.generate == "p_tuning") == bool(self.generator_model),
            message("p_tuning, and it alone, needs generator_model"),
            self.generator_model,
            message("Give --generator-model a directory or a Hub id."),
        )
        require(
            self.generator_epochs > 0,
            message("generator_epochs must be positive"),
            self.generator_epochs,
            message("Try 3."),
        )
