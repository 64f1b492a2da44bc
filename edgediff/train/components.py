"""The kinds of parameters of an encoder, by their names."""

from enum import StrEnum


class Component(StrEnum):
    """A kind of parameter; every parameter is of exactly one."""

    EMBEDDINGS = "embeddings"
    LAYERNORM = "layernorm"
    POOLER = "pooler"
    BIAS = "bias"
    ATTENTION = "attention"
    FFN = "ffn"


def component_of(name: str) -> Component:
    """What kind of parameter `name` is, as Hugging Face's encoders name theirs."""
    lower = name.lower()
    if "layernorm" in lower or "layer_norm" in lower:
        return Component.LAYERNORM
    if "embedding" in lower:
        return Component.EMBEDDINGS
    if lower.startswith("pooler."):
        return Component.POOLER
    if lower.endswith(".bias"):
        return Component.BIAS
    return Component.ATTENTION if "attention" in lower else Component.FFN
