"""`edgediff train`."""

from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from edgediff.errors import EdgeDiffError, SettingError
from edgediff.extras import require
from edgediff_cli.show import (
    parse_bytes,
    printable,
    progress_bar,
    record_text,
    say,
    show_warnings,
)

_METHODS = (
    "early-low-rank (the default), low-rank, early, structured, diff, magnitude, fisher, random, bitfit;"
    " to compare: full, last-layer, lora, shira, ia3"
)
_COMPONENTS = "attention, ffn, bias, embeddings, layernorm, pooler"


def train(
    model: Annotated[str, typer.Argument(help="Hugging Face name or folder, or `minilm` (edgediff[demo]).")],
    run: Annotated[
        Path, typer.Argument(help="The RUN folder to make; with --tasks, the folder of all RUN folders.")
    ],
    task: Annotated[
        str | None, typer.Option(help="A GLUE task's name (sst2, mrpc, ...) or a .toml or .json file.")
    ] = None,
    train: Annotated[
        Path | None, typer.Option(help="Labelled rows: .jsonl, .jsonl.gz, .csv, .tsv, .parquet.")
    ] = None,
    dev: Annotated[Path | None, typer.Option(help="Labelled rows to score the result on.")] = None,
    method: Annotated[str, typer.Option(help=f"How to choose what changes: {_METHODS}.")] = "",
    density: Annotated[
        float | None,
        typer.Option(help="The share of the parameters that may change one by one; the method has its own."),
    ] = None,
    size: Annotated[
        Any,
        typer.Option(
            parser=parse_bytes, metavar="SIZE", help="In place of --density: the packed file's, 100KB."
        ),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(help="entry (unless given), row (whole rows and columns) or auto (each where it pays)."),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(help="Of the products; else 1, or for low-rank the largest that --size holds."),
    ] = None,
    bits: Annotated[
        int | None, typer.Option(help="Learn with values as they will be packed, at 2 to 8 bits.")
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the rows, all stages together; else 5.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Rows a step, of all processes together; else 32.")
    ] = None,
    accumulation: Annotated[int | None, typer.Option(help="Take a step's rows in this many parts.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Decides the head's start, the order of rows, dropout and gates; else 0."),
    ] = None,
    components: Annotated[
        str | None,
        typer.Option(help=f"Change only these kinds of parameters, comma-separated: {_COMPONENTS}."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Never change parameters of this name pattern; may be repeated.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="Keep the best epoch by dev score; stop after so many without a better."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option(help="Use only this many training rows, drawn at random.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto (unless given), fp32 or bf16, of forward and backward pass.")
    ] = None,
    tasks: Annotated[
        Path | None, typer.Option(help="A .toml file of many tasks; finished ones are not trained again.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="With --tasks: how many are trained at once, 1 unless given.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the RUN folder's last checkpoint.")
    ] = False,
    tensorboard: Annotated[
        bool,
        typer.Option("--tensorboard", help="Write losses to RUN/tensorboard too (edgediff[tensorboard])."),
    ] = False,
) -> None:
    """Learn a task as a sparse diff over a frozen encoder."""
    require("train", "edgediff train")
    if tensorboard:
        require("tensorboard", "--tensorboard")
    given = {
        "method": method or None,
        "density": density,
        "size": size,
        "shape": shape,
        "adapter_rank": rank,
        "bits": bits,
        "epochs": epochs,
        "batch_size": batch_size,
        "accumulation": accumulation,
        "seed": seed,
        "components": components.split(",") if components else None,
        "exclude": exclude or None,
        "patience": patience,
        "precision": precision,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if (task is None) == (tasks is None):
        raise SettingError("give --task NAME or --tasks FILE, one of the two")
    show_warnings()
    if tasks is not None:
        if train or dev or tensorboard:
            raise SettingError("--tasks takes no --train, --dev or --tensorboard: the file names the rows")
        if resume:
            raise SettingError("--tasks takes no --resume: given again, it goes on with what is unfinished")
        given |= {"rows": rows} if rows is not None else {}
        _many(model, run, tasks, given, 1 if workers is None else workers)
        return
    if workers is not None:
        raise SettingError("--workers is how many of --tasks are trained at once: --task is only one")
    assert task is not None
    from edgediff.train import make_settings
    from edgediff.train import train as train_task

    settings = make_settings(given, "edgediff train")
    say(f"loading {model} ...")
    with progress_bar() as progress:
        record = train_task(
            model,
            run,
            task=task,
            train=train,
            dev=dev,
            settings=settings,
            rows=rows,
            resume=resume,
            progress=progress,
            tensorboard=tensorboard,
        )
    typer.echo(f"{run}: {record_text(record)}")


def _many(model: str, folder: Path, tasks: Path, given: dict[str, Any], workers: int) -> None:
    from edgediff.train import read_tasks, train_tasks

    failed = 0
    with closing(train_tasks(model, folder, read_tasks(tasks, given), workers)) as outcomes:
        for name, outcome in outcomes:
            if isinstance(outcome, Exception):
                failed += 1
                say(f"edgediff: {name}: {printable(' '.join(_told(outcome).split()))}")
            else:
                typer.echo(f"{folder / name}: {record_text(outcome)}")
    if failed:
        raise typer.Exit(1)


def _told(outcome: Exception) -> str:
    """What went wrong with a task; of what nobody foresaw, the kind too."""
    return str(outcome) if isinstance(outcome, EdgeDiffError) else repr(outcome)
