"""`edgediff run`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgediff.errors import DataError

if TYPE_CHECKING:
    from edgediff.runtime import Answer


def run(
    base: Annotated[Path, typer.Argument(help="The base bundle of `edgediff export`.")],
    dpf: Annotated[Path, typer.Argument(metavar="FILE.dpf", help="The task.")],
    text: Annotated[str | None, typer.Argument(help="The text; without it, lines on standard input.")] = None,
    pair: Annotated[str | None, typer.Argument(help="The second text, for a task that takes two.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a text.")] = False,
) -> None:
    """Answer for a text, or for each line on standard input (two texts are parted by a tab)."""
    from edgediff.runtime import run

    texts, pairs = ([text], [pair] if pair is not None else None) if text is not None else _lines()
    for answer in run(base, dpf, texts, pairs):
        typer.echo(_json(answer) if as_json else _line(answer))


def _lines() -> tuple[list[str], list[str] | None]:
    rows = [line.rstrip("\r\n").split("\t") for line in sys.stdin]
    widths = {len(row) for row in rows}
    if not rows or widths not in ({1}, {2}):
        found = "no line" if not rows else f"lines of {' and '.join(map(str, sorted(widths)))} parts"
        raise DataError(f"standard input has {found}, expected a text a line, or two parted by a tab")
    return [row[0] for row in rows], [row[1] for row in rows] if widths == {2} else None


def _json(answer: "Answer") -> str:
    return json.dumps({"label": answer.label, "scores": answer.scores}, ensure_ascii=False)


def _line(answer: "Answer") -> str:
    if isinstance(answer.label, float):
        return f"{answer.label:.3f}"
    labels = answer.label if isinstance(answer.label, list) else [answer.label]
    return "\t".join(part for label in labels for part in (label, f"{answer.scores[label]:.3f}"))
