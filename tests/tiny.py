"""A real transformer, small enough to make and train in a second: words it knows, nothing more."""

import json
import random
from pathlib import Path

POSITIVE_WORDS = ("good", "lovely", "superb", "joy", "warm", "funny", "clever", "moving")
NEGATIVE_WORDS = ("bad", "dull", "awful", "bore", "cold", "clumsy", "noisy", "stupid")
OTHER_WORDS = (
    "the",
    "a",
    "film",
    "book",
    "meal",
    "story",
    "was",
    "and",
    "of",
    "it",
    "very",
    "from",
    "start",
    "to",
    "end",
    "with",
    "cast",
    "plot",
    "evening",
    "we",
    "had",
)
MAX_TOKENS = 32


def sentence(label: int, rng: random.Random, words: int = 8) -> str:
    """A sentence of the vocabulary; two telling words say its label, 0 negative, 1 positive."""
    telling = rng.choices(POSITIVE_WORDS if label else NEGATIVE_WORDS, k=2)
    chosen = telling + rng.choices(OTHER_WORDS, k=words - 2)
    rng.shuffle(chosen)
    return " ".join(chosen)


def write_base_model(directory: Path) -> Path:
    """A two-layer BERT with random weights and no head, as one finds it on the Hub."""
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = _tokenizer(directory)
    torch.manual_seed(0)
    BertModel(_config(BertConfig, len(tokenizer))).save_pretrained(directory)
    return directory


def write_classifier(
    directory: Path, *, labels: tuple[str, ...] = ("NEGATIVE", "POSITIVE"), seed: int = 0
) -> Path:
    """The same with a head, trained on sentences until it tells the two kinds apart."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    tokenizer = _tokenizer(directory)
    torch.manual_seed(seed)
    config = _config(
        BertConfig,
        len(tokenizer),
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    model = BertForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rng = random.Random(0)
    for _ in range(40):
        truth = [rng.randrange(2) for _ in range(32)]
        batch = tokenizer(
            [sentence(label, rng) for label in truth], return_tensors="pt", padding=True
        )
        model(**batch, labels=torch.tensor(truth)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(directory)
    return directory


def add_stars(directory: Path, *, scale: float = 1.0) -> Path:
    """Give a classifier's directory a star head, and a rating.json that rates by it.

    The surer the classifier is, the further from the middle are the likeliest stars.
    """
    import torch
    from safetensors.torch import load_file

    from classifier.model_files import RATING
    from classifier.rating_file import rating_content
    from classifier.ratings import StarRule
    from classifier.star_head import StarHead, write_star_head

    weights = load_file(directory / "model.safetensors")
    towards = weights["classifier.weight"][1] - weights["classifier.weight"][0]
    lean = weights["classifier.bias"][1] - weights["classifier.bias"][0]
    places = torch.linspace(-1, 1, 10) * scale
    # log N(place; evidence, 1) less what all places share
    head = StarHead(places[:, None] * towards, places * lean - 2 * places**2)
    write_star_head(head, directory)
    rule = StarRule(exact_weight=0.5, middle=0.02, interval_mass=0.8)
    (directory / RATING).write_text(json.dumps(rating_content(rule, {"rows": 0})))
    return directory


def _tokenizer(directory: Path):  # type: ignore[no-untyped-def]
    from transformers import BertTokenizer

    directory.mkdir(parents=True, exist_ok=True)
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *POSITIVE_WORDS,
        *NEGATIVE_WORDS,
        *OTHER_WORDS,
        ".",
        ",",
        "!",
    ]
    file = directory / "vocab.txt"
    file.write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = BertTokenizer(vocab=str(file), model_max_length=MAX_TOKENS)
    tokenizer.save_pretrained(directory)
    return tokenizer


def _config(kind, vocabulary: int, **extra):  # type: ignore[no-untyped-def]
    return kind(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS,
        **extra,
    )
