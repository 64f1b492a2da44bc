"""Labelled rows, checked against their task."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgediff.diff import GLUE_TASKS, Kind, Task
from edgediff.errors import DataError, SettingError, TaskError
from edgediff.score.labels import answers, number, position, positions, words
from edgediff.score.tables import Table, download_table, read_table
from edgediff.tokens import join_words


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a labelled file.

    Attributes:
        texts: the (first) text of each row: the words joined by spaces for token classification, the question
            for question answering.
        pairs: the second text of each row (the context for question answering), or None.
        targets: what is to be predicted of each row. Classification: `(rows,)` int64 positions in
            `task.labels`; regression: `(rows,)` float32; multi-label: `(rows, labels)` float32, 0 or 1; token
            classification: a list of int64 arrays, a position for each word; question answering: a list of
            `Answers`.
        words: the words of each row, for token classification.
        empty: how many texts are empty.
    """

    texts: list[str]
    pairs: list[str] | None
    targets: Any
    words: list[list[str]] | None = None
    empty: int = 0

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.texts)

    def label_counts(self, task: Task) -> dict[str, int]:
        """How often each label occurs; empty for tasks without labels."""
        if not task.labels:
            return {}
        if task.kind is Kind.MULTI_LABEL:
            counts = self.targets.sum(0).astype(int)
        else:
            flat = np.concatenate(self.targets) if task.kind is Kind.TOKEN_CLASSIFICATION else self.targets
            counts = np.bincount(flat, minlength=len(task.labels))
        return dict(zip(task.labels, counts.tolist(), strict=True))


def read_rows(path: str | Path, task: Task, limit: int | None = None) -> Rows:
    """The rows of a `.jsonl`, `.jsonl.gz`, `.csv`, `.tsv` or `.parquet` file.

    With `limit`, a random sample of that many rows in the file's order, the same sample every time.

    Raises:
        DataError: the file is missing, empty or unreadable, lacks a field, or a row does not fit the task.
    """
    return _rows_of(read_table(Path(path)), task, str(path), limit)


def download_rows(task: Task, split: str, limit: int | None = None) -> Rows:
    """The rows of a built-in task from Hugging Face's GLUE, `split` being train or dev.

    Raises:
        DataError: the task is not built in, or its rows cannot be fetched.
    """
    if GLUE_TASKS.get(task.name) != task:
        raise DataError(f"task {task.name!r} is not built in: name its files with --train and --dev")
    dev = "validation_matched" if task.name == "mnli" else "validation"
    where = f"GLUE's {task.name} ({split})"
    return _rows_of(download_table(task.name, split if split == "train" else dev, where), task, where, limit)


def _rows_of(table: Table, task: Task, where: str, limit: int | None) -> Rows:
    target = task.answers if task.kind is Kind.QUESTION_ANSWERING else task.label
    assert target is not None
    if task.kind is Kind.QUESTION_ANSWERING and task.text_pair is None:
        raise TaskError(f"task {task.name!r} answers questions: text_pair must name the field of the context")
    if task.kind is Kind.TOKEN_CLASSIFICATION and task.text_pair is not None:
        raise TaskError(f"task {task.name!r} labels words: it has no text_pair")
    for field in (task.text, task.text_pair, target):
        if field is not None and field not in table:
            raise DataError(f"{where} has no field {field!r}; it has {', '.join(table) or 'none'}")
    count = len(table[task.text])
    if count == 0:
        raise DataError(f"{where} has no rows")
    _check_ids(table, where)
    chosen = _sample(count, limit)
    pairs = _texts(table, task.text_pair, where, chosen) if task.text_pair else None
    listed: list[list[str]] | None = None
    if task.kind is Kind.TOKEN_CLASSIFICATION:
        listed = [words(table[task.text][i], _cell(where, i, task.text)) for i in chosen]
        texts = [join_words(row) for row in listed]
    else:
        texts = _texts(table, task.text, where, chosen)
    cells = [(table[target][i], _cell(where, i, target)) for i in chosen]
    targets = _targets(task, cells, pairs, listed)
    empty = sum(not text.strip() for text in (*texts, *(pairs or ())))
    return Rows(texts, pairs, targets, listed, empty)


def _targets(
    task: Task, cells: list[tuple[Any, str]], contexts: list[str] | None, listed: list[list[str]] | None
) -> Any:
    match task.kind:
        case Kind.CLASSIFICATION:
            return np.array([position(value, task, where) for value, where in cells], np.int64)
        case Kind.REGRESSION:
            return np.array([number(value, task, where) for value, where in cells], np.float32)
        case Kind.MULTI_LABEL:
            targets = np.zeros((len(cells), len(task.labels)), np.float32)
            for row, (value, where) in zip(targets, cells, strict=True):
                row[positions(value, task, where)] = 1
            return targets
        case Kind.TOKEN_CLASSIFICATION:
            assert listed is not None
            return [
                _one_a_word(positions(value, task, where), row, where)
                for (value, where), row in zip(cells, listed, strict=True)
            ]
        case Kind.QUESTION_ANSWERING:
            assert contexts is not None
            return [
                answers(value, context, where)
                for (value, where), context in zip(cells, contexts, strict=True)
            ]


def _one_a_word(found: list[int], row: list[str], where: str) -> Any:
    if len(found) != len(row):
        raise DataError(f"{where}: found {len(found)} labels for {len(row)} words, expected one a word")
    return np.array(found, np.int64)


def _cell(where: str, row: int, field: str) -> str:
    return f"{where}, row {row + 1}, field {field!r}"


def _texts(table: Table, field: str, where: str, chosen: list[int]) -> list[str]:
    for row, text in enumerate(table[field]):
        if not isinstance(text, str):
            raise DataError(f"{_cell(where, row, field)}: found {text!r}, expected a text")
    return [table[field][i] for i in chosen]


def _check_ids(table: Table, where: str) -> None:
    """Rows that carry an `id` must have one each: a file joined with itself would count rows twice."""
    seen: dict[Any, int] = {}
    for row, value in enumerate(table.get("id", ()), 1):
        if value is not None and isinstance(value, str | int):
            if value in seen:
                raise DataError(f"{where}: rows {seen[value]} and {row} have the same id {value!r:.80}")
            seen[value] = row


def _sample(count: int, limit: int | None) -> list[int]:
    if limit is None or limit >= count:
        return list(range(count))
    if limit < 1:
        raise SettingError(f"rows is {limit}, expected at least 1")
    return sorted(random.Random(0).sample(range(count), limit))  # noqa: S311 (a sample, no secret)
