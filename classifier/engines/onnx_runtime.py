"""ONNX Runtime as an engine: an int8 graph that export_model wrote, and no torch.

One text a call, as long as it is: on a CPU, padding costs more than a larger matrix gains, and the
ranges of dynamic quantization would be taken over all that share the batch, so that an answer
would depend on its neighbours.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from classifier.model_files import GRAPH
from classifier.windows import WindowLogits, by_text, head_of, overlap

# Keys of the graph's metadata
MADE_FROM = "made_from"  # revision of the model that it was made from
MAX_TOKENS = "max_tokens"  # of one window, special ones included

T = TypeVar("T")
R = TypeVar("R")


class OnnxEngine:
    """Loads a model's exported graph and reads texts of any length.

    One text is read by the thread that asks. Several texts, or the windows of one, are shared
    with the other cores, one inference thread each.

    Args:
        directory: the model's.
        graph: in place of the one in the directory.
    """

    def __init__(self, directory: Path, graph: Path | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        # The fused kernel takes five times as long as the two that it stands for (1.31, AVX-512).
        self._session = onnxruntime.InferenceSession(
            graph or directory / GRAPH,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],
        )
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.made_from = metadata[MADE_FROM]
        self.max_tokens = int(metadata[MAX_TOKENS])
        self._reads_types = len(self._session.get_inputs()) > 1
        # A tokenizer's settings are shared by all threads, so each object keeps its own for ever.
        self._whole, self._single, self._pair = (
            Tokenizer.from_file(str(directory / "tokenizer.json")) for _ in range(3)
        )
        for tokenizer in (self._whole, self._single, self._pair):
            tokenizer.no_padding()
        self._whole.no_truncation()
        window = {"max_length": self.max_tokens, "stride": overlap(self.max_tokens)}
        self._single.enable_truncation(**window)
        self._pair.enable_truncation(**window, strategy="only_second")
        self._cores = len(os.sched_getaffinity(0))
        self._others = ThreadPoolExecutor(max(1, self._cores - 1), thread_name_prefix="inference")

    def read(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[WindowLogits]:
        seconds = [None] * len(texts) if pairs is None else pairs
        encoded = self._each(self._encode, list(zip(texts, seconds, strict=True)))
        windows = [window for parts in encoded for window in parts]
        # The longest first, so that no core is left alone with one at the end.
        order = sorted(range(len(windows)), key=lambda index: -len(windows[index]))
        read = self._each(self._run, [windows[index] for index in order])
        logits = np.empty((len(read), len(read[0])))
        logits[order] = read
        owners = np.repeat(np.arange(len(texts)), [len(parts) for parts in encoded])
        return by_text(owners, logits, np.asarray([len(window) for window in windows]))

    def _encode(self, text: tuple[str, str | None]) -> list[Encoding]:
        first, second = text
        if second is None:
            encoding = self._single.encode(first)
        else:
            # Windows run over the second text; each repeats the first, which must leave it room.
            head = head_of(first, self.max_tokens // 2, self._offsets_of)
            encoding = self._pair.encode(head, second)
        return [encoding, *encoding.overflowing]

    def _offsets_of(self, text: str) -> Sequence[tuple[int, int]]:
        return self._whole.encode(text, add_special_tokens=False).offsets

    def _run(self, window: Encoding) -> NDArray[np.float32]:
        inputs = {"input_ids": np.asarray([window.ids])}
        if self._reads_types:
            inputs["token_type_ids"] = np.asarray([window.type_ids])
        logits: NDArray[np.float32] = self._session.run(None, inputs)[0][0]
        return logits

    def _each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """`function` of every item, in their order, by this thread and, for several, by others."""
        results: list[Any] = [None] * len(items)
        waiting = iter(range(len(items)))  # each thread takes the next; a range's next() is atomic

        def work() -> None:
            for index in waiting:
                results[index] = function(items[index])

        helpers = [self._others.submit(work) for _ in range(min(len(items), self._cores) - 1)]
        work()
        for helper in helpers:
            # One that has not begun, for another request has the threads, is not waited for.
            if not helper.cancel():
                helper.result()
        return results
