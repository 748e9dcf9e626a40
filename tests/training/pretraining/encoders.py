"""Tiny encoders of several kinds, each with the tokenizer of tests.tiny."""

from pathlib import Path
from typing import Any

from tests import tiny

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": tiny.MAX_TOKENS,
}
KINDS: dict[str, dict[str, Any]] = {
    "Bert": SMALL,
    "DistilBert": {
        "dim": 32,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 64,
        "max_position_embeddings": tiny.MAX_TOKENS,
    },
    "Electra": SMALL | {"embedding_size": 16},
    "Roberta": SMALL | {"max_position_embeddings": tiny.MAX_TOKENS + 4, "pad_token_id": 0},
}


def write_encoder(directory: Path, base: Path, kind: str, *, head: str = "Model") -> Path:
    """Random weights of `kind`, with the tokenizer of the model in `base`.

    Args:
        head: "Model" for none, "ForMaskedLM", or another of transformers' classes.
    """
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    tokenizer.save_pretrained(directory)
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(vocab_size=len(tokenizer), **KINDS[kind])
    getattr(transformers, f"{kind}{head}")(config).save_pretrained(directory)
    return directory
