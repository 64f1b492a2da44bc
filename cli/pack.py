"""`edgediff pack`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from edgediff_cli.show import amounts, parse_bytes, size_text


def _bits(text: str) -> int | None:
    """A number of bits, or None for `auto`."""
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither auto nor a whole number from 2 to 8") from None


def pack(
    run: Annotated[Path, typer.Argument(help="The RUN folder of `edgediff train`.")],
    dpf: Annotated[Path, typer.Argument(metavar="FILE.dpf", help="The file to write.")],
    bits: Annotated[
        Any,
        typer.Option(
            parser=_bits,
            metavar="N",
            help="Bits a value, 2 to 8, or auto: the run's own --bits, else the fewest that keep them close.",
        ),
    ] = "auto",
    max_bytes: Annotated[
        int | None,
        typer.Option(
            parser=parse_bytes,
            metavar="SIZE",
            help="Leave out the least valuable entries until the file fits: 50KB; else the run's own --size.",
        ),
    ] = None,
) -> None:
    """Pack a trained diff into one .dpf file."""
    from edgediff.format import inspect
    from edgediff.pack import pack

    pack(run, dpf, bits, max_bytes)
    found = inspect(dpf)
    typer.echo(
        f"{dpf}: {size_text(found['file_bytes'])}, {', '.join(amounts(found))},"
        f" head {size_text(found['head_bytes'])}"
    )
