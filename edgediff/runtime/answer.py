"""Texts to answers: tokenise, run, name the labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.diff import Kind, Task
from edgediff.errors import DataError, TaskError
from edgediff.runtime.session import SessionTask, load_session
from edgediff.runtime.tokens import Tokens
from edgediff.tokens import Feature

BATCH_ROWS = 32


@dataclass(frozen=True)
class Answer:
    """What a task says of one text.

    Attributes:
        label: the most likely label, the labels more likely than not for multi-label tasks, or the predicted
            number for regression.
        scores: a probability for each label (adding up to 1 but for multi-label tasks); empty for regression.
    """

    label: str | float | list[str]
    scores: dict[str, float]


def run(
    base: str | Path, dpf: str | Path, texts: Sequence[str], pairs: Sequence[str] | None = None
) -> list[Answer]:
    """Answer for each of `texts`, or for each pair of `texts` and `pairs`.

    Raises:
        BundleError, FormatError, BaseMismatchError: as `load_session`.
        DataError: the task takes one text and got pairs, or the other way round.
        TaskError: a kind of task whose answers are not texts' labels or numbers.
    """
    session, task = load_session(base, dpf)
    check_texts(task.definition, pairs is not None)
    tokens = Tokens(base, task.definition)
    logits = feature_logits(session, task, tokens, tokens.features(texts, pairs))
    return [answer(task.definition, row) for row in logits]


def check_texts(task: Task, paired: bool) -> None:
    """Check that a task for one text gets one, and a task for two gets two.

    Raises:
        DataError: it does not.
        TaskError: the task's kind has no answer for a whole text.
    """
    if task.per_token:
        raise TaskError(
            f"task {task.name!r} is of kind {task.kind}; run answers tasks that label a whole text"
        )
    if paired != (task.text_pair is not None):
        wanted, found = ("two texts", "one") if task.text_pair else ("one text", "two")
        raise DataError(f"task {task.name!r} takes {wanted}, found {found}")


def feature_logits(
    session: onnxruntime.InferenceSession, task: SessionTask, tokens: Tokens, features: Sequence[Feature]
) -> list[NDArray[np.float32]]:
    """The logits of each feature, in the order given.

    Each has shape `(outputs,)`, or `(tokens, outputs)` where the task labels tokens. Batches hold features of
    like length, which saves most of the padding.
    """
    logits: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(features)
    order = sorted(range(len(features)), key=lambda i: len(features[i]))
    for start in range(0, len(order), BATCH_ROWS):
        chosen = order[start : start + BATCH_ROWS]
        feeds = tokens.pad([features[i] for i in chosen])
        (found,) = session.run([task.output], {**feeds, **task.feeds})
        for i, row in zip(chosen, found, strict=True):
            logits[i] = row[: len(features[i])] if task.definition.per_token else row
    return logits


def answer(task: Task, logits: NDArray[np.float32]) -> Answer:
    """The answer in one row of logits, `(outputs,)`."""
    if task.kind is Kind.REGRESSION:
        return Answer(float(logits[0]), {})
    if task.kind is Kind.MULTI_LABEL:
        each = np.exp(-np.logaddexp(0, -logits.astype(np.float64)))  # the sigmoid, without overflow
        chosen = [name for name, p in zip(task.labels, each, strict=True) if p > 0.5]
        return Answer(chosen, {name: float(p) for name, p in zip(task.labels, each, strict=True)})
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    probabilities = exponentials / exponentials.sum()
    label = task.labels[int(probabilities.argmax())]
    return Answer(label, {name: float(p) for name, p in zip(task.labels, probabilities, strict=True)})
