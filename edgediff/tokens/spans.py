"""The answer to a question as a span of its context (Devlin et al., arXiv 1810.04805, section 4.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgediff.tokens.tokenizer import Feature

N_BEST = 20
MAX_ANSWER_TOKENS = 30


@dataclass(frozen=True)
class Span:
    """A part of a context.

    Attributes:
        text: the answer; empty if the question has none in this context.
        start: the place of its first character in the context.
        score: its start and end logit added.
    """

    text: str
    start: int
    score: float


def best_span(features: Sequence[Feature], logits: Sequence[NDArray[np.float32]], context: str) -> Span:
    """The best span of a row, of all its windows.

    `logits` has one `(tokens, 2)` array a feature: start and end. The `N_BEST` starts and ends of each window
    are paired; a span lies in the context and has at most `MAX_ANSWER_TOKENS` tokens. No answer (both ends at
    the first token, the worst window counts) competes with the spans, whatever the task was learnt from: one
    whose questions all have an answer gives it next to no chance.
    """
    best, nothing = Span("", 0, -np.inf), np.inf
    for feature, scores in zip(features, logits, strict=True):
        nothing = min(nothing, float(scores[0, 0] + scores[0, 1]))
        found = _best_in_window(feature, scores[: len(feature)], context)
        if found.score > best.score:
            best = found
    if nothing > best.score:
        return Span("", 0, nothing)
    return best


def _best_in_window(feature: Feature, scores: NDArray[np.float32], context: str) -> Span:
    places = np.flatnonzero(feature.sequence == 1)
    starts = places[np.argsort(-scores[places, 0], kind="stable")[:N_BEST]]
    ends = places[np.argsort(-scores[places, 1], kind="stable")[:N_BEST]]
    sums = scores[starts, 0][:, None] + scores[ends, 1][None, :]
    length = ends[None, :] - starts[:, None] + 1
    allowed = (length >= 1) & (length <= MAX_ANSWER_TOKENS)
    if not allowed.any():
        return Span("", 0, -np.inf)
    row, column = np.unravel_index(np.where(allowed, sums, -np.inf).argmax(), sums.shape)
    first, last = feature.offsets[starts[row], 0], feature.offsets[ends[column], 1]
    text = context[first:last]  # some tokenizers count the space before a word to its token
    start = int(first) + len(text) - len(text.lstrip())
    return Span(text.strip(), start, float(sums[row, column]))
