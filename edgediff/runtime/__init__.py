"""A base bundle and a diff to answers, on stock onnxruntime."""

from edgediff.runtime.answer import Answer, run
from edgediff.runtime.evaluate import Evaluation, eval
from edgediff.runtime.session import SessionTask, load_session
from edgediff.runtime.tokens import Tokens

__all__ = ["Answer", "Evaluation", "SessionTask", "Tokens", "eval", "load_session", "run"]
