"""MixUp: rows of training that are weighted means of two, in input and in target.

x = lam * T(x_i) + (1 - lam) * T(x_j) and y = lam * y_i + (1 - lam) * y_j, with lam drawn from
Beta(alpha, alpha) for each pair (Zhang et al. 2018, arXiv:1710.09412). Words cannot be averaged,
so T is what the model makes of them:

- `embeddings`: the input embeddings (wordMixup of Guo et al. 2019, arXiv:1905.08941);
- `hidden`: the output of hidden layer k (Verma et al. 2019, arXiv:1806.05236; for BERT, MixText
  of Chen et al. 2020, arXiv:2004.12239);
- `features`: what the classification head reads (senMixup of Guo et al. 2019).

Both members of a pair go through the model only as far as the place where they are mixed: at
the embeddings that is two look-ups and one forward pass; on the fly, where the partners are rows
of the same batch, there is one forward pass at every place.

Texts of different length: the shorter one is padded, and adds nothing (zeros, as Guo et al. pad)
where it has no token. From there on a position is attended to where any member of weight above 0
has a token: of the shorter text's mask alone, the longer one would lose its end while its target
still counted in full; and what both lack would only be noise.

Evaluation is never mixed: it happens in compute_loss of a model in training mode alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from training.config import AugmentationConfig, ConfigError

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor, nn
    from transformers import Trainer

    _Trainer = Trainer
else:
    _Trainer = object  # mixed into the Trainer; loading transformers here would take seconds

Place = Literal["embeddings", "hidden", "features"]

PARTNER = "mixup_"  # columns of a pair's second member: mixup_input_ids, mixup_labels, ...
LAM = "mixup_lam"
SECOND = "mixup_second"
# The first module of each head, in the order of looking: DistilBERT has pre_classifier as well.
HEADS = ("pre_classifier", "classifier", "score")


@dataclass(frozen=True)
class Pairs:
    """Which rows of a batch are mixed, and how much of each."""

    second: "Tensor"
    """Shape (batch,), int: the row, 0..rows-1, that is mixed into row i. The rows beyond `batch`
    are there only as partners."""
    lam: "Tensor"
    """Shape (batch,), float 0..1: the weight of row i; that of its partner is 1 - lam."""

    def mix(self, values: "Tensor") -> "Tensor":
        """Means, shape (batch, ...), of `values`, shape (rows, ...); lam = 1 gives row i itself."""
        lam = self._lam(values)
        mixed = lam * values[: len(self.lam)] + (1 - lam) * values[self.second]
        return mixed.to(values.dtype)

    def mix_mask(self, mask: "Tensor") -> "Tensor":
        """The union, shape (batch, ...), of the masks of the members whose weight is not 0.

        Args:
            mask: shape (rows, ...): 1 or True, or in an additive mask 0, where a token is seen.
        """
        import torch

        lam, own, other = self._lam(mask), mask[: len(self.lam)], mask[self.second]
        union = torch.maximum(own, other)
        return torch.where(lam == 1, own, torch.where(lam == 0, other, union))

    def _lam(self, like: "Tensor") -> "Tensor":
        return self.lam.view(-1, *[1] * (like.ndim - 1))


def draw_lam(count: int, *, alpha: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Shape (count,): weights from Beta(alpha, alpha), 0..1; small alpha draws near 0 and 1."""
    return rng.beta(alpha, alpha, size=count).astype(np.float32)


def draw_pairs(
    count: int, *, pairs: int, rows: int, alpha: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs out of `rows` rows that are themselves drawn out of `count`.

    With rows = 2 * pairs each row is used once; with fewer, the rows are shuffled and paired
    again until there are enough. No row is paired with itself.

    Args:
        rows: 0 draws from all.

    Returns:
        Row numbers, shape (pairs, 2), and lam, shape (pairs,).

    Raises:
        ConfigError: there are fewer rows than asked for, or fewer than two.
    """
    rows = rows or count
    if not 2 <= rows <= count:
        raise ConfigError(
            f"mixup_rows must lie between 2 and the {count} training rows, but it is {rows}. "
            "Lower --mixup-rows, or give 0 to draw from all."
        )
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(count)[:rows]
    rounds = [chosen[: rows - rows % 2].reshape(-1, 2)]
    while sum(map(len, rounds)) < pairs:
        rounds.append(rng.permutation(chosen)[: rows - rows % 2].reshape(-1, 2))
    drawn = np.concatenate(rounds)[:pairs]
    return drawn, draw_lam(pairs, alpha=alpha, rng=rng)


def add_pairs(dataset: "Dataset", config: AugmentationConfig, *, seed: int) -> "Dataset":
    """`dataset` and below it `mixup_pairs` rows that each hold two of its rows and their lam.

    The second member is in columns named mixup_..., which the other rows leave empty; `length`
    is that of the longer member.

    Args:
        dataset: tokenized rows with `input_ids`, `length` and `labels`.

    Raises:
        ConfigError: there are fewer rows than `mixup_rows`.
    """
    from datasets import concatenate_datasets

    drawn, lam = draw_pairs(
        len(dataset),
        pairs=config.mixup_pairs,
        rows=config.mixup_rows,
        alpha=config.mixup_alpha,
        seed=seed,
    )
    lengths = np.asarray(dataset["length"])[drawn].max(axis=1)
    members = dataset.remove_columns("length")
    first, second = (members.select(drawn[:, side]) for side in (0, 1))
    second = second.rename_columns({name: PARTNER + name for name in second.column_names})
    mixed = concatenate_datasets([first, second], axis=1)
    mixed = mixed.add_column(LAM, lam.astype(np.float64)).add_column("length", lengths)
    return concatenate_datasets([dataset, mixed])


class PairCollator:
    """Collates rows and, below them, the partners of those that have one.

    Adds `mixup_second` and `mixup_lam`, each of shape (rows,), to a batch that has partners.

    Args:
        collate: makes a padded batch of tensors out of a list of rows.
    """

    def __init__(self, collate: Any) -> None:
        self._collate = collate

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        import torch

        plain = [{key: row[key] for key in row if not key.startswith(PARTNER)} for row in rows]
        mixed = [number for number, row in enumerate(rows) if row.get(LAM) is not None]
        if not mixed:
            return self._collate(plain)
        partners = [
            {key: rows[number][PARTNER + key] for key in plain[number] if PARTNER + key in rows[0]}
            for number in mixed
        ]
        second, lam = torch.arange(len(rows)), torch.ones(len(rows))
        second[mixed] = torch.arange(len(rows), len(rows) + len(mixed))
        lam[mixed] = torch.tensor([rows[number][LAM] for number in mixed])
        batch = self._collate(plain + partners)
        batch[SECOND], batch[LAM] = second, lam
        return batch


def mixed_outputs(
    model: Any, inputs: Mapping[str, "Tensor"], pairs: Pairs, *, place: Place, layer: int = 1
) -> Any:
    """What `model` says of the mixed rows: `logits` of shape (batch, labels).

    Args:
        model: a sequence classifier of the BERT kind; peft's adapters and
            DistributedDataParallel may be around it.
        inputs: `input_ids`, `attention_mask` and, if the model has them, `token_type_ids`,
            each of shape (rows, tokens).
        layer: with place="hidden": after which layer, 1 is the first.

    Raises:
        ConfigError: the model has no such place.
    """
    classifier = _classifier(model)
    if place == "embeddings":
        return model(**_mixed_embeddings(classifier, inputs, pairs))
    with _mixing(classifier, inputs["attention_mask"], pairs, place=place, layer=layer):
        return model(**inputs)


def soft_targets(labels: "Tensor", pairs: Pairs, count: int) -> "Tensor":
    """Targets of shape (batch, count), each row summing to 1, from label ids of shape (rows,)."""
    from torch.nn.functional import one_hot

    return pairs.mix(one_hot(labels, count).float())


class Mixup(_Trainer):
    """Mixed in before Trainer: its training batches are mixed, its evaluation is not.

    With `mixup_pairs` the batches hold the pairs that add_pairs made, and PairCollator brings;
    without, every row of a batch is mixed with another, or by chance with itself. Permutation
    and weights are drawn from (seed, step, forward pass of the step, process) alone, so a resumed
    run draws what an undisturbed one would have.

    Args:
        augmentation: of which `mixup` is not "none".

    Raises:
        ConfigError: the model has no such place.
    """

    def __init__(self, *args: Any, augmentation: AugmentationConfig, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if augmentation.mixup == "none" or self.compute_loss_func or self.label_smoother:
            raise ConfigError(
                "The Mixup trainer needs a place to mix and has its own loss, but mixup is "
                f"{augmentation.mixup!r}, or a loss function or label smoothing was given. "
                "Leave them out, or use the plain Trainer."
            )
        self._place: Place = augmentation.mixup
        self._augmentation = augmentation
        self._forward_pass = (-1, 0)  # optimizer step, forward pass within it
        self._labels = _classifier(self.model).config.num_labels
        check_place(self.model, place=self._place, layer=augmentation.mixup_layer)
        self.data_collator = PairCollator(self.data_collator)
        # Ours is the mean of a forward pass, which the Trainer then divides by their number.
        self.loss_is_scaled_for_ga = False

    def compute_loss(
        self,
        model: "nn.Module",
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The cross entropy to the soft targets, the mean over the batch."""
        from torch.nn.functional import cross_entropy

        if not model.training:
            if LAM in inputs:
                raise ValueError(
                    "Evaluation takes rows as they are, but these hold pairs to mix. "
                    "Give the rows that add_pairs was given."
                )
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        inputs = dict(inputs)
        pairs = self._pairs(inputs)
        targets = soft_targets(inputs.pop("labels"), pairs, self._labels)
        outputs = mixed_outputs(
            model, inputs, pairs, place=self._place, layer=self._augmentation.mixup_layer
        )
        loss = cross_entropy(outputs.logits.float(), targets)
        return (loss, outputs) if return_outputs else loss

    def _pairs(self, inputs: dict[str, Any]) -> Pairs:
        import torch

        labels = inputs["labels"]
        if self._augmentation.mixup_pairs:
            everyone = torch.arange(len(labels), device=labels.device)
            second = inputs.pop(SECOND, everyone)
            return Pairs(second, inputs.pop(LAM, torch.ones(len(labels), device=labels.device)))
        step, number = self._forward_pass
        number = number + 1 if step == self.state.global_step else 0
        self._forward_pass = (self.state.global_step, number)
        rng = np.random.default_rng(
            (self.args.seed, self.state.global_step, number, self.args.process_index)
        )
        second = torch.from_numpy(rng.permutation(len(labels)))
        lam = torch.from_numpy(draw_lam(len(labels), alpha=self._augmentation.mixup_alpha, rng=rng))
        return Pairs(second.to(labels.device), lam.to(labels.device))

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        columns: Any = self._signature_columns
        if LAM not in columns:  # else the Trainer would drop the partners before they are collated
            columns += [PARTNER + name for name in columns] + [LAM]


def check_place(model: Any, *, place: Place, layer: int) -> None:
    """Whether `model` can be mixed there.

    Raises:
        ConfigError: it cannot.
    """
    classifier = _classifier(model)
    if place == "features":
        _head(classifier)
    if place == "hidden" and layer > (count := len(_layers(classifier))):
        raise ConfigError(
            f"mixup_layer must be one of the model's {count} layers, but it is {layer}. "
            f"Give --mixup-layer 1 to {count}."
        )


def _classifier(model: Any) -> Any:
    """The transformers model under what is around it."""
    model = getattr(model, "module", model)  # DistributedDataParallel
    return model.get_base_model() if hasattr(model, "get_base_model") else model  # peft


def _layers(classifier: Any) -> Any:
    from torch.nn import ModuleList

    count = classifier.config.num_hidden_layers
    for module in classifier.modules():
        if isinstance(module, ModuleList) and len(module) == count:
            return module
    raise ConfigError(
        "mixup=hidden needs a model whose layers stand in one list, as BERT's do, but it is "
        f"{type(classifier).__name__}. Give --mixup embeddings or features."
    )


def _head(classifier: Any) -> Any:
    for name in HEADS:
        if hasattr(classifier, name):
            return getattr(classifier, name)
    raise ConfigError(
        f"mixup=features needs a model whose head is named {', '.join(HEADS)}, but it is "
        f"{type(classifier).__name__}. Give --mixup embeddings or hidden."
    )


def _mixed_embeddings(
    classifier: Any, inputs: Mapping[str, "Tensor"], pairs: Pairs
) -> dict[str, "Tensor"]:
    mask = inputs["attention_mask"]
    words = classifier.get_input_embeddings()(inputs["input_ids"]) * mask.unsqueeze(-1)
    mixed = {"inputs_embeds": pairs.mix(words), "attention_mask": pairs.mix_mask(mask)}
    if "token_type_ids" not in inputs:
        return mixed
    # The model adds one segment's vector to each position, so of the partner's, where it is in
    # another segment, the difference is added here. Where a member is padded, it has no say.
    own, other = (
        (inputs["token_type_ids"][rows], mask[rows].bool())
        for rows in (slice(len(pairs.lam)), pairs.second)
    )
    first, second = own[0].where(own[1], other[0]), other[0].where(other[1], own[0])
    mixed["token_type_ids"] = first
    if segments := _segments(classifier):
        lam = pairs.lam.view(-1, 1, 1)
        mixed["inputs_embeds"] += (1 - lam) * (segments(second) - segments(first))
    return mixed


def _segments(classifier: Any) -> Any:
    """The table of segment embeddings; DistilBERT, for one, has none."""
    return next(
        (
            module
            for name, module in classifier.named_modules()
            if name.split(".")[-1] == "token_type_embeddings"
        ),
        None,
    )


@contextmanager
def _mixing(
    classifier: Any, mask: "Tensor", pairs: Pairs, *, place: Place, layer: int
) -> Iterator[None]:
    """While it is open, a forward pass of `rows` rows goes on with `batch` from the place on."""

    def mix_features(module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return pairs.mix(args[0]), *args[1:]

    def mix_hidden(module: Any, args: tuple[Any, ...], output: Any) -> Any:
        whole = output if isinstance(output, tuple) else (output,)
        mixed = pairs.mix(whole[0] * mask.unsqueeze(-1).to(whole[0].dtype))
        return (mixed, *whole[1:]) if isinstance(output, tuple) else mixed

    def mix_attention(
        module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The second argument of a layer, or the one named so; None where all tokens are seen."""
        if kwargs.get("attention_mask") is not None:
            kwargs = kwargs | {"attention_mask": pairs.mix_mask(kwargs["attention_mask"])}
        elif len(args) > 1 and args[1] is not None:
            args = (args[0], pairs.mix_mask(args[1]), *args[2:])
        return args, kwargs

    handles = []
    try:
        if place == "features":
            handles.append(_head(classifier).register_forward_pre_hook(mix_features))
        else:
            layers = _layers(classifier)
            handles.append(layers[layer - 1].register_forward_hook(mix_hidden))
            for later in layers[layer:]:
                handles.append(later.register_forward_pre_hook(mix_attention, with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
