"""Texts to token arrays with the bundle's own tokenizer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgediff.diff import Task
from edgediff.errors import BundleError
from edgediff.format.bundle import TOKENIZER_FILE, read_manifest


class Tokens:
    """The tokenizer of a base bundle, set to a task's maximum length.

    Raises:
        BundleError: the bundle or its tokenizer cannot be read.
    """

    def __init__(self, base: str | Path, task: Task) -> None:
        manifest = read_manifest(base)
        path = Path(base) / TOKENIZER_FILE
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises Exception itself
            raise BundleError(f"{path} cannot be read: {error}") from error
        self._inputs = manifest.inputs
        self._padding = {
            "input_ids": manifest.pad_token_id,
            "attention_mask": 0,
            "token_type_ids": manifest.pad_token_type_id,
        }
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(min(task.max_length, manifest.max_length))

    def __call__(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> dict[str, NDArray[np.int64]]:
        """The token inputs of one batch, each `(texts, tokens)` int64, padded to the longest text.

        A text longer than the task's maximum is cut; of a pair, the longer one first.
        """
        inputs = list(zip(texts, pairs, strict=True)) if pairs is not None else list(texts)
        encodings = self._tokenizer.encode_batch(inputs)
        columns = {
            "input_ids": [encoding.ids for encoding in encodings],
            "attention_mask": [encoding.attention_mask for encoding in encodings],
            "token_type_ids": [encoding.type_ids for encoding in encodings],
        }
        return {name: _pad(columns[name], self._padding[name]) for name in self._inputs}


def _pad(rows: list[list[int]], fill: int) -> NDArray[np.int64]:
    padded = np.full((len(rows), max(map(len, rows), default=0)), fill, np.int64)
    for row, ids in zip(padded, rows, strict=True):
        row[: len(ids)] = ids
    return padded
