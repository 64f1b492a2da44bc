"""The cells of a labelled file as targets: label positions, numbers, lists of labels, answers."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgediff.diff import Task
from edgediff.errors import DataError

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Answers:
    """The accepted answers to a question; none if its context holds no answer.

    Attributes:
        texts: each a part of the context.
        starts: the place of each one's first character in the context.
    """

    texts: tuple[str, ...]
    starts: tuple[int, ...]


def position(value: Any, task: Task, where: str) -> int:
    """The position of a label in `task.labels`: a text is a name, or a whole number that is the position."""
    if isinstance(value, str) and value in task.labels:
        return task.labels.index(value)
    found = _as_number(value)
    if found is not None and found.is_integer() and 0 <= found < len(task.labels):
        return int(found)
    raise DataError(
        f"{where}: found {value!r}, expected one of {', '.join(task.labels)} or 0 to {len(task.labels) - 1}"
    )


def number(value: Any, task: Task, where: str) -> float:
    """A number that is finite in float32."""
    found = _as_number(value)
    if found is None or not abs(found) <= _LARGEST:
        raise DataError(f"{where}: found {value!r}, expected a finite number for task {task.name!r}")
    return found


def positions(value: Any, task: Task, where: str) -> list[int]:
    """The positions of a list of labels; tables of texts spell the list as JSON."""
    return [position(label, task, where) for label in _as_list(value, where, "labels")]


def words(value: Any, where: str) -> list[str]:
    """A list of words without white space inside; tables of texts spell the list as JSON."""
    found = _as_list(value, where, "words")
    for word in found:
        if not isinstance(word, str) or not word or any(character.isspace() for character in word):
            raise DataError(f"{where}: found the word {word!r:.80}, expected one without white space")
    return found


def answers(value: Any, context: str, where: str) -> Answers:
    """Answers as SQuAD has them: `{"text": [...], "answer_start": [...]}`, checked against the context."""
    value = _from_json(value)
    parts = (value.get("text"), value.get("answer_start")) if isinstance(value, dict) else (None, None)
    texts, starts = ([part] if isinstance(part, str | int) else part for part in parts)
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        raise DataError(f"{where}: found {value!r:.80}, expected the lists text and answer_start")
    for text, start in zip(texts, starts, strict=True):
        if type(start) is not int or not isinstance(text, str) or not text or start < 0:
            raise DataError(f"{where}: found {text!r:.40} at {start!r:.40}, expected a text and its place")
        if context[start : start + len(text)] != text:
            raise DataError(f"{where}: the context does not hold {text!r:.80} at character {start}")
    return Answers(tuple(map(str, texts)), tuple(map(int, starts)))


def _as_list(value: Any, where: str, what: str) -> list[Any]:
    found = _from_json(value)
    if not isinstance(found, list):
        raise DataError(f"{where}: found {value!r:.80}, expected a list of {what}")
    return found


def _from_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _as_number(value: Any) -> float | None:
    """The number that a cell holds, or spells (tables of texts spell theirs)."""
    if type(value) not in (int, float, str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
