"""edgediff: one base model on the device, many tasks as tiny files."""

from edgediff.diff import Base, Diff, Head, Product, Task, TensorDiff
from edgediff.errors import EdgeDiffError, FormatError
from edgediff.format import dumps, loads, read_dpf, write_dpf

__all__ = [
    "Base",
    "Diff",
    "EdgeDiffError",
    "FormatError",
    "Head",
    "Product",
    "Task",
    "TensorDiff",
    "dumps",
    "loads",
    "read_dpf",
    "write_dpf",
]
