"""More rows of the smallest classes, written by a causal language model tuned with P-tuning.

For each class that needs rows a prompt encoder (Liu et al. 2021, arXiv:2103.10385; peft's
PromptEncoder) learns a few virtual tokens that make the frozen language model continue as that
class does: after a passage with the question whose answer the class is, or, where texts stand
alone, with a text of the class. Then it writes by nucleus sampling (Holtzman et al. 2020,
arXiv:1904.09751).

What is written is not checked for truth by anyone: read the rows before they are trained on.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from classifier.exceptions import InvalidText
from classifier.texts import clean_review_text
from training.augmentation.balance import rows_wanted
from training.config import ConfigError
from training.data.reading import DataError
from training.hub import HubError, require_on_hub

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

VIRTUAL_TOKENS = 20
ENCODER_SIZE = 128
LEARNING_RATE = 3e-3  # of the prompt encoder, far above what weights of the model would bear
BATCH_SIZE = 8
ATTEMPTS = 10  # texts written for each row that is wanted, at most
MAX_TARGET_TOKENS = 128
TOP_P = 0.95
SEPARATOR = "\n"  # between passage and question


@dataclass(frozen=True)
class Generator:
    """A causal language model, and where it came from."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    name: str
    revision: str
    """The commit on the Hub, or the SHA-256 of a directory's weights."""

    def room(self) -> int:
        """Tokens of text that fit beside the virtual ones."""
        limit = getattr(self.model.config, "max_position_embeddings", None) or 1024
        return int(limit) - VIRTUAL_TOKENS


def load_generator(source: str, *, device: str) -> Generator:
    """The language model in a directory or on the Hub.

    Args:
        device: "cpu", "cuda", or "auto" for the accelerator where there is one.

    Raises:
        ConfigError: there is none, or its context is too short to write in.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if device == "auto":
        found = torch.accelerator.current_accelerator(check_available=True)
        device = found.type if found else "cpu"
    try:
        require_on_hub(source, "model")
        model: Any = AutoModelForCausalLM.from_pretrained(source, use_safetensors=True)
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (HubError, OSError, ValueError) as error:
        raise ConfigError(
            "generator_model must be a directory or a Hub id of a causal language model with "
            f"safetensors that can be reached, but it is {source!r} "
            f"({str(error).splitlines()[0]}). Check --generator-model."
        ) from error
    if tokenizer.eos_token_id is None:
        raise ConfigError(
            "generator_model must have an end-of-text token, with which a row ends, but the "
            f"tokenizer of {source!r} has none. Give another --generator-model."
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    generator = Generator(
        model=model.to(device).eval(),
        tokenizer=tokenizer,
        name=Path(source).name if Path(source).is_dir() else source,
        revision=_revision(source, model),
    )
    if generator.room() < 16:
        raise ConfigError(
            f"generator_model needs {VIRTUAL_TOKENS + 16} positions or more, but {source!r} has "
            f"{generator.room() + VIRTUAL_TOKENS}. Give another --generator-model."
        )
    return generator


def _revision(source: str, model: Any) -> str:
    if not Path(source).is_dir():
        return str(model.config._commit_hash)
    digest = hashlib.sha256()
    for file in sorted(Path(source).glob("*.safetensors")):
        with file.open("rb") as weights:
            digest.update(hashlib.file_digest(weights, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


def generate_rows(
    frame: pd.DataFrame, *, rows: int, seed: int, model: str, epochs: float, device: str = "auto"
) -> pd.DataFrame:
    """New rows of the smallest classes, written by `model`.

    A question is written to a passage drawn from all of `frame`, so that a passage does not
    give its answer away. What is empty, shorter or longer than any text of its class, or a copy
    of a text of `frame` or of another generated one, is thrown away.

    Args:
        frame: training rows with `text`, `label` and, for pairs, `text_pair`.
        rows: how many, each for the class that is the smallest by then; 0 brings every class
            to the size of the largest.
        model: a directory or a Hub id.
        epochs: passes of the prompt encoder over the rows of its class.

    Returns:
        The new rows alone, with `text`, `label`, `text_pair` if `frame` has it, and `generated_by`
        ("p_tuning"), `source_row` (position in `frame` of the row with the passage; -1 for
        texts that stand alone, which are written out of nothing), `generator_model`,
        `generator_revision` and `generator_seed`.

    Raises:
        ConfigError: there is no such model.
        DataError: after ten attempts a row there are still too few.
    """
    wanted = rows_wanted(frame["label"].to_numpy(), rows)
    if not wanted:
        return frame.head(0).assign(generated_by="", source_row=np.int64(-1))
    generator = load_generator(model, device=device)
    parts = []
    for label, count in wanted.items():
        with _own_draws(generator.model.device, (seed, label)) as rng:
            writer = _Writer(generator, frame, label, rng)
            writer.learn(epochs)
            parts.append(writer.write(count))
    generated = pd.concat(parts, ignore_index=True)
    return generated.assign(
        generated_by="p_tuning",
        generator_model=generator.name,
        generator_revision=generator.revision,
        generator_seed=seed,
    )


@contextmanager
def _own_draws(device: Any, key: Sequence[int]) -> Iterator[np.random.Generator]:
    """peft's and generate's draws come from `key`; torch's global generators stay untouched."""
    import torch

    rng = np.random.default_rng(key)
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(rng.integers(2**31)))
        yield rng


class _Writer:
    """The language model with the prompt of one class."""

    def __init__(
        self, generator: Generator, frame: pd.DataFrame, label: int, rng: np.random.Generator
    ) -> None:
        from peft import PromptEncoderConfig, get_peft_model

        self._tokenizer: Any = generator.tokenizer
        self._rng = rng
        self._label = label
        self._frame = frame
        self._paired = "text_pair" in frame
        self._own = np.flatnonzero(frame["label"] == label)
        self._model: Any = get_peft_model(
            generator.model,
            PromptEncoderConfig(
                task_type="CAUSAL_LM",
                num_virtual_tokens=VIRTUAL_TOKENS,
                encoder_hidden_size=ENCODER_SIZE,
            ),
        )
        targets = [self._target(int(row)) for row in self._own]
        self._target_limit = min(
            MAX_TARGET_TOKENS, generator.room() // 2, max(len(ids) for ids in targets)
        )
        self._source_limit = generator.room() - self._target_limit
        lengths = frame["text"].iloc[self._own].str.len()
        self._shortest, self._longest = int(lengths.min()), int(lengths.max())

    def _target(self, row: int) -> list[int]:
        ids = self._tokenizer(str(self._frame["text"].iloc[row]), add_special_tokens=False)
        return [*ids["input_ids"], self._tokenizer.eos_token_id]

    def _source(self, row: int) -> list[int]:
        """The beginning of the passage that fits, or the token that begins a text."""
        if not self._paired:
            start = self._tokenizer.bos_token_id
            return [self._tokenizer.eos_token_id if start is None else start]
        separator = self._tokenizer(SEPARATOR, add_special_tokens=False)["input_ids"]
        separator = separator or [self._tokenizer.eos_token_id]
        passage = self._tokenizer(
            str(self._frame["text_pair"].iloc[row]),
            add_special_tokens=False,
            truncation=True,
            max_length=self._source_limit - len(separator),
        )["input_ids"]
        return [*passage, *separator]

    def learn(self, epochs: float) -> None:
        """Move the prompt, and it alone, towards the texts of the class."""
        import torch

        prompt = [weight for weight in self._model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(prompt, lr=LEARNING_RATE)
        steps = max(1, round(epochs * len(self._own) / BATCH_SIZE))
        schedule = torch.optim.lr_scheduler.LinearLR(
            optimizer, start_factor=1.0, end_factor=1 / steps, total_iters=steps
        )
        self._model.train()
        for rows in self._batches(self._own, steps):
            loss = self._model(**self._lesson(rows)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(prompt, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        self._model.eval()
        logger.info("Prompt of label %s: %s steps, loss %.3f", self._label, steps, loss.item())

    def write(self, count: int) -> pd.DataFrame:
        """`count` rows that pass, or an error."""
        taken = {_folded(text) for text in self._frame["text"]}
        made: list[dict[str, Any]] = []
        refused: Counter[str] = Counter()
        rows = self._batches(np.arange(len(self._frame)), -(-count * ATTEMPTS // BATCH_SIZE))
        for batch in rows:
            for row, written in zip(batch, self._continue(batch), strict=True):
                text, why = self._judge(written, taken)
                if why:
                    refused[why] += 1
                    continue
                taken.add(_folded(text))
                made.append(self._row(text, row))
            if len(made) >= count:
                return pd.DataFrame(made[:count])
        reasons = ", ".join(f"{number} {why}" for why, number in refused.most_common())
        raise DataError(
            f"The generator must write {count} usable rows of label {self._label}, but in "
            f"{len(made) + refused.total()} attempts it wrote {len(made)} ({reasons}). Raise "
            "--generator-epochs, give a larger --generator-model, or lower --generated-rows."
        )

    def _row(self, text: str, source: int) -> dict[str, Any]:
        row: dict[str, Any] = {"text": text, "label": self._label}
        if self._paired:
            row["text_pair"] = self._frame["text_pair"].iloc[source]
        return row | {"source_row": int(source) if self._paired else -1}

    def _judge(self, written: str, taken: set[str]) -> tuple[str, str]:
        """The text, and why it is refused, or ""."""
        try:
            text = clean_review_text(" ".join(written.split()))
        except InvalidText:
            return "", "empty"
        if not self._shortest <= len(text) <= self._longest:
            return text, "too short or too long"
        return text, "copies" if _folded(text) in taken else ""

    def _batches(self, rows: Any, count: int) -> Iterator[list[int]]:
        """`count` batches of row numbers that use each row equally often, shuffled."""
        waiting: list[int] = []
        for _ in range(count):
            while len(waiting) < BATCH_SIZE:
                waiting += self._rng.permutation(rows).tolist()
            yield waiting[:BATCH_SIZE]
            waiting = waiting[BATCH_SIZE:]

    def _lesson(self, rows: list[int]) -> dict[str, Any]:
        """Source and target in a row; the loss counts the target alone."""
        import torch

        pairs = [(self._source(row), self._target(row)[: self._target_limit]) for row in rows]
        width = max(len(source) + len(target) for source, target in pairs)
        ids = torch.full((len(rows), width), self._tokenizer.pad_token_id)
        labels = torch.full((len(rows), width), -100)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for row, (source, target) in enumerate(pairs):
            end = len(source) + len(target)
            ids[row, :end] = torch.tensor(source + target)
            labels[row, len(source) : end] = torch.tensor(target)
            mask[row, :end] = 1
        lesson = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        return {key: tensor.to(self._model.device) for key, tensor in lesson.items()}

    def _continue(self, rows: list[int]) -> list[str]:
        """What the model writes after the prompt and the source of each row.

        peft's own generate would put the padding between prompt and source and count it as
        positions, which the prompt was not trained for; here it stands before both.
        """
        import torch

        with torch.inference_mode():
            prompts = self._model.get_prompt(batch_size=len(rows))
            device = prompts.device
            starts = [
                torch.cat(
                    [
                        prompt,
                        self._model.word_embeddings(torch.tensor(self._source(row)).to(device)),
                    ]
                )
                for prompt, row in zip(prompts, rows, strict=True)
            ]
            width = max(map(len, starts))
            embeddings = torch.zeros((len(rows), width, prompts.shape[-1]), device=device)
            mask = torch.zeros((len(rows), width), dtype=torch.long, device=device)
            for row, start in enumerate(starts):
                embeddings[row, width - len(start) :] = start
                mask[row, width - len(start) :] = 1
            ids = self._model.get_base_model().generate(
                inputs_embeds=embeddings.to(self._model.dtype),
                attention_mask=mask,
                max_new_tokens=self._target_limit,
                do_sample=True,
                top_p=TOP_P,
                top_k=0,
                pad_token_id=self._tokenizer.pad_token_id,
                eos_token_id=self._tokenizer.eos_token_id,
            )
        written: list[str] = self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return written


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
