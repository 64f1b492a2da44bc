"""A task as a sparse diff over a frozen encoder: gates, cut, fixed mask."""

from edgediff.train.settings import Method, Precision, Settings
from edgediff.train.train import train

__all__ = ["Method", "Precision", "Settings", "train"]
