"""`edgediff eval`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edgediff.extras import require


def eval(
    base: Annotated[Path, typer.Argument(help="The base bundle of `edgediff export`.")],
    dpf: Annotated[Path, typer.Argument(metavar="FILE.dpf", help="The task.")],
    data: Annotated[Path, typer.Option(help="Labelled rows: .jsonl, .jsonl.gz, .csv, .tsv, .parquet.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score a packed task on onnxruntime."""
    require("eval", "edgediff eval")
    from edgediff.runtime import eval

    result = eval(base, dpf, data)
    if as_json:
        plain = asdict(result)
        scores = plain.pop("scores")
        typer.echo(json.dumps(plain | scores))
        return
    for name, value in result.scores.items():
        typer.echo(f"{name:<22} {value:.4f}")
    typer.echo(f"{result.rows:,} rows in {result.seconds:.1f} s")
