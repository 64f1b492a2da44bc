"""Plain data: what a diff, a task and a base are. Nothing here reads or writes a file."""

from edgediff.diff.base import Base, fingerprint
from edgediff.diff.compose import compose
from edgediff.diff.diff import Diff, Head, Product, TensorDiff, as_matrix
from edgediff.diff.glue import GLUE_TASKS
from edgediff.diff.task import Kind, Metric, Task

__all__ = [
    "GLUE_TASKS",
    "Base",
    "Diff",
    "Head",
    "Kind",
    "Metric",
    "Product",
    "Task",
    "TensorDiff",
    "as_matrix",
    "compose",
    "fingerprint",
]
