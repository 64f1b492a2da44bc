"""`edgediff bench`."""

from pathlib import Path
from typing import Annotated

import typer

from edgediff.errors import SettingError
from edgediff.extras import require
from edgediff_cli.show import progress_bar, say, show_warnings


def bench(
    base: Annotated[Path, typer.Argument(help="The base bundle of `edgediff export`.")],
    dpfs: Annotated[list[Path], typer.Argument(metavar="FILE.dpf...", help="The tasks.")],
    out: Annotated[Path, typer.Option(help="The folder to make for the reports.")] = Path("report"),
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[TASK=]FILE",
            help="Labelled rows to score a task on; one for each task in their order, or by the task's name.",
        ),
    ] = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="More lengths, threads and repetitions.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a benchmark that was stopped.")
    ] = False,
) -> None:
    """Measure what tasks cost on this machine, and write report.json, report.md and report.html."""
    require("bench", "edgediff bench")
    from edgediff.bench import QUICK, THOROUGH, bench, make_plan

    show_warnings()
    plan = make_plan(base, dpfs, THOROUGH if thorough else QUICK)
    plan = plan.with_data(_data(data or [], [task.name for task in plan.tasks]))
    for task in plan.tasks:
        if task.refused is not None:
            say(f"note: {task.refused}")
    with progress_bar() as progress:
        bench(plan, out, resume=resume, progress=progress)
    say(f"open {out / 'report.html'}, or read {out / 'report.md'}")


def _data(given: list[str], names: list[str]) -> dict[str, Path]:
    """Rows by the name of the task."""
    named = [text.partition("=") for text in given]
    if all(equals and name in names for name, equals, _ in named):
        return {name: Path(path) for name, _, path in named}
    if len(given) != len(names):
        raise SettingError(
            f"--data is given {len(given)} times for {len(names)} tasks: give it once for each, in their"
            f" order, or as TASK=FILE with the tasks {', '.join(names)}"
        )
    return {name: Path(path) for name, path in zip(names, given, strict=True)}
