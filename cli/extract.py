"""`edgediff extract`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from edgediff.extras import require
from edgediff_cli.show import parse_bytes, progress_bar, record_text, say, show_warnings


def extract(
    model: Annotated[
        str, typer.Argument(help="The encoder that was fine-tuned: a name, folder or `minilm`.")
    ],
    tuned: Annotated[Path, typer.Argument(help="The fine-tuned checkpoint's folder, or a LoRA adapter's.")],
    run: Annotated[Path, typer.Argument(help="The RUN folder to make.")],
    task: Annotated[str, typer.Option(help="A GLUE task's name (sst2, mrpc, ...) or a .toml or .json file.")],
    train: Annotated[
        Path | None, typer.Option(help="Labelled rows to tune the kept values on; else they are only cut.")
    ] = None,
    dev: Annotated[Path | None, typer.Option(help="Labelled rows to score the result on.")] = None,
    density: Annotated[
        float | None, typer.Option(help="The share of the parameters that may change, 0.005 unless given.")
    ] = None,
    size: Annotated[
        Any,
        typer.Option(
            parser=parse_bytes, metavar="SIZE", help="In place of --density: the packed file's, 100KB."
        ),
    ] = None,
    shape: Annotated[
        str,
        typer.Option(
            help="entry, row (whole rows and columns) or auto (each where it pays): what is changed."
        ),
    ] = "entry",
    epochs: Annotated[float, typer.Option(help="Passes over the rows.")] = 3.0,
    seed: Annotated[int, typer.Option(help="Decides the order of rows and dropout.")] = 0,
    rows: Annotated[
        int | None, typer.Option(help="Use only this many training rows, drawn at random.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the RUN folder's last checkpoint.")
    ] = False,
) -> None:
    """Make a diff from a fine-tuned checkpoint: cut it, and with rows tune what is kept."""
    require("train", "edgediff extract")
    from edgediff.train import extract as extract_diff
    from edgediff.train import make_settings

    given = {"density": density, "size": size, "shape": shape, "epochs": epochs, "seed": seed}
    settings = make_settings(given, "edgediff extract")
    show_warnings()
    say(f"comparing {tuned} with {model} ...")
    with progress_bar() as progress:
        record = extract_diff(
            model,
            tuned,
            run,
            task=task,
            train=train,
            dev=dev,
            settings=settings,
            rows=rows,
            resume=resume,
            progress=progress,
        )
    typer.echo(f"{run}: {record_text(record)}")
