"""The transformers text-classification pipeline as an engine: torch, on a CPU or a GPU.

float32 on a CPU. On a GPU bfloat16, and texts that wait at the same time are read together.
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from classifier.batching import Batcher
from classifier.engines import CPU, CUDA, TokenGradients
from classifier.metrics import BATCH
from classifier.star_head import STARS, read_star_head, widen
from classifier.windows import WindowLogits, by_text, head_of, offsets_with, overlap

Window = dict[str, list[int]]  # input_ids, attention_mask, ...

# Padded tokens in one forward pass. Small on a CPU, because a larger batch is no faster there
# and padding is paid for in full.
BATCH_TOKENS = {CPU: 2_048, CUDA: 65_536}


class TransformersEngine:
    """Loads a model directory once and reads texts of any length.

    Args:
        device: "cpu" or "cuda".
        dtype: of the weights; by default float32 on a CPU and bfloat16 on a GPU.

    Raises:
        ValueError: weights that the model needs are not in the directory.
        ModelNotReady: it has a star head that is damaged or of another model.
    """

    def __init__(
        self, directory: Path, device: str = CPU, dtype: torch.dtype | None = None
    ) -> None:
        if dtype is None:
            dtype = torch.bfloat16 if device == CUDA else torch.float32
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            directory, use_safetensors=True, output_loading_info=True, dtype=dtype
        )
        if loading["missing_keys"]:
            # transformers would fill them at random and answer all the same.
            raise ValueError(f"weights missing: {', '.join(sorted(loading['missing_keys']))}")
        self.labels = int(model.config.num_labels)
        self.reads_stars = (head := read_star_head(directory)) is not None
        if head:
            widen(model, head)
        tokenizer = AutoTokenizer.from_pretrained(directory)
        loaded = pipeline("text-classification", model=model, tokenizer=tokenizer, device=device)
        self.model: Any = loaded.model
        self.tokenizer: Any = loaded.tokenizer
        self.max_tokens = _max_tokens(model.config, tokenizer)
        self._device = device
        # A fast tokenizer keeps its truncation settings in itself, where threads would share them.
        self._tokenizing = threading.Lock()
        self._outputs_of: Batcher[Window, NDArray[np.float64]] = Batcher(
            # On a CPU a larger batch is no faster, and an answer would depend on its neighbours.
            self._run,
            together=device != CPU,
        )

    def read(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[WindowLogits]:
        with self._tokenizing:
            encoded = self._encode(texts, pairs)
        owners = np.asarray(encoded.pop("overflow_to_sample_mapping"))
        windows = [
            dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)
        ]
        outputs = np.asarray(self._outputs_of(windows))
        return by_text(
            owners,
            outputs[:, : self.labels],
            np.asarray([len(one["input_ids"]) for one in windows]),
            outputs[:, self.labels :] if self.reads_stars else None,
        )

    def count_tokens(self, text: str) -> int:
        with self._tokenizing:
            return len(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def require_gradients(self) -> None:
        from classifier.engines.integrated_gradients import require_captum

        require_captum()

    def gradients(self, text: str, label: int) -> list[TokenGradients]:
        from classifier.engines.integrated_gradients import token_gradients

        self.require_gradients()
        with self._tokenizing:
            encoded = self.tokenizer(
                text,
                truncation=True,
                max_length=self.max_tokens,
                stride=overlap(self.max_tokens),
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
                return_special_tokens_mask=True,
            )
        encoded.pop("overflow_to_sample_mapping")
        windows = (
            {name: torch.tensor([row], device=self._device) for name, row in window.items()}
            for window in (
                dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)
            )
        )
        padding = int(self.tokenizer.pad_token_id)
        return [token_gradients(self.model, one, label=label, padding=padding) for one in windows]

    def _encode(self, texts: Sequence[str], pairs: Sequence[str] | None) -> dict[str, Any]:
        if pairs is None:
            encoding: dict[str, Any] = {"text": list(texts), "truncation": True}
        else:
            # Windows run over the second text; each repeats the first, which must leave it room.
            half, offsets_of = self.max_tokens // 2, offsets_with(self.tokenizer)
            firsts = [head_of(text, half, offsets_of) for text in texts]
            encoding = {"text": firsts, "text_pair": list(pairs), "truncation": "only_second"}
        return dict(
            self.tokenizer(
                **encoding,
                max_length=self.max_tokens,
                stride=overlap(self.max_tokens),
                return_overflowing_tokens=True,
            )
        )

    def _run(self, windows: list[Window]) -> list[NDArray[np.float64]]:
        """One row a window: the logits of its labels, and behind them those of its stars."""
        outputs = np.empty((len(windows), self.labels + (STARS if self.reads_stars else 0)))
        for batch in _batches([len(one["input_ids"]) for one in windows], self._device):
            BATCH.observe(len(batch))
            padded = self.tokenizer.pad([windows[index] for index in batch], return_tensors="pt")
            with torch.inference_mode():
                read = self.model(**padded.to(self._device)).logits
            outputs[batch] = read.float().cpu().numpy()
        return list(outputs)


def _max_tokens(config: Any, tokenizer: Any) -> int:
    """Tokens of one window, the special ones included."""
    positions = getattr(config, "max_position_embeddings", 512)
    if config.model_type in {"camembert", "roberta", "xlm-roberta"}:
        positions -= config.pad_token_id + 1  # theirs begin behind the padding token's id
    # A tokenizer saved without its limit says 1e30, and truncation then does nothing.
    return min(int(tokenizer.model_max_length), positions)


def _batches(lengths: list[int], device: str) -> Iterator[list[int]]:
    """Indices in groups of like length, each within BATCH_TOKENS once padded, or alone."""
    batch: list[int] = []
    for index in map(int, np.argsort(lengths, kind="stable")):
        if batch and lengths[index] * (len(batch) + 1) > BATCH_TOKENS[device]:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
