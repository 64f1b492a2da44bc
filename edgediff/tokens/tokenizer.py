"""Rows of texts to sequences of tokens, cut or windowed to the task's maximum length."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Kind, Task
from edgediff.errors import DataError

if TYPE_CHECKING:  # scores need no tokenizer to be loaded
    from tokenizers import Encoding, Tokenizer


@dataclass(frozen=True, eq=False)
class Feature:
    """One sequence of tokens that the encoder sees.

    Attributes:
        row: which row it is of; a long context of question answering has several features.
        encoding: its tokens, not padded.
        cut: whether tokens of the row are in none of its features.
    """

    row: int
    encoding: "Encoding"
    cut: bool

    def __len__(self) -> int:
        """How many tokens it has, special ones included."""
        return len(self.encoding)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """`(tokens, 2)`: first character and the one after the last, in the text that the token is of."""
        return np.array(self.encoding.offsets, np.int64).reshape(-1, 2)

    @cached_property
    def sequence(self) -> NDArray[np.int64]:
        """`(tokens,)`: 0 for a token of the first text, 1 for one of the second, -1 for a special one."""
        return np.array([-1 if s is None else s for s in self.encoding.sequence_ids], np.int64)


class TaskTokenizer:
    """A fast tokenizer, set to one task.

    A text longer than the maximum is cut, the longer text of a pair first; a context of question answering is
    seen through windows instead, each overlapping the last by a third of the maximum.
    """

    def __init__(self, tokenizer: "Tokenizer", task: Task, max_length: int, padding: dict[str, int]) -> None:
        """`max_length` is the encoder's own limit; `padding` holds its inputs, each with what fills it up."""
        self._tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        self._padding = padding
        self.max_length = min(task.max_length, max_length)
        self._tokenizer.no_padding()
        self._whole = type(tokenizer).from_str(self._tokenizer.to_str())
        self._whole.no_truncation()
        self._windows = task.kind is Kind.QUESTION_ANSWERING
        self._overlap = self.max_length // 3
        if self._windows:
            self._tokenizer.enable_truncation(self.max_length, stride=self._overlap, strategy="only_second")
        else:
            self._tokenizer.enable_truncation(self.max_length)

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[Feature]:
        """The features of each text (or pair), in the order of rows.

        Raises:
            DataError: a question comes without its context, or leaves too little room for it.
        """
        if self._windows:
            if pairs is None or len(pairs) != len(texts):
                raise DataError(
                    f"found {len(texts)} questions and {len(pairs or ())} contexts, expected one each"
                )
            self._check_room(texts, pairs)
        inputs = list(zip(texts, pairs, strict=True)) if pairs is not None else list(texts)
        features = []
        for row, encoding in enumerate(self._tokenizer.encode_batch(inputs)):
            features.append(Feature(row, encoding, bool(encoding.overflowing) and not self._windows))
            if self._windows:
                features += [Feature(row, window, False) for window in encoding.overflowing]
        return features

    def _check_room(self, questions: Sequence[str], contexts: Sequence[str]) -> None:
        """Each window must show more of the context than it shares with the last: else tokenizers panics."""
        special = self._whole.num_special_tokens_to_add(True)
        encoded = self._whole.encode_batch(list(questions), add_special_tokens=False)
        for question, context, encoding in zip(questions, contexts, encoded, strict=True):
            room = self.max_length - special - len(encoding)
            if room <= self._overlap and len(self._whole.encode(context, add_special_tokens=False)) > room:
                raise DataError(
                    f"the question {question!r:.80} has {len(encoding)} tokens, which leaves too little room"
                    f" for its context: max_length is {self.max_length}"
                )

    def pad(self, features: Iterable[Feature]) -> dict[str, NDArray[np.int64]]:
        """The encoder's inputs of one batch, each `(features, tokens)`, as long as the longest."""
        encodings = [feature.encoding for feature in features]
        columns = {
            "input_ids": [encoding.ids for encoding in encodings],
            "attention_mask": [encoding.attention_mask for encoding in encodings],
            "token_type_ids": [encoding.type_ids for encoding in encodings],
        }
        return {name: pad(columns[name], fill) for name, fill in self._padding.items()}


def pad(rows: Sequence[Sequence[int]], fill: int) -> NDArray[np.int64]:
    """`rows` as one `(rows, longest)` array, filled up at the end."""
    padded = np.full((len(rows), max(map(len, rows), default=0)), fill, np.int64)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded
