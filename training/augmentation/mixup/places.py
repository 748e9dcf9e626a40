"""The places in a model where rows are mixed.

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
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from training.augmentation.mixup.pairs import Pairs
from training.config import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Place = Literal["embeddings", "hidden", "features"]

# The first module of each head, in the order of looking: DistilBERT has pre_classifier as well.
HEADS = ("pre_classifier", "classifier", "score")


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
    classifier = classifier_of(model)
    if place == "embeddings":
        return model(**_mixed_embeddings(classifier, inputs, pairs))
    with _mixing(classifier, inputs["attention_mask"], pairs, place=place, layer=layer):
        return model(**inputs)


def check_place(model: Any, *, place: Place, layer: int) -> None:
    """Whether `model` can be mixed there.

    Raises:
        ConfigError: it cannot.
    """
    classifier = classifier_of(model)
    if place == "features":
        _head(classifier)
    if place == "hidden" and layer > (count := len(_layers(classifier))):
        raise ConfigError(
            f"mixup_layer must be one of the model's {count} layers, but it is {layer}. "
            f"Give --mixup-layer 1 to {count}."
        )


def classifier_of(model: Any) -> Any:
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
    own, other = pairs.members(inputs["token_type_ids"])
    own_seen, other_seen = pairs.members(mask.bool())
    first, second = own.where(own_seen, other), other.where(other_seen, own)
    mixed["token_type_ids"] = first
    if segments := _segments(classifier):
        difference = segments(second) - segments(first)
        mixed["inputs_embeds"] += (1 - pairs.lam_like(difference)) * difference
    return mixed


def _segments(classifier: Any) -> Any:
    """The table of segment embeddings; DistilBERT, for one, has none."""
    for name, module in classifier.named_modules():
        if name.split(".")[-1] == "token_type_embeddings":
            return module
    return None


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

    with ExitStack() as hooks:  # torch removes each when its context ends
        if place == "features":
            hooks.enter_context(_head(classifier).register_forward_pre_hook(mix_features))
        else:
            layers = _layers(classifier)
            hooks.enter_context(layers[layer - 1].register_forward_hook(mix_hidden))
            for later in layers[layer:]:
                hook = later.register_forward_pre_hook(mix_attention, with_kwargs=True)
                hooks.enter_context(hook)
        yield
