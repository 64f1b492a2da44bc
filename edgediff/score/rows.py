"""Labelled files and task files, read and checked against one another."""

import csv
import json
import math
import random
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import GLUE_TASKS, Kind, Task
from edgediff.errors import DataError, SettingError, TaskError
from edgediff.extras import require

_READERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".jsonl": ("json", {}),
    ".jsonl.gz": ("json", {}),
    ".csv": ("csv", {"sep": ","}),
    ".tsv": (
        "csv",
        {"sep": "\t", "quoting": csv.QUOTE_NONE},
    ),  # as GLUE's files: a quotation mark is a character
    ".parquet": ("parquet", {}),
}


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a labelled file.

    Attributes:
        texts: the (first) text of each row.
        pairs: the second text of each row, or None.
        targets: `(rows,)`, int64 positions in `task.labels`, or float32 for regression.
    """

    texts: list[str]
    pairs: list[str] | None
    targets: NDArray[Any]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.texts)


def load_task(task: str | Path) -> Task:
    """A built-in task by name, or the task in a TOML or JSON file.

    Raises:
        TaskError: no such name or file, or a definition that cannot be used.
    """
    if str(task) in GLUE_TASKS:
        return GLUE_TASKS[str(task)]
    path = Path(task)
    if path.suffix not in (".toml", ".json"):
        names = ", ".join(sorted(GLUE_TASKS))
        raise TaskError(f"task {str(task)!r} is neither built in ({names}) nor a .toml or .json file")
    try:
        text = path.read_text("utf-8")
        plain = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error
    if not isinstance(plain, dict):
        raise TaskError(f"{path} holds no table of keys")
    return Task.from_dict(plain, str(path))


def read_rows(path: str | Path, task: Task, limit: int | None = None) -> Rows:
    """The rows of a `.jsonl`, `.jsonl.gz`, `.csv`, `.tsv` or `.parquet` file.

    With `limit`, a random sample of that many rows in the file's order, the same sample every time.

    Raises:
        DataError: the file is missing, empty or unreadable, lacks a field, or a row does not fit the task.
    """
    path = Path(path)
    name = path.name.lower()
    suffix = next((ending for ending in _READERS if name.endswith(ending)), None)
    if suffix is None:
        raise DataError(f"{path} is none of {', '.join(_READERS)}")
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    reader, options = _READERS[suffix]
    if reader == "csv":
        options = options | _text_columns(path, options["sep"])
    with tempfile.TemporaryDirectory() as cache:
        table = _load(str(path), reader, cache, data_files=str(path), split="train", **options)
    return _rows_of(table, task, str(path), limit)


def download_rows(task: Task, split: str, limit: int | None = None) -> Rows:
    """The rows of a built-in task from Hugging Face's GLUE, `split` being train or dev.

    Raises:
        DataError: the task is not built in, or its rows cannot be fetched.
    """
    if GLUE_TASKS.get(task.name) != task:
        raise DataError(f"task {task.name!r} is not built in: name its files with --train and --dev")
    dev = "validation_matched" if task.name == "mnli" else "validation"
    where = f"GLUE's {task.name} ({split})"
    table = _load(where, "nyu-mll/glue", None, name=task.name, split=split if split == "train" else dev)
    return _rows_of(table, task, where, limit)


def _text_columns(path: Path, separator: str) -> dict[str, Any]:
    """Options that have every column read as texts: else the texts "null" and "NA" would go missing."""
    require("eval", "reading labelled files")
    import datasets

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file, delimiter=separator), [])
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return {
        "features": datasets.Features({name: datasets.Value("string") for name in header}),
        "keep_default_na": False,
    }


def _load(where: str, reader: str, cache: str | None, **options: Any) -> Mapping[str, list[Any]]:
    require("eval", "reading labelled files")
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what went wrong is said below, once
    if cache is not None:
        options |= {
            "cache_dir": cache,
            "download_config": datasets.DownloadConfig(cache_dir=cache),
            "keep_in_memory": True,
        }
    try:
        table = datasets.load_dataset(reader, **options)
        return {name: table[name][:] for name in table.column_names}
    except Exception as error:  # `datasets` raises what its many readers raise
        cause = error.__cause__ or error
        reason = str(cause).strip().split("\n")[0]
        if "corresponds to no data" in reason:
            raise DataError(f"{where} has no rows") from error
        raise DataError(f"{where} cannot be read: {reason}") from error


def _rows_of(table: Mapping[str, list[Any]], task: Task, where: str, limit: int | None) -> Rows:
    if task.kind not in (Kind.CLASSIFICATION, Kind.REGRESSION):
        raise TaskError(
            f"task {task.name!r} is of kind {task.kind}; only classification and regression are read"
        )
    fields = [field for field in (task.text, task.text_pair, task.label) if field is not None]
    for field in fields:
        if field not in table:
            raise DataError(f"{where} has no field {field!r}; it has {', '.join(table) or 'none'}")
    count = len(table[task.text])
    if count == 0:
        raise DataError(f"{where} has no rows")
    texts = _texts(table, task.text, where)
    pairs = _texts(table, task.text_pair, where) if task.text_pair else None
    assert task.label is not None
    convert = _number if task.kind is Kind.REGRESSION else _position
    targets = [
        convert(value, task, f"{where}, row {row}, field {task.label!r}")
        for row, value in enumerate(table[task.label], 1)
    ]
    chosen = _sample(count, limit)
    return Rows(
        [texts[i] for i in chosen],
        [pairs[i] for i in chosen] if pairs is not None else None,
        np.array(targets, np.float32 if task.kind is Kind.REGRESSION else np.int64)[chosen],
    )


def _texts(table: Mapping[str, list[Any]], field: str, where: str) -> list[str]:
    for row, text in enumerate(table[field], 1):
        if not isinstance(text, str):
            raise DataError(f"{where}, row {row}, field {field!r}: found {text!r}, expected a text")
    return table[field]


def _position(value: Any, task: Task, where: str) -> int:
    """The position of a label in `task.labels`: a text is a name, or a whole number that is the position."""
    if isinstance(value, str) and value in task.labels:
        return task.labels.index(value)
    number = _as_number(value)
    if number is not None and number.is_integer() and 0 <= number < len(task.labels):
        return int(number)
    raise DataError(
        f"{where}: found {value!r}, expected one of {', '.join(task.labels)} or 0 to {len(task.labels) - 1}"
    )


def _number(value: Any, task: Task, where: str) -> float:
    number = _as_number(value)
    if number is None or not math.isfinite(number):
        raise DataError(f"{where}: found {value!r}, expected a finite number for task {task.name!r}")
    return number


def _as_number(value: Any) -> float | None:
    """The number that a cell holds, or spells (tables of texts spell theirs)."""
    if type(value) not in (int, float, str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _sample(count: int, limit: int | None) -> list[int]:
    if limit is None or limit >= count:
        return list(range(count))
    if limit < 1:
        raise SettingError(f"rows is {limit}, expected at least 1")
    return sorted(random.Random(0).sample(range(count), limit))  # noqa: S311 (a sample, no secret)
