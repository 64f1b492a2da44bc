"""`edgediff pack`."""

from pathlib import Path
from typing import Annotated

import typer

from edgediff_cli.show import size_text


def pack(
    run: Annotated[Path, typer.Argument(help="The RUN folder of `edgediff train`.")],
    dpf: Annotated[Path, typer.Argument(metavar="FILE.dpf", help="The file to write.")],
    bits: Annotated[
        int | None, typer.Option(help="Bits a value, from 2 to 8; without it, the fewest that cost no score.")
    ] = None,
) -> None:
    """Pack a trained diff into one .dpf file."""
    from edgediff.format import inspect
    from edgediff.pack import pack

    pack(run, dpf, bits)
    found = inspect(dpf)
    typer.echo(
        f"{dpf}: {size_text(found['file_bytes'])}, {found['nnz']:,} changed parameters"
        f" at {found['bits_per_nonzero']:.2f} bits each, head {size_text(found['head_bytes'])}"
    )
