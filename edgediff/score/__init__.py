"""Labelled rows, and how well predictions fit them."""

from edgediff.score.metrics import Scores, predictions, score
from edgediff.score.rows import Rows, load_task, read_rows

__all__ = ["Rows", "Scores", "load_task", "predictions", "read_rows", "score"]
