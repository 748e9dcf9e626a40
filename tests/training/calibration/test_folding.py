"""The weights of real models of four kinds, and of an adapter: only the last layer changes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from training.calibration.errors import CalibrationError
from training.calibration.folding import fold, fold_star_head, has_last_layer

SMALL: dict[str, Any] = {"vocab_size": 40, "max_position_embeddings": 16, "num_labels": 3}
BERT_LIKE = SMALL | {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
DISTILBERT = SMALL | {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}


def write_model(directory: Path, kind: str) -> Any:
    import transformers

    settings = DISTILBERT if kind == "DistilBert" else BERT_LIKE
    config = getattr(transformers, f"{kind}Config")(**settings)
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    with torch.no_grad():  # a bias of zeros would hide that it was left out
        for name, value in model.named_parameters():
            if name.endswith("bias"):
                value.uniform_(-1, 1)
    model.save_pretrained(directory)
    return model


@pytest.mark.parametrize("kind", ["Bert", "DistilBert", "Roberta", "Electra"])
def test_the_logits_are_divided_and_every_other_tensor_stays(tmp_path: Path, kind: str) -> None:
    model = write_model(tmp_path, kind)
    file = tmp_path / "model.safetensors"
    before = load_file(file)
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()

    fold(file, 1.7)

    after = load_file(file)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    last = "classifier.out_proj" if kind in ("Roberta", "Electra") else "classifier"
    assert changed == {f"{last}.weight", f"{last}.bias"}
    assert list(before) == list(after)
    with safe_open(file, "pt") as opened:
        assert opened.metadata() == metadata
    assert [path.name for path in tmp_path.glob(".*")] == []
    ids = torch.arange(3, 11)[None]
    folded = type(model).from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert torch.allclose(folded(ids).logits, model(ids).logits / 1.7, atol=1e-6)


def test_an_adapter_is_folded_too(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model = write_model(tmp_path / "base", "DistilBert")
    adapted = get_peft_model(
        model,
        LoraConfig(
            task_type="SEQ_CLS",
            r=2,
            target_modules=["q_lin"],
            modules_to_save=["pre_classifier", "classifier"],
        ),
    )
    adapted.save_pretrained(str(tmp_path / "adapter"))
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    before = load_file(file)

    fold(file, 0.8)

    for name, value in load_file(file).items():
        folded = name.split(".")[-2] == "classifier"
        expected = (before[name].double() / 0.8).float() if folded else before[name]
        assert torch.equal(value, expected), name


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_are_rounded_to_the_nearest(tmp_path: Path, kind: torch.dtype) -> None:
    file = tmp_path / "model.safetensors"
    torch.manual_seed(0)
    weight = torch.randn(2, 64).to(kind)
    save_file({"score.weight": weight, "wte.weight": weight.clone()}, file)
    fold(file, 3.0)
    after = load_file(file)
    assert torch.equal(after["score.weight"], (weight.double() / 3.0).to(kind))
    assert torch.equal(after["wte.weight"], weight)


def test_a_star_head_is_folded_by_its_own_names(tmp_path: Path) -> None:
    file = tmp_path / "star_head.safetensors"
    weight, bias = torch.randn(10, 4), torch.randn(10)
    save_file({"weight": weight, "bias": bias}, file)
    fold_star_head(file, 2.0)
    after = load_file(file)
    assert torch.equal(after["weight"], weight / 2)
    assert torch.equal(after["bias"], bias / 2)


def test_a_model_without_such_a_layer_is_refused_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"pre_classifier.weight": torch.ones(2, 2)}, file)
    content = file.read_bytes()
    assert not has_last_layer(file)
    with pytest.raises(CalibrationError, match=r"classifier\.out_proj, classifier, score"):
        fold(file, 2.0)
    assert file.read_bytes() == content


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_only_a_temperature_above_0_is_folded(tmp_path: Path, temperature: float) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"score.weight": torch.ones(2, 2)}, file)
    with pytest.raises(CalibrationError, match="above 0"):
        fold(file, temperature)
