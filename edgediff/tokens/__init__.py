"""Texts to what an encoder reads, and token logits back to words and spans, for torch and onnxruntime."""

from edgediff.tokens.spans import Span, best_span
from edgediff.tokens.tokenizer import Feature, TaskTokenizer
from edgediff.tokens.words import first_tokens, join_words, split_words

__all__ = ["Feature", "Span", "TaskTokenizer", "best_span", "first_tokens", "join_words", "split_words"]
