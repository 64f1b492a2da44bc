"""`edgediff export`."""

from pathlib import Path
from typing import Annotated

import typer

from edgediff.extras import require
from edgediff_cli.show import say, size_text


def export(
    model: Annotated[str, typer.Argument(help="Hugging Face name or folder, or `minilm` (edgediff[demo]).")],
    base: Annotated[Path, typer.Argument(help="The folder to make: the base bundle.")],
) -> None:
    """Export a Hugging Face encoder to a base bundle that serves every task."""
    require("train", "edgediff export")
    from edgediff.export import export

    say(f"exporting {model} ...")
    manifest = export(model, base)
    for group in manifest.equal:
        say(f"note: equal values in {', '.join(group)}; kept apart, each can be changed alone")
    for group in manifest.tied:
        say(f"note: {', '.join(group)} are one parameter; a diff names the first")
    size = sum(entry.bytes for entry in manifest.files.values())
    typer.echo(
        f"{base}: {manifest.base.name}, {manifest.base.parameters:,} parameters, {size_text(size)},"
        f" fingerprint {manifest.base.fingerprint[:16]}"
    )
