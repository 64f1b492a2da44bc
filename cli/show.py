"""How the commands show things: messages, sizes and progress, apart from results on standard output."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer


def say(text: str) -> None:
    """A line for the person, on standard error, so that standard output holds results alone."""
    sys.stderr.write(text + "\n")


def printable(text: str) -> str:
    """The text with escapes for what a terminal would obey: names in a file are anybody's."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def size_text(count: float) -> str:
    """A number of bytes for people, in powers of 1,000."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def record_text(record: dict[str, Any]) -> str:
    """What came of a run, from the content of its `train.json`."""
    score = record["scores"].get("dev", {}).get(record["metric"])
    untuned = "as the adapter has it" if record.get("factors") else "cut, not tuned"
    told = f"dev {record['metric']} {score:.4f}" if score is not None else untuned
    total = record["base"]["parameters"]
    changed = f", {record['nnz']:,} of {total:,} parameters changed" if record["nnz"] else ""
    if record.get("factors"):
        changed += f", products of {record['factors']:,} numbers"
    return f"{record['task']}, {told}{changed}"


def amounts(found: dict[str, Any]) -> list[str]:
    """How much a file changes and what that takes, from what `inspect` found of it."""
    told = []
    if found["nnz"] or not found["products"]:
        told.append(f"{found['nnz']:,} changed parameters at {found['bits_per_nonzero']:.2f} bits each")
    if found["products"]:
        told.append(
            f"{len(found['products']):,} parameters changed as a whole by {found['factors']:,} numbers"
            f" at {found['bits_per_factor']:.2f} bits each"
        )
    return told


_UNITS = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "kib": 1024, "mib": 1024**2}


def parse_bytes(text: str) -> int:
    """A number of bytes as people write it."""
    number = text.strip().lower().rstrip("bikm")
    unit = text.strip().lower()[len(number) :]
    try:
        return round(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no size: write 100KB, 0.1MB, 64KiB or a number of bytes"
        ) from None


class _Notes(logging.Handler):
    """Says a record on standard error, whatever that is by then."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"note: {record.getMessage()}")


def show_warnings() -> None:
    """Have the library's warnings appear as lines for the person."""
    logger = logging.getLogger("edgediff")
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes(logging.WARNING))


Show = Callable[[str, int, int, str], None]
"""Told of (stage, steps done, steps in all, a few words)."""

_LINES_PER_STAGE = 10


@contextmanager
def progress_bar() -> Iterator[Show]:
    """A bar for each stage on a terminal, ten lines for each in a log; nothing before the first step."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Log().show
        return
    columns = (
        TextColumn("{task.description:>6}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    bar = Progress(*columns, console=console)
    stages: dict[str, TaskID] = {}

    def show(stage: str, done: int, total: int, note: str) -> None:
        bar.start()
        if stage not in stages:
            stages[stage] = bar.add_task(stage, total=total, note="")
        bar.update(stages[stage], completed=done, note=note)

    try:
        yield show
    finally:
        bar.stop()


class _Log:
    """Ten lines a stage, with the time it will still take."""

    def __init__(self) -> None:
        self._stage, self._first, self._began = "", 0, 0.0

    def show(self, stage: str, done: int, total: int, note: str) -> None:
        if stage != self._stage:
            self._stage, self._first, self._began = stage, done, time.monotonic()
        if done == total or done % max(total // _LINES_PER_STAGE, 1) == 0:
            took, steps = time.monotonic() - self._began, max(done - self._first, 1)
            left = round(took / steps * (total - done))
            say(f"{stage:>6} {done}/{total}  {note}  {left // 60}:{left % 60:02} left")
