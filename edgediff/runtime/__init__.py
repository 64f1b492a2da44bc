"""A base bundle and a diff to answers, on stock onnxruntime."""

from edgediff.runtime.answer import Answer, LabelledWord, LabelledWords
from edgediff.runtime.doctor import Verdict, doctor
from edgediff.runtime.evaluate import Evaluation, eval
from edgediff.runtime.open_base import OpenBase, open_base, run
from edgediff.runtime.session import SessionTask, load_session
from edgediff.runtime.tasks import BaseTask
from edgediff.runtime.tokens import Tokens
from edgediff.tokens import Span

__all__ = [
    "Answer",
    "BaseTask",
    "Evaluation",
    "LabelledWord",
    "LabelledWords",
    "OpenBase",
    "SessionTask",
    "Span",
    "Tokens",
    "Verdict",
    "doctor",
    "eval",
    "load_session",
    "open_base",
    "run",
]
