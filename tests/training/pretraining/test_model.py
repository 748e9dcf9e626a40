"""The directory that pretraining writes is a base for a classifier, and none itself."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification

from classifier.artefact import open_artefact
from classifier.exceptions import ModelNotReady
from tests.training.pretraining.encoders import KINDS, write_encoder
from training.config import ConfigError, ModelConfig
from training.learning.bases import Base
from training.learning.trainer import load_base
from training.pretraining.config import EncoderConfig
from training.pretraining.model import Encoder, load_encoder, save_encoder


def moved(encoder: Encoder) -> Any:
    """The model of `encoder` with other weights than it came with, as after training."""
    model: Any = encoder.model
    torch.manual_seed(1)
    with torch.no_grad():
        for item in model.parameters():
            if item.requires_grad:
                item.add_(torch.randn_like(item) / 10)
    return model


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_classifier_takes_every_weight_of_the_encoder(
    tiny_base_dir: Path, tmp_path: Path, kind: str, method: Any
) -> None:
    source = write_encoder(tmp_path / "base", tiny_base_dir, kind)
    encoder = load_encoder(Base(str(source), kind, ""), EncoderConfig(method=method))
    assert encoder.new_head
    trained = moved(encoder)
    save_encoder(encoder, trained, tmp_path / "read")
    reference: Any = AutoModelForMaskedLM.from_pretrained(tmp_path / "read")
    before = load_file(source / "model.safetensors")

    config = ModelConfig(base_model="read", method="full")
    base = Base(str(tmp_path / "read"), "read", "")
    classifier, _ = load_base(base, config, ("NEGATIVE", "POSITIVE"))
    prefix = f"{reference.base_model_prefix}."
    found = {k: v for k, v in classifier.state_dict().items() if k.startswith(prefix)}
    expected = {k: v for k, v in reference.state_dict().items() if k.startswith(prefix)}
    assert expected.keys() <= found.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    linear = next(k for k in expected if k.endswith("weight") and ".layer.0." in k)
    assert not torch.equal(found[linear], before[linear.removeprefix(prefix)])
    # What the objective does not train, such as BERT's pooler, is as it was in the base.
    for name in found.keys() - expected.keys():
        assert torch.equal(found[name], before[name.removeprefix(prefix)])


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_plain_classes_of_transformers_miss_nothing_of_it(
    tiny_base_dir: Path, tmp_path: Path, method: Any
) -> None:
    encoder = load_encoder(Base(str(tiny_base_dir), "tiny", ""), EncoderConfig(method=method))
    save_encoder(encoder, moved(encoder), tmp_path / "read")
    missing = {
        kind: kind.from_pretrained(tmp_path / "read", output_loading_info=True)[1]["missing_keys"]
        for kind in (AutoModelForSequenceClassification, AutoModelForMaskedLM)
    }
    assert missing[AutoModelForSequenceClassification] == {"classifier.weight", "classifier.bias"}
    assert missing[AutoModelForMaskedLM] == set()


def test_a_head_is_kept_and_tied_to_the_embeddings(tiny_base_dir: Path, tmp_path: Path) -> None:
    source = write_encoder(tmp_path / "base", tiny_base_dir, "Bert", head="ForMaskedLM")
    encoder = load_encoder(Base(str(source), "tiny", ""), EncoderConfig())
    assert not encoder.new_head
    model: Any = encoder.model
    inner = load_file(source / "model.safetensors")["cls.predictions.transform.dense.weight"]
    assert torch.equal(model.cls.predictions.transform.dense.weight, inner)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_an_adapter_leaves_embeddings_and_output_weights_alone(tiny_base_dir: Path) -> None:
    base = Base(str(tiny_base_dir), "tiny", "")
    model: Any = load_encoder(base, EncoderConfig(method="lora", lora_rank=4)).model
    trained = {name for name, item in model.named_parameters() if item.requires_grad}
    assert any("lora_A" in name for name in trained)
    assert any("transform.dense" in name for name in trained)
    assert not any("embeddings" in name or "decoder" in name for name in trained)


def test_it_does_not_serve_and_says_what_to_do(tiny_base_dir: Path, tmp_path: Path) -> None:
    encoder = load_encoder(Base(str(tiny_base_dir), "tiny", ""), EncoderConfig())
    save_encoder(encoder, encoder.model, tmp_path / "read")
    with pytest.raises(ModelNotReady, match=r"BertForMaskedLM.*finetune --base-model"):
        open_artefact("read", models_dir=tmp_path)


def test_a_model_that_guesses_no_tokens_is_refused(tiny_base_dir: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=50, n_positions=32, n_embd=16, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_base_dir).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"Only an encoder.*Give another --base-model"):
        load_encoder(Base(str(tmp_path), "writer", ""), EncoderConfig())
