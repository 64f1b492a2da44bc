"""`edgediff eval`: the score of a packed task on onnxruntime."""

import time
from dataclasses import dataclass
from pathlib import Path

from edgediff.format.bundle import read_manifest
from edgediff.runtime.answer import feature_logits
from edgediff.runtime.session import load_session, read_fitting
from edgediff.runtime.tokens import Tokens
from edgediff.score import Scores, predictions, read_rows, score


@dataclass(frozen=True)
class Evaluation:
    """How well a task does on labelled rows.

    Attributes:
        metric: the task's own metric.
        score: its value.
        scores: every metric that GLUE reports for such a task, the task's own among them.
        rows: how many rows were scored.
        seconds: from tokens to the last logits, without loading anything.
    """

    metric: str
    score: float
    scores: Scores
    rows: int
    seconds: float


def eval(base: str | Path, dpf: str | Path, data: str | Path) -> Evaluation:
    """Score the task of `dpf` on the labelled file `data`, on onnxruntime with the base bundle `base`.

    Raises:
        BundleError, FormatError, BaseMismatchError: as `load_session`.
        DataError: the labelled file cannot be read or does not fit the task.
    """
    diff = read_fitting(read_manifest(base), dpf, f"{base}")
    rows = read_rows(data, diff.task)
    session, task = load_session(base, diff)
    tokens = Tokens(base, diff.task)
    started = time.perf_counter()
    features = tokens.features(rows.texts, rows.pairs)
    logits = feature_logits(session, task, tokens, features)
    seconds = time.perf_counter() - started
    scores = score(diff.task, predictions(diff.task, logits, rows, features), rows)
    return Evaluation(diff.task.metric, scores[diff.task.metric], scores, len(rows), seconds)
