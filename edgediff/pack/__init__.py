"""What to keep and how many bits to give it: from an exact diff to one that a `.dpf` file can hold."""

from edgediff.pack.budget import fit, largest_count, worthiest
from edgediff.pack.factors import FACTOR_BITS, onto_steps
from edgediff.pack.mixed import top_mixed
from edgediff.pack.pack import pack
from edgediff.pack.quantise import quantise
from edgediff.pack.select import top_k, top_rows

__all__ = [
    "FACTOR_BITS",
    "fit",
    "largest_count",
    "onto_steps",
    "pack",
    "quantise",
    "top_k",
    "top_mixed",
    "top_rows",
    "worthiest",
]
