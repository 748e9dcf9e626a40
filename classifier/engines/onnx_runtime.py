"""ONNX Runtime as an engine: an int8 graph that export_model wrote, and no torch.

One text a call, as long as it is: on a CPU, padding costs more than a larger matrix gains, and the
ranges of dynamic quantization would be taken over all that share the batch, so that an answer
would depend on its neighbours.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from classifier.cores import usable_cores
from classifier.model_files import GRAPH
from classifier.windows import WindowLogits, by_text, head_of, overlap

# Keys of the graph's metadata
MADE_FROM = "made_from"  # revision of the model that it was made from
MAX_TOKENS = "max_tokens"  # of one window, special ones included
# Outputs of the graph; the second one where the model has a star head.
OUTPUTS = LOGITS, STARS = ("logits", "stars")

Read = tuple[NDArray[np.float32], ...]  # one of OUTPUTS each, shapes (labels,) and (10,)


def session_options() -> onnxruntime.SessionOptions:
    """One inference thread, and little memory."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # one would be kept for each length of text
    options.log_severity_level = 3  # errors
    return options


class OnnxEngine:
    """Loads a model's exported graph and reads texts of any length.

    A text of one window is read by the thread that asks, and such threads take turns: two at once
    in a process are no faster and take more memory. Several windows are shared among the
    cores, one inference thread each.

    Args:
        directory: the model's.
        graph: in place of the one in the directory.
    """

    def __init__(self, directory: Path, graph: Path | None = None) -> None:
        # The fused kernel takes five times as long as the two that it stands for (1.31, AVX-512).
        self._session = onnxruntime.InferenceSession(
            graph or directory / GRAPH,
            session_options(),
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],
        )
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.made_from = metadata[MADE_FROM]
        self.max_tokens = int(metadata[MAX_TOKENS])
        self._reads_types = len(self._session.get_inputs()) > 1
        self._outputs = OUTPUTS[: len(self._session.get_outputs())]
        # A tokenizer's settings are shared by all threads, so each object keeps its own for ever.
        self._tokenizer_file = str(directory / "tokenizer.json")
        self._single = self._tokenizer(truncation={})
        self._turns = threading.Lock()
        self._cores = ThreadPoolExecutor(usable_cores(), thread_name_prefix="inference")

    def read(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[WindowLogits]:
        if len(texts) == 1:
            encoded = [self._encode(texts[0], pairs[0] if pairs else None)]
            if len(encoded[0]) == 1:
                [[window]] = encoded
                with self._turns:
                    said = self._run(window)
                logits, *stars = (np.array([output], np.float64) for output in said)
                return [WindowLogits(logits, np.array([len(window)]), *stars)]
        else:
            seconds = [None] * len(texts) if pairs is None else pairs
            encoded = list(self._cores.map(self._encode, texts, seconds))
        windows = [window for parts in encoded for window in parts]
        # The longest first, so that no core is left alone with one at the end.
        order = sorted(range(len(windows)), key=lambda index: -len(windows[index]))
        read = list(self._cores.map(self._run, [windows[index] for index in order]))
        back = np.argsort(order)
        logits, *stars = (np.array(rows, np.float64)[back] for rows in zip(*read, strict=True))
        owners = np.repeat(np.arange(len(texts)), [len(parts) for parts in encoded])
        return by_text(owners, logits, np.array([len(window) for window in windows]), *stars)

    def count_tokens(self, text: str) -> int:
        windows = self._encode(text, None)
        own = sum(len(window) - sum(window.special_tokens_mask) for window in windows)
        return own - overlap(self.max_tokens) * (len(windows) - 1)

    def _tokenizer(self, truncation: dict[str, Any] | None) -> Tokenizer:
        """One that cuts texts into windows, with these options; or, for None, not at all."""
        tokenizer = Tokenizer.from_file(self._tokenizer_file)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        if truncation is not None:
            stride = overlap(self.max_tokens)
            tokenizer.enable_truncation(self.max_tokens, stride=stride, **truncation)
        return tokenizer

    # Those for pairs are made when the first pair comes: each takes megabytes.
    @cached_property
    def _pair(self) -> Tokenizer:
        return self._tokenizer(truncation={"strategy": "only_second"})

    @cached_property
    def _whole(self) -> Tokenizer:
        return self._tokenizer(truncation=None)

    def _encode(self, first: str, second: str | None) -> list[Encoding]:
        if second is None:
            encoding = self._single.encode(first)
        else:
            # Windows run over the second text; each repeats the first, which must leave it room.
            head = head_of(first, self.max_tokens // 2, self._offsets_of)
            encoding = self._pair.encode(head, second)
        return [encoding, *encoding.overflowing]

    def _offsets_of(self, text: str) -> Sequence[tuple[int, int]]:
        return self._whole.encode(text, add_special_tokens=False).offsets

    def _run(self, window: Encoding) -> Read:
        inputs = {"input_ids": np.array([window.ids])}
        if self._reads_types:
            inputs["token_type_ids"] = np.array([window.type_ids])
        return tuple(output[0] for output in self._session.run(self._outputs, inputs))
