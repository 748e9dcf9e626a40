"""Which model a run starts from, and what of it is trained."""

from dataclasses import dataclass
from typing import Literal

from classifier.messages import message
from training.config.sections import option, require

BUNDLED = "minilm"  # the base model that ships with the product


@dataclass(frozen=True, kw_only=True)
class BaseConfig:
    """Which model a run starts from, and which of its weights it trains."""

    base_model: str = option(
        "'minilm' (bundled), 'starter', a model's name or directory, or a Hub id", default="minilm"
    )
    base_revision: str = option("commit of base_model on the Hub", default="")
    method: Literal["lora", "full"] = option(
        "lora trains a small adapter, full trains every weight", default="lora"
    )
    adapter: str = option(
        "with method=lora: the run whose adapter is trained further, or 'starter' for the bundled "
        "one; default: a new one",
        default="",
    )
    lora_rank: int = option("rank of the adapter's matrices", default=32)
    lora_alpha: int = option("the adapter is scaled by lora_alpha / lora_rank", default=64)
    dropout: float = option(
        "dropout in the encoder, 0..1; above 0 halves the speed on a CPU", default=0.0
    )
    max_length: int = option("tokens of a text that training sees", default=256)

    def __post_init__(self) -> None:
        require(
            not self.adapter or self.method == "lora",
            message("An adapter is trained further with method=lora alone"),
            self.method,
            message("Give --method lora, or leave out --adapter."),
        )
        require(
            self.lora_rank > 0,
            message("lora_rank must be positive"),
            self.lora_rank,
            message("Try 32."),
        )
        require(
            self.lora_alpha > 0,
            message("lora_alpha must be positive"),
            self.lora_alpha,
            message("Try 64."),
        )
        require(
            0 <= self.dropout < 1,
            message("dropout must lie in 0..1"),
            self.dropout,
            message("Try 0.1."),
        )
        require(
            self.max_length >= 8,
            message("max_length must be 8 tokens or more"),
            self.max_length,
            message("Try 256."),
        )


@dataclass(frozen=True, kw_only=True)
class ModelConfig(BaseConfig):
    """Which model is fine-tuned, and what it reads of a text."""

    star_head: bool = option(
        "learn the ten ratings beside the label where the data have stars and the two sentiments",
        default=True,
    )
    pair_truncation: Literal["only_second", "longest_first"] = option(
        "of a pair that is too long, the second text is cut, or whichever is longer",
        default="only_second",
    )
    long_texts: Literal["head", "head_tail"] = option(
        "of a longer text, training sees its head, or its head and its tail", default="head_tail"
    )
