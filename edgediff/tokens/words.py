"""Words and their tokens, for tasks that label each word.

Words reach the tokenizer joined by spaces and are found again by the places of their characters, so that
every kind of tokenizer sees them as it would see running text.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgediff.tokens.tokenizer import Feature


def join_words(words: Sequence[str]) -> str:
    """The text that has these words, parted by single spaces."""
    return " ".join(words)


def split_words(text: str) -> list[str]:
    """The words of a text, parted by white space."""
    return re.findall(r"\S+", text)


def first_tokens(feature: Feature, words: Sequence[str]) -> NDArray[np.int64]:
    """`(words,)`: the position of each word's first token, -1 for a word without one.

    A word has none if it was cut off, or if the tokenizer drops its characters. `feature` is of
    `join_words(words)`.
    """
    lengths = np.array([len(word) for word in words], np.int64)
    ends = np.cumsum(lengths + 1) - 1
    first = np.full(len(words), -1, np.int64)
    of_text = np.flatnonzero((feature.sequence == 0) & (feature.offsets[:, 1] > feature.offsets[:, 0]))
    # A token may begin with the space before its word, so its last character tells which word it is of.
    word = np.searchsorted(ends, feature.offsets[of_text, 1] - 1, side="right")
    kept = word < len(words)
    found, where = np.unique(word[kept], return_index=True)
    first[found] = of_text[kept][where]
    return first
