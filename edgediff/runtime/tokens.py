"""Texts to token arrays with the bundle's own tokenizer."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgediff.diff import Task
from edgediff.errors import BundleError
from edgediff.format.bundle import TOKENIZER_FILE, read_manifest
from edgediff.tokens import Feature, TaskTokenizer


class Tokens:
    """The tokenizer of a base bundle, set to a task's maximum length.

    Raises:
        BundleError: the bundle or its tokenizer cannot be read.
    """

    def __init__(self, base: str | Path, task: Task) -> None:
        manifest = read_manifest(base)
        path = Path(base) / TOKENIZER_FILE
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises Exception itself
            raise BundleError(f"{path} cannot be read: {error}") from error
        fill = {
            "input_ids": manifest.pad_token_id,
            "attention_mask": 0,
            "token_type_ids": manifest.pad_token_type_id,
        }
        padding = {name: fill[name] for name in manifest.inputs}
        self._tokenizer = TaskTokenizer(tokenizer, task, manifest.max_length, padding)

    def __call__(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> dict[str, NDArray[np.int64]]:
        """The token inputs of one batch, each `(texts, tokens)` int64, padded to the longest text.

        A text longer than the task's maximum is cut; of a pair, the longer one first.
        """
        return self.pad(self.features(texts, pairs))

    def features(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[Feature]:
        """The features of each text or pair, in order; only a long context of a question has several."""
        return self._tokenizer(texts, pairs)

    def pad(self, features: Iterable[Feature]) -> dict[str, NDArray[np.int64]]:
        """The token inputs of one batch of features, padded to the longest."""
        return self._tokenizer.pad(features)
