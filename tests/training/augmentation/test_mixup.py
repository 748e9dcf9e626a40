import random
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch.nn.functional import cross_entropy, one_hot
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)

from tests import tiny
from training.augmentation.mixup import (
    Mixup,
    PairCollator,
    Pairs,
    Place,
    add_pairs,
    draw_pairs,
    mixed_outputs,
)
from training.config import AugmentationConfig, ConfigError
from training.learning.objectives import Objective

PLACES: list[Place] = ["embeddings", "hidden", "features"]
LABELS = 3


class MixupTrainer(Mixup, Trainer):
    pass


SHAPE: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "num_labels": LABELS,
}


def bert(**options: Any) -> Any:
    return _evaluated(BertForSequenceClassification, BertConfig(**SHAPE, **options))


def roberta() -> Any:
    return _evaluated(RobertaForSequenceClassification, RobertaConfig(**SHAPE))


def distilbert() -> Any:
    shape: dict[str, Any] = {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 24}
    config = DistilBertConfig(**shape, vocab_size=40, id2label={0: "a", 1: "b", 2: "c"})
    return _evaluated(DistilBertForSequenceClassification, config)


def _evaluated(kind: Any, config: Any) -> Any:
    torch.manual_seed(0)
    return kind(config).eval()


def with_lora(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=2,
        target_modules=["query", "value"],
        modules_to_save=["classifier"],
        init_lora_weights=False,
    )
    return get_peft_model(model, config).eval()


KINDS: dict[str, Any] = {
    "bert": bert,
    "distilbert": distilbert,
    "roberta": roberta,
    "lora": lambda: with_lora(bert()),
}


def inputs(lengths: tuple[int, ...] = (5, 8, 3), pad: int = 0) -> dict[str, torch.Tensor]:
    width = max(lengths)
    mask = torch.tensor([[1] * length + [0] * (width - length) for length in lengths])
    ids = torch.randint(5, 40, mask.shape, generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids.where(mask.bool(), torch.tensor(pad)), "attention_mask": mask}


def pairs(second: list[int], lam: list[float]) -> Pairs:
    return Pairs(torch.tensor(second), torch.tensor(lam))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_lam_one_is_the_plain_forward_exactly(kind: str, place: Place) -> None:
    model, batch = KINDS[kind](), inputs(pad=1 if kind == "roberta" else 0)
    with torch.no_grad():
        plain = model(**batch).logits
        mixed = mixed_outputs(model, batch, pairs([1, 2, 0], [1, 1, 1]), place=place, layer=2)
    assert torch.equal(mixed.logits, plain)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_lam_zero_is_the_plain_forward_of_the_partner(kind: str, place: Place) -> None:
    model, batch = KINDS[kind](), inputs(pad=1 if kind == "roberta" else 0)
    with torch.no_grad():
        plain = model(**batch).logits
        mixed = mixed_outputs(model, batch, pairs([1, 2, 0], [0, 0, 0]), place=place)
    assert torch.allclose(mixed.logits, plain[[1, 2, 0]], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_embeddings_it_is_the_model_run_on_embeddings_mixed_by_hand(kind: str) -> None:
    model, batch = KINDS[kind](), inputs(pad=1 if kind == "roberta" else 0)
    lam = torch.tensor([0.3, 0.6, 0.9])
    with torch.no_grad():
        words = model.get_input_embeddings()(batch["input_ids"])
        words = words * batch["attention_mask"][..., None]
        by_hand = lam[:, None, None] * words + (1 - lam[:, None, None]) * words[[1, 2, 0]]
        mask = batch["attention_mask"] | batch["attention_mask"][[1, 2, 0]]
        expected = model(inputs_embeds=by_hand, attention_mask=mask).logits
        mixed = mixed_outputs(model, batch, Pairs(torch.tensor([1, 2, 0]), lam), place="embeddings")
    assert torch.allclose(mixed.logits, expected, atol=1e-6)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_after_a_hidden_layer_it_is_a_forward_written_by_hand(layer: int, attention: str) -> None:
    model, batch = bert(attn_implementation=attention), inputs()
    second, lam = [1, 2, 0], torch.tensor([0.3, 0.6, 0.9])

    def seen(mask: torch.Tensor) -> torch.Tensor:
        return torch.where(mask.bool(), 0.0, torch.finfo().min)[:, None, None, :]

    with torch.no_grad():
        mask = batch["attention_mask"]
        hidden = model.bert.embeddings(batch["input_ids"])
        for block in model.bert.encoder.layer[:layer]:
            hidden = block(hidden, seen(mask))
        hidden = hidden * mask[..., None]
        hidden = lam[:, None, None] * hidden + (1 - lam[:, None, None]) * hidden[second]
        for block in model.bert.encoder.layer[layer:]:
            hidden = block(hidden, seen(mask | mask[second]))
        expected = model.classifier(model.bert.pooler(hidden))
        mixed = mixed_outputs(
            model, batch, Pairs(torch.tensor(second), lam), place="hidden", layer=layer
        )
    assert torch.allclose(mixed.logits, expected, atol=1e-5)


def test_at_the_features_the_linear_head_mixes_the_logits() -> None:
    model, batch = bert(), inputs()
    lam = torch.tensor([0.3, 0.6, 0.9])
    with torch.no_grad():
        plain = model(**batch).logits
        mixed = mixed_outputs(model, batch, Pairs(torch.tensor([1, 2, 0]), lam), place="features")
    expected = lam[:, None] * plain + (1 - lam[:, None]) * plain[[1, 2, 0]]
    assert torch.allclose(mixed.logits, expected, atol=1e-6)


def test_segments_of_text_pairs_are_mixed_with_the_words() -> None:
    model, batch = bert(), inputs((6, 6))
    batch["token_type_ids"] = torch.tensor([[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1]])
    table, words = model.bert.embeddings.token_type_embeddings, model.get_input_embeddings()
    with torch.no_grad():
        whole = words(batch["input_ids"]) + table(batch["token_type_ids"])
        by_hand = 0.3 * whole[:1] + 0.7 * whole[1:]
        expected = model(
            inputs_embeds=by_hand - table(torch.zeros(1, 6, dtype=torch.long)),
            attention_mask=batch["attention_mask"][:1],
        ).logits
        mixed = mixed_outputs(model, batch, pairs([1], [0.3]), place="embeddings")
    assert torch.allclose(mixed.logits, expected, atol=1e-6)


@pytest.mark.parametrize("place", PLACES)
def test_partners_below_the_batch_mix_as_rows_of_the_batch_do(place: Place) -> None:
    model, batch = bert(), inputs()
    with torch.no_grad():
        below = mixed_outputs(model, batch, pairs([2], [0.4]), place=place)
        within = mixed_outputs(model, batch, pairs([2, 1, 0], [0.4, 1, 1]), place=place)
    assert below.logits.shape == (1, LABELS)
    assert torch.allclose(below.logits, within.logits[:1], atol=1e-6)


@pytest.mark.parametrize("place", ["hidden", "features"])
def test_no_hook_is_left_even_where_the_forward_fails(place: Place) -> None:
    model, batch = bert(), inputs()
    with pytest.raises(IndexError):
        mixed_outputs(model, batch, pairs([99], [0.4]), place=place)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with torch.no_grad():
        assert model(**batch).logits.shape == (3, LABELS)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_mixed_targets_sum_to_one(size: int) -> None:
    drawn, lam = draw_pairs(size + 1, pairs=size, rows=0, alpha=0.4, seed=0)
    targets = pairs(drawn[:, 1].tolist(), lam.tolist()).mix(
        one_hot(torch.arange(size + 1) % LABELS, LABELS).float()
    )
    assert targets.shape == (size, LABELS)
    assert torch.allclose(targets.sum(dim=1), torch.ones(size))


def test_pairs_use_each_row_once_where_there_are_twice_as_many() -> None:
    drawn, lam = draw_pairs(100, pairs=35, rows=70, alpha=0.4, seed=0)
    assert len(set(drawn.ravel().tolist())) == 70
    assert lam.shape == (35,)
    assert ((lam >= 0) & (lam <= 1)).all()


def test_more_pairs_than_rows_never_pair_a_row_with_itself() -> None:
    drawn, _ = draw_pairs(7, pairs=50, rows=5, alpha=0.4, seed=0)
    assert drawn.shape == (50, 2)
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert len(set(drawn.ravel().tolist())) == 5


def test_the_seed_decides_pairs_and_lam() -> None:
    draws = [draw_pairs(50, pairs=20, rows=0, alpha=0.4, seed=seed) for seed in (0, 0, 1)]
    for part in (0, 1):
        assert (draws[0][part] == draws[1][part]).all()
        assert (draws[0][part] != draws[2][part]).any()


def test_alpha_decides_how_even_the_mix_is() -> None:
    spread = [draw_pairs(999, pairs=400, rows=0, alpha=a, seed=0)[1].std() for a in (0.1, 10)]
    assert spread[0] > 0.4
    assert spread[1] < 0.2


@pytest.mark.parametrize("rows", [1, 11])
def test_more_rows_than_there_are_cannot_be_drawn(rows: int) -> None:
    with pytest.raises(ConfigError, match="between 2 and the 10 training rows"):
        draw_pairs(10, pairs=3, rows=rows, alpha=0.4, seed=0)


def reviews(directory: Path, count: int = 128) -> tuple[Any, Dataset]:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    rng = random.Random(0)
    labels = [number % 2 for number in range(count)]
    texts = [tiny.sentence(label, rng, words=4 + number % 5) for number, label in enumerate(labels)]
    encoded = tokenizer(texts)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    return tokenizer, Dataset.from_dict({**encoded, "labels": labels, "length": lengths})


def trainer(directory: Path, tmp_path: Path, **options: Any) -> MixupTrainer:
    from transformers import AutoModelForSequenceClassification

    places: dict[str, Any] = {
        "mixup": "embeddings",
        "mixup_alpha": 0.4,
        "mixup_pairs": 0,
        "mixup_layer": 1,
    }
    augmentation = AugmentationConfig(
        **{key: options.pop(key, default) for key, default in places.items()}
    )
    tokenizer, rows = reviews(directory)
    train = add_pairs(rows, augmentation, seed=0) if augmentation.mixup_pairs else rows
    set_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    if options.pop("lora", False):
        model = with_lora(model)
    arguments: dict[str, Any] = {
        "output_dir": str(tmp_path),
        "num_train_epochs": 5,
        "learning_rate": 3e-3,
        "per_device_train_batch_size": 16,
        "use_cpu": True,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "train_sampling_strategy": "group_by_length",
        "seed": 0,
    }
    return MixupTrainer(
        model=model,
        args=TrainingArguments(**(arguments | options)),
        train_dataset=train,
        eval_dataset=rows,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=lambda seen: {
            "accuracy": float((seen.predictions.argmax(axis=1) == seen.label_ids).mean())
        },
        augmentation=augmentation,
        objective=Objective(2),
    )


@pytest.mark.parametrize(
    ("place", "mixup_pairs"),
    [("embeddings", 0), ("hidden", 0), ("features", 0), ("embeddings", 40)],
)
def test_a_model_still_learns(
    tiny_base_dir: Path, tmp_path: Path, place: Place, mixup_pairs: int
) -> None:
    run = trainer(tiny_base_dir, tmp_path, mixup=place, mixup_pairs=mixup_pairs)
    run.train()
    assert run.evaluate()["eval_accuracy"] > 0.9


@pytest.mark.parametrize("place", PLACES)
def test_it_works_with_lora_bf16_accumulation_and_checkpointed_activations(
    tiny_model_dir: Path, tmp_path: Path, place: Place
) -> None:
    run = trainer(
        tiny_model_dir,
        tmp_path,
        mixup=place,
        mixup_layer=2,
        lora=True,
        bf16=True,
        gradient_accumulation_steps=3,
        activation_checkpointing=True,
        num_train_epochs=1,
    )
    assert run.train().training_loss > 0
    assert run.evaluate()["eval_accuracy"] > 0.8


@pytest.mark.parametrize("mixup_pairs", [0, 3])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_every_batch_size_gives_the_loss_of_its_mixed_targets(
    tiny_model_dir: Path, tmp_path: Path, size: int, mixup_pairs: int
) -> None:
    run = trainer(tiny_model_dir, tmp_path, mixup_pairs=mixup_pairs)
    rows: Any = run.train_dataset
    last = [dict(rows[len(rows) - 1 - number]) for number in range(size)]
    batch = run.data_collator([{k: v for k, v in row.items() if k != "length"} for row in last])
    model: Any = run.model
    model.train()
    loss, outputs = run.compute_loss(model, batch, return_outputs=True)
    assert outputs.logits.shape == (size, 2)
    if mixup_pairs:
        mixed = pairs(batch["mixup_second"].tolist(), batch["mixup_lam"].tolist())
        targets = mixed.mix(one_hot(batch["labels"], 2).float())
        assert loss.item() == pytest.approx(cross_entropy(outputs.logits, targets).item())
    assert torch.isfinite(loss)


def test_evaluation_is_that_of_the_plain_trainer(tiny_model_dir: Path, tmp_path: Path) -> None:
    run = trainer(tiny_model_dir, tmp_path, mixup_alpha=10.0)
    plain = Trainer(
        model=run.model,
        args=run.args,
        eval_dataset=run.eval_dataset,
        data_collator=DataCollatorWithPadding(run.processing_class),  # type: ignore[arg-type]
    )
    assert run.evaluate()["eval_loss"] == plain.evaluate()["eval_loss"]


def test_pairs_to_mix_cannot_be_evaluated_on(tiny_model_dir: Path, tmp_path: Path) -> None:
    run = trainer(tiny_model_dir, tmp_path, mixup_pairs=128)
    with pytest.raises(ValueError, match="as they are"):
        run.evaluate(run.train_dataset)


def test_the_pairs_are_rows_with_the_length_of_the_longer_member(tiny_model_dir: Path) -> None:
    _, rows = reviews(tiny_model_dir)
    config = AugmentationConfig(mixup="embeddings", mixup_pairs=50, mixup_rows=100)
    mixed = add_pairs(rows, config, seed=0)
    assert len(mixed) == 178
    assert mixed[:128]["input_ids"] == rows["input_ids"][:]
    assert set(mixed[:128]["mixup_lam"]) == {None}
    for row in mixed.select(range(128, 178)):
        longest = max(len(row["input_ids"]), len(row["mixup_input_ids"]))
        assert row["length"] == longest


def test_a_batch_without_pairs_is_collated_as_ever(tiny_model_dir: Path) -> None:
    tokenizer, rows = reviews(tiny_model_dir)
    collate = DataCollatorWithPadding(tokenizer)
    batch = [{k: v for k, v in rows[number].items() if k != "length"} for number in range(4)]
    expected, collated = collate(batch), PairCollator(collate)(batch)
    assert collated.keys() == expected.keys()
    assert all(torch.equal(collated[key], expected[key]) for key in expected)


def weights(run: Any) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in run.model.parameters()]


@pytest.mark.parametrize("mixup_pairs", [0, 60])
def test_a_resumed_run_ends_with_the_weights_of_an_undisturbed_one(
    tiny_base_dir: Path, tmp_path: Path, mixup_pairs: int
) -> None:
    saving = {"save_strategy": "steps", "save_steps": 3, "max_steps": 8}
    runs = []
    for checkpoint in (None, str(tmp_path / "checkpoint-6")):
        run = trainer(
            tiny_base_dir,
            tmp_path,
            mixup_pairs=mixup_pairs,
            gradient_accumulation_steps=2,
            per_device_train_batch_size=8,
            train_sampling_strategy="sequential",
            **saving,
        )
        run.train(resume_from_checkpoint=checkpoint)
        runs.append(weights(run))
    assert all(torch.equal(one, two) for one, two in zip(*runs, strict=True))


@pytest.mark.parametrize(
    "options", [{"mixup": "features"}, {"mixup": "hidden"}, {"mixup_alpha": 5.0}, {"seed": 1}]
)
def test_place_alpha_and_seed_change_the_weights(
    tiny_base_dir: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    ends = []
    for changed in ({}, options):
        run = trainer(tiny_base_dir, tmp_path, max_steps=2, **changed)
        run.train()
        ends.append(weights(run))
    assert any(not torch.equal(one, two) for one, two in zip(*ends, strict=True))


def test_a_layer_that_the_model_lacks_is_refused(tiny_base_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one of the model's 2 layers, but it is 3"):
        trainer(tiny_base_dir, tmp_path, mixup="hidden", mixup_layer=3)
