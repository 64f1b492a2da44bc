"""Logits to predictions, as the scores compare them with targets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Kind, Task
from edgediff.score.rows import Rows
from edgediff.tokens import Feature, best_span, first_tokens

Logits = Sequence[NDArray[np.float32]]
"""One array a feature: `(outputs,)`, or `(tokens, outputs)` for tasks that label tokens."""


def predictions(task: Task, logits: Logits, rows: Rows, features: Sequence[Feature]) -> Any:
    """What `logits` say of `rows`.

    `features` are those of the rows, in order. Classification: `(rows,)` int64 positions in `task.labels`;
    regression: `(rows,)` float32; multi-label: `(rows, labels)` 0 or 1; token classification: a list of
    `(words,)` int64 positions, the first label for words that were cut off; question answering: a list of
    texts.
    """
    match task.kind:
        case Kind.CLASSIFICATION:
            return np.stack(logits).argmax(-1)
        case Kind.REGRESSION:
            return np.stack(logits)[:, 0]
        case Kind.MULTI_LABEL:
            return (np.stack(logits) > 0).astype(np.int64)  # a probability above a half
        case Kind.TOKEN_CLASSIFICATION:
            assert rows.words is not None
            return [
                _of_words(scores, first_tokens(feature, words))
                for scores, feature, words in zip(logits, features, rows.words, strict=True)
            ]
        case Kind.QUESTION_ANSWERING:
            return _spans(logits, rows, features)


def _of_words(scores: NDArray[np.float32], first: NDArray[np.int64]) -> NDArray[np.int64]:
    labels: NDArray[np.int64] = scores.argmax(-1)[first]
    labels[first < 0] = 0
    return labels


def _spans(logits: Logits, rows: Rows, features: Sequence[Feature]) -> list[str]:
    assert rows.pairs is not None
    windows: list[list[int]] = [[] for _ in rows.texts]
    for number, feature in enumerate(features):
        windows[feature.row].append(number)
    return [
        best_span([features[i] for i in own], [logits[i] for i in own], context).text
        for own, context in zip(windows, rows.pairs, strict=True)
    ]
