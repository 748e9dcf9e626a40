"""Masks that repeat, and a loss of masked tokens alone that is the model's own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from tests.training.pretraining.encoders import KINDS, write_encoder
from training.learning.bases import Base
from training.pretraining.config import EncoderConfig, MaskingConfig
from training.pretraining.masking import RepeatableMasks
from training.pretraining.model import load_encoder
from training.pretraining.objective import IGNORED, masked_logits, masked_loss
from training.pretraining.pieces import pieces_of

TEXTS = [f"the film was {word} and very {word} from start to end" for word in ("good", "dull")] * 8


@pytest.fixture(scope="module")
def tokenizer(tiny_base_dir: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_base_dir)


def batch_of(tokenizer: Any, *, epoch: int = 0, rows: Any = None, **masking: Any) -> dict[str, Any]:
    config = MaskingConfig(**masking)
    pieces = pieces_of(TEXTS, tokenizer, 16, offsets=config.whole_words)
    masks = RepeatableMasks(tokenizer, config, seed=0)
    masks.epoch = epoch
    numbers = rows or range(len(TEXTS))
    batch: dict[str, Any] = masks([pieces[abs(row) - (row < 0)] | {"row": row} for row in numbers])
    return batch


def test_masks_repeat_with_the_epoch_and_the_rows_whatever_was_drawn_before(
    tokenizer: Any,
) -> None:
    first = batch_of(tokenizer)
    torch.rand(5)
    again, next_epoch = batch_of(tokenizer), batch_of(tokenizer, epoch=1)
    assert torch.equal(first["input_ids"], again["input_ids"])
    assert torch.equal(first["labels"], again["labels"])
    assert not torch.equal(first["labels"], next_epoch["labels"])
    other_rows = batch_of(tokenizer, rows=[*range(1, len(TEXTS)), 0])
    assert not torch.equal(first["labels"], other_rows["labels"])


def test_held_out_rows_have_the_same_masks_in_every_epoch(tokenizer: Any) -> None:
    rows = [-1 - row for row in range(len(TEXTS))]
    first, later = (batch_of(tokenizer, rows=rows, epoch=epoch) for epoch in (0, 7))
    assert torch.equal(first["labels"], later["labels"])


def test_so_many_tokens_are_masked_as_were_asked_for(tokenizer: Any) -> None:
    def share(**masking: Any) -> float:
        batch = batch_of(tokenizer, **masking)
        tokens = batch["attention_mask"].sum() - 2 * len(TEXTS)
        return float((batch["labels"] != IGNORED).sum() / tokens)

    assert share(masking=0.15) == pytest.approx(0.15, abs=0.07)
    assert share(masking=0.5) == pytest.approx(0.5, abs=0.1)


def test_whole_words_are_masked_in_all_their_pieces(tmp_path: Path) -> None:
    from transformers import BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##for", "##get", "a", "film"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizer(vocab=str(tmp_path / "vocab.txt"), model_max_length=32)
    texts = ["a film unforget a film", "film unforget"] * 20
    pieces = pieces_of(texts, tokenizer, 16, offsets=True)
    masks = RepeatableMasks(tokenizer, MaskingConfig(masking=0.3, whole_words=True), seed=0)
    batch = masks([pieces[row] for row in range(len(pieces))])
    masked = batch["labels"] != IGNORED
    in_word = torch.tensor([[token in (5, 6, 7) for token in row] for row in _truth(batch)])
    counts = (masked & in_word).sum(dim=1)
    assert set(counts.tolist()) == {0, 3}
    assert set(batch["input_ids"][masked].tolist()) == {tokenizer.mask_token_id}


def _truth(batch: Any) -> list[list[int]]:
    known = batch["labels"] != IGNORED
    return torch.where(known, batch["labels"], batch["input_ids"]).tolist()


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_and_its_gradients_are_those_of_the_model(
    tiny_base_dir: Path, tmp_path: Path, tokenizer: Any, kind: str, method: Any
) -> None:
    directory = write_encoder(tmp_path, tiny_base_dir, kind)
    config = EncoderConfig(method=method, max_length=16)
    model: Any = load_encoder(Base(str(directory), kind, ""), config).model
    batch = batch_of(tokenizer)
    trained = [(name, item) for name, item in model.named_parameters() if item.requires_grad]

    def gradients(loss: torch.Tensor) -> dict[str, torch.Tensor]:
        model.zero_grad()
        loss.backward()
        return {name: item.grad.clone() for name, item in trained if item.grad is not None}

    plain, ours = model(**batch).loss, masked_loss(model, batch)
    assert ours.item() == pytest.approx(plain.item(), rel=1e-6)
    expected, found = gradients(plain), gradients(ours)
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-4, atol=1e-6)


def test_logits_are_computed_for_masked_tokens_alone(
    tiny_base_dir: Path, tmp_path: Path, tokenizer: Any
) -> None:
    directory = write_encoder(tmp_path, tiny_base_dir, "Bert")
    model: Any = load_encoder(Base(str(directory), "tiny", ""), EncoderConfig()).model
    seen: list[int] = []
    model.get_output_embeddings().register_forward_hook(
        lambda module, inputs, output: seen.append(output.shape[:-1].numel())
    )
    batch = batch_of(tokenizer)
    masked = int((batch["labels"] != IGNORED).sum())
    logits, _ = masked_logits(model, batch)
    assert seen == [masked] == [len(logits)]
    assert model(**batch).logits.shape[:2] == batch["labels"].shape  # the model is as it was


def test_a_batch_without_a_masked_token_costs_nothing(
    tiny_base_dir: Path, tmp_path: Path, tokenizer: Any
) -> None:
    directory = write_encoder(tmp_path, tiny_base_dir, "Bert")
    model: Any = load_encoder(Base(str(directory), "tiny", ""), EncoderConfig()).model
    batch = batch_of(tokenizer)
    batch["labels"] = torch.full_like(batch["labels"], IGNORED)
    loss = masked_loss(model, batch)
    loss.backward()
    assert loss.item() == 0
