"""`edgediff train`."""

from pathlib import Path
from typing import Annotated

import typer

from edgediff.extras import require
from edgediff_cli.show import progress_bar, say


def train(
    model: Annotated[str, typer.Argument(help="Hugging Face name or folder, or `minilm` (edgediff[demo]).")],
    run: Annotated[Path, typer.Argument(help="The RUN folder to make.")],
    task: Annotated[str, typer.Option(help="A GLUE task's name (sst2, mrpc, ...) or a .toml or .json file.")],
    train: Annotated[
        Path | None, typer.Option(help="Labelled rows: .jsonl, .jsonl.gz, .csv, .tsv, .parquet.")
    ] = None,
    dev: Annotated[Path | None, typer.Option(help="Labelled rows to score the result on.")] = None,
    density: Annotated[float, typer.Option(help="The share of the parameters that may change.")] = 0.005,
    epochs: Annotated[float, typer.Option(help="Passes over the rows, all stages together.")] = 5.0,
    batch_size: Annotated[int, typer.Option(help="Rows a step.")] = 32,
    seed: Annotated[
        int, typer.Option(help="Decides the head's start, the order of rows, dropout and gates.")
    ] = 0,
    rows: Annotated[
        int | None, typer.Option(help="Use only this many training rows, drawn at random.")
    ] = None,
    method: Annotated[
        str, typer.Option(help="structured, or full: fine-tune everything, to compare.")
    ] = "structured",
    precision: Annotated[
        str, typer.Option(help="auto, fp32 or bf16, of forward and backward pass.")
    ] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the RUN folder's last checkpoint.")
    ] = False,
) -> None:
    """Learn a task as a sparse diff over a frozen encoder."""
    require("train", "edgediff train")
    from edgediff.errors import SettingError
    from edgediff.train import Method, Precision, Settings
    from edgediff.train import train as train_task

    if method not in tuple(Method):
        raise SettingError(f"method is {method!r}, expected {' or '.join(Method)}")
    if precision not in tuple(Precision):
        raise SettingError(f"precision is {precision!r}, expected {' or '.join(Precision)}")
    settings = Settings(
        method=Method(method),
        density=density,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        precision=Precision(precision),
    )
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
        )
    score = record["scores"]["dev"][record["metric"]]
    changed = (
        f", {record['nnz']:,} of {record['base']['parameters']:,} parameters changed" if record["nnz"] else ""
    )
    typer.echo(f"{run}: {record['task']}, dev {record['metric']} {score:.4f}{changed}")
