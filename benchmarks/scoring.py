"""The dev score of anything that gives logits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Task
from edgediff.runtime import Tokens
from edgediff.score import predictions, read_rows, score


def score_of(
    logits: Callable[[dict[str, NDArray[Any]]], NDArray[np.float32]], bundle: Path, task: Task, dev: Path
) -> float:
    """The task's metric over the labelled rows of `dev`; `logits` answers for the inputs of one feature."""
    rows = read_rows(dev, task)
    tokens = Tokens(bundle, task)
    features = tokens.features(rows.texts, rows.pairs)
    found = [logits(tokens.pad([feature]))[0] for feature in features]
    return score(task, predictions(task, found, rows, features), rows)[task.metric]
