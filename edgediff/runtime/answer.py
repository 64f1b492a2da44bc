"""Texts to answers: tokenise, run in batches, name what the logits say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.diff import Kind, Task
from edgediff.errors import DataError
from edgediff.runtime.session import SessionTask, run_session
from edgediff.runtime.tokens import Tokens
from edgediff.tokens import Feature, Span, best_span, first_tokens, join_words, split_words

BATCH_ROWS = 32
RunBatch = Callable[[Mapping[str, NDArray[np.int64]]], NDArray[np.float32]]
"""The token inputs of one batch to its logits."""


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


@dataclass(frozen=True)
class LabelledWord:
    """What a task that labels tokens says of one word.

    Attributes:
        word: as in the text.
        label: the most likely label; None if the model saw nothing of the word: it was cut off, or the
            tokenizer drops its characters.
        probability: of the label; 0 without one.
    """

    word: str
    label: str | None
    probability: float


@dataclass(frozen=True)
class LabelledWords:
    """What a task that labels tokens says of one text.

    Attributes:
        words: all words of the text, parted by white space, in order.
    """

    words: tuple[LabelledWord, ...]


AnyAnswer = Answer | LabelledWords | Span
"""What one text is answered with, by the kind of task: labels or a number, a label a word, or a span of the
context."""


def answer_texts(
    task: Task, tokens: Tokens, run: RunBatch, texts: Sequence[str], pairs: Sequence[str] | None
) -> list[AnyAnswer]:
    """The answer for each of `texts`, or each pair, with the logits that `run` gives for a batch.

    Raises:
        DataError: the task takes one text and got pairs, or the other way round; or a question leaves too
            little room for its context.
    """
    check_texts(task, texts, pairs)
    words = [split_words(text) for text in texts] if task.kind is Kind.TOKEN_CLASSIFICATION else []
    features = tokens.features([join_words(each) for each in words] or texts, pairs)
    logits = _in_batches(run, task, tokens, features)
    if task.kind is Kind.TOKEN_CLASSIFICATION:
        return [labelled_words(task, *each) for each in zip(features, logits, words, strict=True)]
    if task.kind is Kind.QUESTION_ANSWERING:
        windows: list[list[int]] = [[] for _ in texts]
        for number, feature in enumerate(features):
            windows[feature.row].append(number)
        return [
            best_span([features[i] for i in own], [logits[i] for i in own], context)
            for own, context in zip(windows, pairs or (), strict=True)
        ]
    return [answer(task, row) for row in logits]


def takes_two(task: Task) -> bool:
    """Whether a task is asked with pairs of texts."""
    return task.text_pair is not None or task.kind is Kind.QUESTION_ANSWERING


def check_texts(task: Task, texts: Sequence[str], pairs: Sequence[str] | None) -> None:
    """Check that a task for one text gets one, a task for two gets two, and that they are texts.

    Raises:
        DataError: it does not, or they are not.
    """
    if isinstance(texts, str) or isinstance(pairs, str):
        raise DataError("found one text, expected a list of texts")
    if (pairs is not None) != takes_two(task):
        wanted, found = ("two texts", "one") if takes_two(task) else ("one text", "two")
        raise DataError(f"task {task.name!r} takes {wanted}, found {found}")
    if pairs is not None and len(pairs) != len(texts):
        raise DataError(f"found {len(texts)} texts and {len(pairs)} second texts, expected as many of both")
    for row, text in enumerate((*texts, *(pairs or ()))):
        where = f"text {row % len(texts) + 1}"
        if not isinstance(text, str):
            raise DataError(f"{where} is {text!r:.80}, expected a text")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{where} has a character that UTF-8 cannot hold, {text[error.start]!r}"
            ) from error


def feature_logits(
    session: onnxruntime.InferenceSession, task: SessionTask, tokens: Tokens, features: Sequence[Feature]
) -> list[NDArray[np.float32]]:
    """The logits of each feature, in the order given.

    Each has shape `(outputs,)`, or `(tokens, outputs)` where the task labels tokens. Batches hold features of
    like length, which saves most of the padding.
    """

    def run(feeds: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        return run_session(session, task.definition, feeds, task.feeds)

    return _in_batches(run, task.definition, tokens, features)


def _in_batches(
    run: RunBatch, task: Task, tokens: Tokens, features: Sequence[Feature]
) -> list[NDArray[np.float32]]:
    logits: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(features)
    order = sorted(range(len(features)), key=lambda i: len(features[i]))
    for start in range(0, len(order), BATCH_ROWS):
        chosen = order[start : start + BATCH_ROWS]
        found = run(tokens.pad([features[i] for i in chosen]))
        for i, row in zip(chosen, found, strict=True):
            logits[i] = row[: len(features[i])] if task.per_token else row
    return logits


def answer(task: Task, logits: NDArray[np.float32]) -> Answer:
    """The answer in one row of logits, `(outputs,)`, of a task that labels whole texts."""
    if task.kind is Kind.REGRESSION:
        return Answer(float(logits[0]), {})
    if task.kind is Kind.MULTI_LABEL:
        each = np.exp(-np.logaddexp(0, -logits.astype(np.float64)))  # the sigmoid, without overflow
        chosen = [name for name, p in zip(task.labels, each, strict=True) if p > 0.5]
        return Answer(chosen, {name: float(p) for name, p in zip(task.labels, each, strict=True)})
    probabilities = _softmax(logits)
    label = task.labels[int(probabilities.argmax())]
    return Answer(label, {name: float(p) for name, p in zip(task.labels, probabilities, strict=True)})


def labelled_words(
    task: Task, feature: Feature, logits: NDArray[np.float32], words: Sequence[str]
) -> LabelledWords:
    """Each word's label by the `(tokens, outputs)` logits of a feature: that of the word's first token."""
    probabilities = _softmax(logits)
    found = []
    for word, first in zip(words, first_tokens(feature, words), strict=True):
        if first < 0:
            found.append(LabelledWord(word, None, 0.0))
        else:
            label = int(probabilities[first].argmax())
            found.append(LabelledWord(word, task.labels[label], float(probabilities[first, label])))
    return LabelledWords(tuple(found))


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities over the last axis."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(-1, keepdims=True))
