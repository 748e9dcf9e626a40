"""Sequence classifiers as graphs that read one text, without padding, and no more than it needs.

Only the first token of the last layer reaches the head, so the last layer is computed for that
token alone: keys and values of all tokens, and query, feed-forward and norms of one. The logits
are those of the whole model.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


class NotExportable(Exception):
    """No graph can be made of a model; the message says why."""


@dataclass(frozen=True)
class Layer:
    """The parts of one post-norm encoder layer, whatever its family calls them."""

    query: nn.Module
    key: nn.Module
    value: nn.Module
    attended: nn.Module
    """Linear map of what the heads give."""
    attention_norm: nn.Module
    widen: nn.Module
    activation: Callable[[Tensor], Tensor]
    narrow: nn.Module
    output_norm: nn.Module


class MultiHeadAttention(torch.autograd.Function):
    """ONNX Runtime's fused attention; softmax(QKᵀ/√d)V over all tokens, no mask.

    Shapes: queries (1, m, width), keys and values (1, n, width), result (1, m, width).
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        def split(tensor: Tensor) -> Tensor:
            return tensor.unflatten(-1, (heads, -1)).transpose(1, 2)

        read = nn.functional.scaled_dot_product_attention(split(query), split(key), split(value))
        return read.transpose(1, 2).flatten(-2)

    @staticmethod
    def symbolic(graph: Any, query: Any, key: Any, value: Any, heads: int) -> Any:
        attention = graph.op(
            "com.microsoft::MultiHeadAttention", query, key, value, num_heads_i=heads
        )
        return attention.setType(query.type())


class FirstTokenGraph(nn.Module):
    """An encoder of BERT's kind with its head; inputs are token ids and, where read, their types.

    Shapes: (1, tokens) int64 each; the logits are (1, labels) float32.
    """

    def __init__(
        self,
        model: nn.Module,
        embeddings: nn.Module,
        layers: list[Layer],
        heads: int,
        head: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.model = model  # the owner of all the parts' weights, of which unused ones are left out
        self.embeddings = embeddings
        self.layers = layers
        self.apart = nn.ModuleList()  # parts that took the place of the model's
        self._heads = heads
        self._head = head

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        hidden = self.embeddings(input_ids, token_type_ids)
        for layer in self.layers[:-1]:
            hidden = self._run(layer, hidden, hidden)
        return self._head(self._run(self.layers[-1], hidden[:, :1], hidden))

    def _run(self, layer: Layer, asking: Tensor, hidden: Tensor) -> Tensor:
        read = MultiHeadAttention.apply(  # type: ignore[no-untyped-call]
            layer.query(asking), layer.key(hidden), layer.value(hidden), self._heads
        )
        attended = layer.attention_norm(layer.attended(read) + asking)
        return layer.output_norm(layer.narrow(layer.activation(layer.widen(attended))) + attended)


class WholeGraph(nn.Module):
    """Any other classifier of transformers, as it stands, on one text without padding."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self._model(input_ids, attention_mask=torch.ones_like(input_ids), **types).logits


class StarGraph(nn.Module):
    """A graph of a widened model, its outputs apart: of the labels, and of the stars."""

    def __init__(self, graph: nn.Module, labels: int) -> None:
        super().__init__()
        self._graph = graph
        self._labels = labels

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self._graph(*inputs)
        return outputs[:, : self._labels], outputs[:, self._labels :]


class Embeddings(nn.Module):
    """Words, positions in their order, and types where the model has several; normed."""

    def __init__(self, parts: Any, *, by_type: bool, project: nn.Module | None = None) -> None:
        super().__init__()
        # The largest part of a small model; half precision is finer than 8 bits later on.
        self._words = nn.Parameter(parts.word_embeddings.weight.half(), requires_grad=False)
        self._norm = parts.LayerNorm
        self._project = project
        self._types = parts.token_type_embeddings if by_type else None
        places = parts.position_embeddings.weight.detach().clone()
        if not by_type and hasattr(parts, "token_type_embeddings"):
            places += parts.token_type_embeddings.weight[0]
        self.places = nn.Parameter(places, requires_grad=False)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None) -> Tensor:
        hidden = self._words[input_ids].float() + self._placed(input_ids)
        if self._types is not None:
            hidden = hidden + self._types(token_type_ids)
        hidden = self._norm(hidden)
        return hidden if self._project is None else self._project(hidden)

    def _placed(self, input_ids: Tensor) -> Tensor:
        return self.places[: input_ids.shape[1]]


class RobertaEmbeddings(Embeddings):
    """Positions count from behind the padding token's id, and only tokens that are not it."""

    def __init__(self, parts: Any, *, by_type: bool) -> None:
        super().__init__(parts, by_type=by_type)
        self._padding = int(parts.padding_idx)

    def _placed(self, input_ids: Tensor) -> Tensor:
        # A text may hold the padding token itself, as in "<pad>".
        counted = input_ids.ne(self._padding).long()
        return self.places[torch.cumsum(counted, dim=1) * counted + self._padding]


def graph_of(model: Any) -> nn.Module:
    """The graph of a loaded classifier, in evaluation mode.

    Raises:
        NotExportable: the model is no encoder that reads a text at once.
    """
    config = model.config
    if getattr(config, "is_decoder", False):
        raise NotExportable("it is a decoder")
    if config.num_labels < 2:
        raise NotExportable("it has one output, which is no label")
    build = FAMILIES.get(config.model_type)
    return (build(model) if build else WholeGraph(model)).eval()


def reads_types(model: Any) -> bool:
    """Whether the tokens' types, first or second text, are an input of the model."""
    return bool(getattr(model.config, "type_vocab_size", 0) > 1)


def _bert(model: Any) -> nn.Module:
    encoder = model.bert
    return FirstTokenGraph(
        model,
        Embeddings(encoder.embeddings, by_type=reads_types(model)),
        list(_bert_layers(encoder)),
        model.config.num_attention_heads,
        lambda hidden: model.classifier(encoder.pooler(hidden)),
    )


def _roberta(model: Any) -> nn.Module:
    return FirstTokenGraph(
        model,
        RobertaEmbeddings(model.roberta.embeddings, by_type=reads_types(model)),
        list(_bert_layers(model.roberta)),
        model.config.num_attention_heads,
        model.classifier,
    )


def _electra(model: Any) -> nn.Module:
    encoder = model.electra
    project = getattr(encoder, "embeddings_project", None)
    return FirstTokenGraph(
        model,
        Embeddings(encoder.embeddings, by_type=reads_types(model), project=project),
        list(_bert_layers(encoder)),
        model.config.num_attention_heads,
        model.classifier,
    )


def _distilbert(model: Any) -> nn.Module:
    layers = [
        Layer(
            query=layer.attention.q_lin,
            key=layer.attention.k_lin,
            value=layer.attention.v_lin,
            attended=layer.attention.out_lin,
            attention_norm=layer.sa_layer_norm,
            widen=layer.ffn.lin1,
            activation=layer.ffn.activation,
            narrow=layer.ffn.lin2,
            output_norm=layer.output_layer_norm,
        )
        for layer in model.distilbert.transformer.layer
    ]
    return FirstTokenGraph(
        model,
        Embeddings(model.distilbert.embeddings, by_type=False),
        layers,
        model.config.n_heads,
        lambda hidden: model.classifier(torch.relu(model.pre_classifier(hidden[:, 0]))),
    )


def _bert_layers(encoder: Any) -> Iterator[Layer]:
    for layer in encoder.encoder.layer:
        reading = layer.attention.self
        yield Layer(
            query=reading.query,
            key=reading.key,
            value=reading.value,
            attended=layer.attention.output.dense,
            attention_norm=layer.attention.output.LayerNorm,
            widen=layer.intermediate.dense,
            activation=layer.intermediate.intermediate_act_fn,
            narrow=layer.output.dense,
            output_norm=layer.output.LayerNorm,
        )


FAMILIES: dict[str, Callable[[Any], nn.Module]] = {
    "bert": _bert,
    "camembert": _roberta,
    "distilbert": _distilbert,
    "electra": _electra,
    "roberta": _roberta,
    "xlm-roberta": _roberta,
}
