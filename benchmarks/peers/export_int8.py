"""Write a model's int8 ONNX graph, and what the model itself says of some texts.

    PEERS/bin/python export_int8.py MODEL DIRECTORY < texts.json > labels.json

The graph is the standard one: the whole model, every token, quantized by onnxruntime's own dynamic
quantization, one scale a channel. The labels are those of the fp32 model under transformers, to
hold every server's answers against.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoModelForSequenceClassification, AutoTokenizer

COLUMNS = ("input_ids", "attention_mask", "token_type_ids")


def main() -> None:
    model_dir, directory = map(Path, sys.argv[1:])
    texts: list[str] = json.load(sys.stdin)
    tokenizer: Any = AutoTokenizer.from_pretrained(model_dir)
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        model_dir, attn_implementation="eager"
    ).eval()
    example = tokenizer("An example.", return_tensors="pt")
    columns = [name for name in COLUMNS if name in example]
    axes = {0: "texts", 1: "tokens"}
    full = directory / "fp32.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, deprecated though it works best here
        torch.onnx.export(
            model,
            tuple(example[name] for name in columns),
            str(full),
            input_names=columns,
            output_names=["logits"],
            dynamic_axes={**dict.fromkeys(columns, axes), "logits": {0: "texts"}},
            opset_version=17,
            dynamo=False,
        )
    quantize_dynamic(full, directory / "int8.onnx", per_channel=True, weight_type=QuantType.QInt8)
    full.unlink()
    labels = []
    with torch.inference_mode():
        for text in texts:
            logits = model(**tokenizer(text, truncation=True, return_tensors="pt")).logits
            labels.append(model.config.id2label[int(logits.argmax())])
    json.dump(labels, sys.stdout)


if __name__ == "__main__":
    main()
