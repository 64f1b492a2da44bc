"""A task as a sparse diff over a frozen encoder: choose, cut, tune."""

from edgediff.train.components import Component
from edgediff.train.extract import extract
from edgediff.train.settings import (
    Criterion,
    L0Form,
    Method,
    Precision,
    Settings,
    Shape,
    make_settings,
)
from edgediff.train.tasks import Job, read_tasks, train_tasks
from edgediff.train.train import train

__all__ = [
    "Component",
    "Criterion",
    "Job",
    "L0Form",
    "Method",
    "Precision",
    "Settings",
    "Shape",
    "extract",
    "make_settings",
    "read_tasks",
    "train",
    "train_tasks",
]
