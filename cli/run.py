"""`edgediff run`."""

import json
import sys
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgediff.errors import DataError, SettingError
from edgediff_cli.show import printable, show_warnings

if TYPE_CHECKING:
    from edgediff.runtime.answer import AnyAnswer


def run(
    base: Annotated[Path, typer.Argument(help="The base bundle of `edgediff export`.")],
    dpf: Annotated[Path, typer.Argument(metavar="FILE.dpf", help="The task.")],
    text: Annotated[str | None, typer.Argument(help="The text; without it, lines on standard input.")] = None,
    pair: Annotated[
        str | None, typer.Argument(help="The second text, for a task that takes two; a question's context.")
    ] = None,
    file: Annotated[
        list[Path] | None, typer.Option(metavar="FILE.dpf", help="One more task; may be repeated.")
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="The task that answers; repeated, their changes are added and the last one answers."
            " With --file and without --task, each line begins with a task's name and a tab.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a text.")] = False,
) -> None:
    """Answer for a text, or for each line on standard input (two texts are parted by a tab)."""
    from edgediff.runtime import open_base

    named_by_line = bool(file) and not task
    if named_by_line and text is not None:
        raise SettingError("there are several tasks: name the one that answers with --task NAME")
    rows = [[text] if pair is None else [text, pair]] if text is not None else _lines(named_by_line)
    if named_by_line:
        show_warnings()
    # A session a task is soon open; where lines switch between tasks, live mode is worth its preparation.
    with open_base(base, mode="auto" if named_by_line else "session") as opened:
        names = [opened.add(path).name for path in (dpf, *(file or ()))]
        chosen = task or names[:1]
        asked = [([row[0]], row[1:]) if named_by_line else (chosen, row) for row in rows]
        for tasks, group in groupby(asked, key=itemgetter(0)):
            for answer in opened.run(tasks, *_texts([row for _, row in group], named_by_line)):
                typer.echo(_json(answer) if as_json else _plain(answer))


def _lines(named: bool) -> list[list[str]]:
    """The parts of each line; the first one names the task if lines are `named`."""
    try:
        rows = [line.rstrip("\r\n").split("\t") for line in sys.stdin]
    except UnicodeDecodeError as error:
        raise DataError(f"standard input is not {error.encoding}: {error.reason}") from error
    if not rows:
        raise DataError(f"standard input has no line, expected {_expected(named)}")
    return rows


def _texts(rows: list[list[str]], named: bool) -> tuple[list[str], list[str] | None]:
    widths = {len(row) for row in rows}
    if widths not in ({1}, {2}):
        found = f"lines of {' and '.join(str(width + named) for width in sorted(widths))} parts"
        raise DataError(f"standard input has {found}, expected {_expected(named)}")
    return [row[0] for row in rows], [row[1] for row in rows] if widths == {2} else None


def _expected(named: bool) -> str:
    first = "a task's name, a tab and " if named else ""
    return f"{first}a text a line, or two parted by a tab"


def _json(answer: "AnyAnswer") -> str:
    return json.dumps(asdict(answer), ensure_ascii=False)


def _plain(answer: "AnyAnswer") -> str:
    """Labels with their probabilities; a line a word, and a blank one; or a span with its score."""
    from edgediff.runtime import LabelledWords, Span

    if isinstance(answer, Span):
        return f"{' '.join(answer.text.split())}\t{answer.score:.3f}"
    if isinstance(answer, LabelledWords):
        lines = [
            f"{word.word}\t{printable(word.label or '-')}\t{word.probability:.3f}" for word in answer.words
        ]
        return "".join(f"{line}\n" for line in lines)
    if isinstance(answer.label, float):
        return f"{answer.label:.3f}"
    labels = answer.label if isinstance(answer.label, list) else [answer.label]
    return "\t".join(part for label in labels for part in (printable(label), f"{answer.scores[label]:.3f}"))
