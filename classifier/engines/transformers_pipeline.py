"""The transformers text-classification pipeline as an engine (torch, float32)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from classifier.windows import OVERLAP, WindowLogits, head_of

# Padded tokens in one forward pass. Small, because on a CPU a larger batch is no faster and
# padding is paid for in full.
BATCH_TOKENS = 2048


class TransformersEngine:
    """Loads a model directory once and reads texts of any length.

    Raises:
        ValueError: weights that the model needs are not in the directory.
    """

    def __init__(self, directory: Path) -> None:
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            directory, use_safetensors=True, output_loading_info=True, dtype=torch.float32
        )
        if loading["missing_keys"]:
            # transformers would fill them at random and answer all the same.
            raise ValueError(f"weights missing: {', '.join(sorted(loading['missing_keys']))}")
        tokenizer = AutoTokenizer.from_pretrained(directory)
        loaded = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
        self._model: Any = loaded.model
        self.tokenizer: Any = loaded.tokenizer
        # A tokenizer saved without its limit says 1e30, and truncation then does nothing.
        self.max_tokens = min(
            int(tokenizer.model_max_length), getattr(model.config, "max_position_embeddings", 512)
        )

    def read(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[WindowLogits]:
        if pairs is None:
            encoding: dict[str, Any] = {"text": list(texts), "truncation": True}
        else:
            # Windows run over the second text; each repeats the first, which must leave it room.
            firsts = [head_of(text, self.max_tokens // 2, self.tokenizer) for text in texts]
            encoding = {"text": firsts, "text_pair": list(pairs), "truncation": "only_second"}
        encoded = self.tokenizer(
            **encoding,
            max_length=self.max_tokens,
            stride=min(OVERLAP, self.max_tokens // 4),
            return_overflowing_tokens=True,
        )
        owners = np.asarray(encoded.pop("overflow_to_sample_mapping"))
        lengths = np.asarray([len(ids) for ids in encoded["input_ids"]])
        logits = np.empty((len(lengths), self._model.config.num_labels))
        for batch in _batches(lengths):
            padded = self.tokenizer.pad(
                {key: [values[i] for i in batch] for key, values in encoded.items()},
                return_tensors="pt",
            )
            with torch.inference_mode():
                logits[batch] = self._model(**padded).logits.numpy()
        return [
            WindowLogits(logits=logits[owners == i], tokens=lengths[owners == i])
            for i in range(len(texts))
        ]


def _batches(lengths: np.ndarray[Any, Any]) -> Iterator[list[int]]:
    """Indices in groups of like length, each within BATCH_TOKENS once padded, or alone."""
    batch: list[int] = []
    for index in map(int, np.argsort(lengths, kind="stable")):
        if batch and lengths[index] * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
