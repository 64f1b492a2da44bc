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

BATCH_ROWS = 32


@dataclass(frozen=True)
class Answer:
    """What a task says of one text.

    Attributes:
        label: the most likely label, or the predicted number for regression.
        scores: a probability for each label (they add up to 1); empty for regression.
    """

    label: str | float
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
    logits = text_logits(session, task, Tokens(base, task.definition), texts, pairs)
    return [answer(task.definition, row) for row in logits]


def check_texts(task: Task, paired: bool) -> None:
    """Check that a task for one text gets one, and a task for two gets two.

    Raises:
        DataError: it does not.
        TaskError: the task's kind has no answer for a whole text.
    """
    if task.per_token:
        raise TaskError(
            f"task {task.name!r} is of kind {task.kind}; run answers classification and regression"
        )
    if paired != (task.text_pair is not None):
        wanted, found = ("two texts", "one") if task.text_pair else ("one text", "two")
        raise DataError(f"task {task.name!r} takes {wanted}, found {found}")


def text_logits(
    session: onnxruntime.InferenceSession,
    task: SessionTask,
    tokens: Tokens,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
) -> NDArray[np.float32]:
    """The logits of whole texts, `(texts, outputs)`, in the order given.

    Batches hold texts of like length, which saves most of the padding.
    """
    logits = np.zeros((len(texts), task.definition.outputs), np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]) + (len(pairs[i]) if pairs else 0))
    for start in range(0, len(order), BATCH_ROWS):
        chosen = order[start : start + BATCH_ROWS]
        feeds = tokens([texts[i] for i in chosen], [pairs[i] for i in chosen] if pairs else None)
        (logits[chosen],) = session.run([task.output], {**feeds, **task.feeds})
    return logits


def answer(task: Task, logits: NDArray[np.float32]) -> Answer:
    """The answer in one row of logits, `(outputs,)`."""
    if task.kind is Kind.REGRESSION:
        return Answer(float(logits[0]), {})
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    probabilities = exponentials / exponentials.sum()
    label = task.labels[int(probabilities.argmax())]
    return Answer(label, {name: float(p) for name, p in zip(task.labels, probabilities, strict=True)})
