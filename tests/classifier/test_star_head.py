from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file

from classifier.exceptions import ModelNotReady
from classifier.model_files import STAR_HEAD
from classifier.star_head import (
    StarHead,
    last_linear,
    narrow,
    read_star_head,
    widen,
    write_star_head,
)

HIDDEN = 32
SIZES = {
    "vocab_size": 60,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "pad_token_id": 1,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "Bert": ("classifier", {}),
    "Roberta": ("classifier.out_proj", {}),
    "Electra": ("classifier.out_proj", {"embedding_size": 16}),
    "DistilBert": ("classifier", {"dim": HIDDEN, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}),
    "Albert": ("classifier", {"embedding_size": 16}),
    "DebertaV2": ("classifier", {}),
    "GPT2": ("score", {"n_embd": HIDDEN, "n_layer": 2, "n_head": 4, "n_positions": 40}),
}
TOKENS = torch.tensor([[5, 9, 11, 6]])


def classifier_of(family: str, labels: int = 2) -> Any:
    torch.manual_seed(1)
    config = getattr(transformers, f"{family}Config")(**SIZES | FAMILIES[family][1])
    config.num_labels = labels
    return getattr(transformers, f"{family}ForSequenceClassification")(config).eval()


def a_head(seed: int = 2) -> StarHead:
    generator = torch.Generator().manual_seed(seed)
    return StarHead(
        torch.randn(10, HIDDEN, generator=generator), torch.randn(10, generator=generator)
    )


def logits_of(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model(TOKENS).logits[0]
    return logits


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_linear_layer_is_the_one_that_gives_the_logits(family: str) -> None:
    model = classifier_of(family)

    parent, name = last_linear(model, 2)

    assert getattr(parent, name) is model.get_submodule(FAMILIES[family][0])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("labels", [2, 10])
def test_a_widened_model_gives_its_labels_and_then_ten_stars(family: str, labels: int) -> None:
    model, head = classifier_of(family, labels), a_head()
    plain = logits_of(model)
    read: list[torch.Tensor] = []
    parent, name = last_linear(model, labels)
    hook = getattr(parent, name).register_forward_pre_hook(
        lambda _, given: read.append(given[0].reshape(-1, HIDDEN)[-1:])
    )
    logits_of(model)
    hook.remove()

    widen(model, head)

    said = logits_of(model)
    assert said.shape == (labels + 10,)
    torch.testing.assert_close(said[:labels], plain)
    torch.testing.assert_close(said[labels:], (read[0] @ head.weight.T + head.bias)[0])


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "GPT2"])
def test_narrowing_gives_back_the_head_and_the_model_as_it_was(family: str) -> None:
    model, head = classifier_of(family), a_head()
    plain, names = logits_of(model), set(model.state_dict())

    widen(model, head)
    taken = narrow(model)

    assert torch.equal(taken.weight, head.weight)
    assert torch.equal(taken.bias, head.bias)
    assert set(model.state_dict()) == names
    torch.testing.assert_close(logits_of(model), plain)


def test_a_new_head_is_small_and_is_trained() -> None:
    model = classifier_of("Bert")

    widen(model)

    assert logits_of(model)[2:].abs().max() < 0.5
    model(TOKENS).logits[0, 2:].log_softmax(0)[3].backward()
    assert model.classifier.weight.grad[2:].abs().sum() > 0


@pytest.mark.parametrize("family", ["Bert", "Roberta"])
def test_beneath_an_adapter_the_trained_copy_of_the_head_is_taken(family: str) -> None:
    from peft import LoraConfig, TaskType, get_peft_model

    plain = classifier_of(family)
    widen(plain, a_head())
    model: Any = get_peft_model(
        plain, LoraConfig(task_type=TaskType.SEQ_CLS, r=2, target_modules=["query", "value"])
    )
    with torch.no_grad():
        wide = model.base_model.model.classifier.modules_to_save["default"]
        (wide.out_proj if family == "Roberta" else wide).bias.add_(1)
    assert logits_of(model).shape == (12,)

    taken = narrow(model)

    torch.testing.assert_close(taken.bias, a_head().bias + 1)
    assert logits_of(model).shape == (2,)
    assert logits_of(model.merge_and_unload()).shape == (2,)


def test_a_head_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_star_head(tmp_path) is None

    write_star_head(a_head(), tmp_path)

    read = read_star_head(tmp_path)
    assert read is not None
    assert torch.equal(read.weight, a_head().weight)
    assert torch.equal(read.bias, a_head().bias)


@pytest.mark.parametrize(
    "tensors",
    [
        {"weight": torch.zeros(9, HIDDEN), "bias": torch.zeros(10)},
        {"weight": torch.zeros(10, HIDDEN), "bias": torch.zeros(9)},
        {"weight": torch.zeros(10), "bias": torch.zeros(10)},
        {"weight": torch.zeros(10, HIDDEN)},
        {"weight": torch.full((10, HIDDEN), torch.nan), "bias": torch.zeros(10)},
        {"weight": torch.zeros(10, HIDDEN), "bias": torch.full((10,), torch.inf)},
    ],
)
def test_a_file_that_is_no_star_head_is_refused(
    tensors: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    save_file(tensors, tmp_path / STAR_HEAD)

    with pytest.raises(ModelNotReady) as refused:
        read_star_head(tmp_path)

    assert refused.value.code == "star_head_broken"
    assert refused.value.remedy


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\xff" * 64])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / STAR_HEAD).write_bytes(content)

    with pytest.raises(ModelNotReady) as refused:
        read_star_head(tmp_path)

    assert refused.value.code == "star_head_broken"
    assert tmp_path.name in refused.value.value


def test_the_head_of_another_model_is_refused() -> None:
    model = classifier_of("Bert")

    with pytest.raises(ModelNotReady, match="16 features, but the model has 32") as refused:
        widen(model, StarHead(torch.zeros(10, 16), torch.zeros(10)))

    assert refused.value.code == "star_head_broken"
    assert logits_of(model).shape == (2,)


def test_a_model_that_ends_in_no_linear_layer_has_no_place_for_stars() -> None:
    model = classifier_of("Bert")
    model.classifier = torch.nn.Identity()

    with pytest.raises(ModelNotReady) as refused:
        widen(model)

    assert refused.value.code == "star_head_place"
