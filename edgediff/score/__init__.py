"""Labelled rows, and how well predictions fit them."""

from edgediff.score.labels import Answers
from edgediff.score.metrics import Scores, score
from edgediff.score.predict import predictions
from edgediff.score.rows import Rows, read_rows
from edgediff.score.task_file import load_task

__all__ = ["Answers", "Rows", "Scores", "load_task", "predictions", "read_rows", "score"]
