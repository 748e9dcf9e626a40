"""What each token adds to what a torch model says: integrated gradients, by captum.

Sundararajan et al. (2017, arXiv:1703.01365), from padding tokens to the text's own. The embeddings
go in as the model's input, not through captum's LayerIntegratedGradients: that hooks into the layer
of the model that serves, where other threads' texts pass as well.
"""

from typing import Any

import numpy as np
import torch

from classifier.engines import TokenGradients
from classifier.exceptions import ExplanationUnavailable
from classifier.messages import message

# Points on the way. The amounts must sum to how far the log odds went; where they miss that by more
# than a tenth, the way is steep somewhere and is walked in shorter steps.
STEPS = (32, 128)
_ENOUGH = 0.1
_TOGETHER = 8  # points in one pass, for memory


def require_captum() -> None:
    """
    Raises:
        ExplanationUnavailable: captum is not installed.
    """
    try:
        import captum.attr  # noqa: F401
    except ImportError as error:
        raise ExplanationUnavailable(
            code="captum_missing",
            rule=message(
                "Gradients are followed by captum, which the site does without otherwise."
            ),
            value=message("it is not installed"),
            remedy=message(
                "Install it: {command}", command=".venv/bin/pip install -r requirements-captum.txt"
            ),
        ) from error


def token_gradients(model: Any, encoded: Any, *, label: int, padding: int) -> TokenGradients:
    """Follow one window.

    Args:
        model: a sequence classifier.
        encoded: the window as its tokenizer gives it with special_tokens_mask and
            offset_mapping, tensors of shape (1, tokens) on the model's device.
        label: the output that is explained.
        padding: id of the token that says nothing.
    """
    from captum.attr import IntegratedGradients

    inputs = dict(encoded)
    places = [(int(start), int(end)) for start, end in inputs.pop("offset_mapping")[0]]
    special = inputs.pop("special_tokens_mask").bool()
    ids = inputs.pop("input_ids")
    embed = model.get_input_embeddings()

    def margins(embeddings: torch.Tensor) -> torch.Tensor:
        """Log odds of the label, shape (batch,)."""
        rows = {name: value.expand(len(embeddings), -1) for name, value in inputs.items()}
        logits = model(inputs_embeds=embeddings, **rows).logits[:, : model.config.num_labels]
        odds = logits.float().log_softmax(dim=-1)
        others = [index for index in range(odds.shape[1]) if index != label]
        margin: torch.Tensor = odds[:, label] - odds[:, others].logsumexp(dim=-1)
        return margin

    with torch.no_grad():
        own = embed(ids)
        nothing = embed(torch.where(special, ids, padding))
        ends = margins(torch.cat([nothing, own])).double().cpu().numpy()
        logits = model(input_ids=ids, **inputs).logits[0, : model.config.num_labels]
    went = float(ends[1] - ends[0])
    for steps in STEPS:
        followed = IntegratedGradients(margins).attribute(
            own, baselines=nothing, n_steps=steps, internal_batch_size=_TOGETHER
        )
        amounts = followed[0].double().sum(dim=-1).cpu().numpy()
        if abs(amounts.sum() - went) <= _ENOUGH * abs(went):
            break
    words = ~special[0].cpu().numpy()
    return TokenGradients(
        places=[place for place, word in zip(places, words, strict=True) if word],
        amounts=np.asarray(amounts[words]),
        logits=logits.double().cpu().numpy(),
        tokens=len(places),
        margin=float(ends[1]),
        margin_of_nothing=float(ends[0]),
    )
