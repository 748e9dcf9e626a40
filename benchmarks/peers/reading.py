"""How the peers read a text: the transformers pipeline, or an int8 ONNX session written by hand.

Which of the two, and from where, is in the environment, for the servers start processes in ways
of their own: PEER_ENGINE is pipeline or int8, PEER_MODEL a model's directory as transformers
writes it, PEER_INT8 the graph that export_int8.py wrote.
"""

import json
import os
from pathlib import Path
from typing import Any, Protocol

Answer = dict[str, Any]
"""`label` and `score`, as the transformers pipeline gives them."""


class Reader(Protocol):
    def __call__(self, texts: list[str]) -> list[Answer]:
        """One answer a text, in their order."""
        ...


def load_reader() -> Reader:
    """What PEER_ENGINE asks for, warm."""
    readers: dict[str, type[PipelineReader] | type[Int8Reader]] = {
        "pipeline": PipelineReader,
        "int8": Int8Reader,
    }
    reader = readers[os.environ["PEER_ENGINE"]](Path(os.environ["PEER_MODEL"]))
    reader(["Fine."])
    return reader


class PipelineReader:
    """transformers' own, loaded once; a list of texts is one padded batch."""

    def __init__(self, model: Path) -> None:
        from transformers import pipeline

        self._pipeline = pipeline("text-classification", model=str(model), device="cpu")

    def __call__(self, texts: list[str]) -> list[Answer]:
        answers: list[Answer] = self._pipeline(texts, truncation=True, batch_size=len(texts))
        return answers


class Int8Reader:
    """onnxruntime and tokenizers, without torch or transformers: one text a call, no padding."""

    def __init__(self, model: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.environ["PEER_INT8"], options, providers=["CPUExecutionProvider"]
        )
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        self._labels = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
        self._tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(config["max_position_embeddings"])
        self._inputs = {one.name for one in self._session.get_inputs()}

    def __call__(self, texts: list[str]) -> list[Answer]:
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Answer:
        import numpy as np

        read = self._tokenizer.encode(text)
        columns = {
            "input_ids": read.ids,
            "attention_mask": read.attention_mask,
            "token_type_ids": read.type_ids,
        }
        feed = {name: np.array([columns[name]], dtype=np.int64) for name in self._inputs}
        (logits,) = self._session.run(None, feed)
        powers = np.exp(logits[0] - logits[0].max())
        winner = int(powers.argmax())
        return {"label": self._labels[winner], "score": float(powers[winner] / powers.sum())}
