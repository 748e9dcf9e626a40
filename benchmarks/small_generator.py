"""A small causal language model made on the spot, for p-tuned generation where the Hub is blocked.

    python benchmarks/small_generator.py var/small-generator --recipe yes-no --epochs 5

Trains a byte-level BPE vocabulary and a GPT-2 of 2.7 million weights from nothing, on the training
rows of a recipe alone, each written as passage, line break, text. What it writes is in the language
of the data and says little: it shows that `--generate p_tuning` runs from end to end, not how good
a real language model would do it.
"""

import os
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

VOCABULARY = 4096
POSITIONS = 512
END = "<|end|>"
BATCH_SIZE = 8
LEARNING_RATE = 1e-3


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("directory", type=Path, help="where the language model is written")
    parser.add_argument("--recipe", default="yes-no", help="whose training rows it learns from")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    texts = training_texts(options.recipe, seed=options.seed)
    write_generator(options.directory, texts, epochs=options.epochs, seed=options.seed)


def training_texts(recipe: str, *, seed: int) -> list[str]:
    """The training rows of `recipe` as p-tuning writes them: passage, line break, text."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")
    django.setup()
    from django.conf import settings

    from training.augmentation.p_tuning import SEPARATOR
    from training.data.splits import load_splits
    from training.recipes import load_recipe

    data = load_recipe(recipe).data
    rows = load_splits(data, datasets_dir=settings.DATASETS_DIR, seed=seed).train
    if "text_pair" not in rows:
        return list(rows["text"])
    return [f"{row.text_pair}{SEPARATOR}{row.text}" for row in rows.itertuples()]


def write_generator(directory: Path, texts: list[str], *, epochs: int, seed: int) -> None:
    """Train vocabulary and weights on `texts`, and save both."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    vocabulary = ByteLevelBPETokenizer()
    vocabulary.train_from_iterator(texts, vocab_size=VOCABULARY, special_tokens=[END])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=vocabulary._tokenizer, bos_token=END, eos_token=END, pad_token=END
    )
    end = tokenizer.eos_token_id
    stream = [token for ids in tokenizer(texts)["input_ids"] for token in (*ids, end)]
    blocks = torch.tensor(stream[: len(stream) // POSITIONS * POSITIONS]).view(-1, POSITIONS)
    torch.manual_seed(seed)
    settings = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=POSITIONS,
        n_embd=192,
        n_layer=4,
        n_head=4,
        bos_token_id=end,
        eos_token_id=end,
    )
    model = GPT2LMHeadModel(settings)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    steps = epochs * -(-len(blocks) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps, pct_start=0.1
    )
    model.train()
    started = time.monotonic()
    for epoch in range(epochs):
        losses = []
        for rows in torch.randperm(len(blocks)).split(BATCH_SIZE):
            loss = model(input_ids=blocks[rows], labels=blocks[rows]).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        mean = sum(losses) / len(losses)
        seconds = time.monotonic() - started
        print(f"epoch {epoch + 1}: loss {mean:.3f} a token, {seconds:.0f} s", flush=True)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    print(f"{model.num_parameters():,} weights, {len(stream):,} tokens: {directory}")


if __name__ == "__main__":
    main()
