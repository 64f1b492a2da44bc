"""Files of labelled rows as columns of plain values, read by `datasets`."""

import csv
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgediff.errors import DataError
from edgediff.extras import require

Table = Mapping[str, list[Any]]
"""Columns by field name, all of one length."""

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


def read_table(path: Path) -> Table:
    """The columns of a `.jsonl`, `.jsonl.gz`, `.csv`, `.tsv` or `.parquet` file.

    Raises:
        DataError: the file is missing, empty or unreadable.
    """
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
        return _load(str(path), reader, cache, data_files=str(path), split="train", **options)


def download_table(name: str, split: str, where: str) -> Table:
    """The columns of one split of a GLUE task from the Hugging Face hub; `where` names it in errors.

    Raises:
        DataError: it cannot be fetched.
    """
    return _load(where, "nyu-mll/glue", None, name=name, split=split)


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


def _load(where: str, reader: str, cache: str | None, **options: Any) -> Table:
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
