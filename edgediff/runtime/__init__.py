"""A base bundle and a diff to answers, on stock onnxruntime."""

from edgediff.runtime.answer import Answer, run
from edgediff.runtime.evaluate import Evaluation, eval
from edgediff.runtime.open_base import BaseTask, OpenBase, open_base
from edgediff.runtime.session import SessionTask, load_session
from edgediff.runtime.tokens import Tokens

__all__ = [
    "Answer",
    "BaseTask",
    "Evaluation",
    "OpenBase",
    "SessionTask",
    "Tokens",
    "eval",
    "load_session",
    "open_base",
    "run",
]
