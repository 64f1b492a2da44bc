"""`edgediff doctor`."""

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    base: Annotated[Path, typer.Argument(help="The base bundle of `edgediff export`.")],
    dpfs: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE.dpf]...", help="Tasks to check against it.")
    ] = None,
) -> None:
    """Check a bundle, and files of tasks against it: a verdict a line; exit code 1 if anything is wrong."""
    from edgediff.runtime import doctor

    wrong = False
    for verdict in doctor(base, dpfs or ()):
        typer.echo(str(verdict))
        wrong = wrong or verdict.level == "wrong"
    if wrong:
        raise typer.Exit(1)
