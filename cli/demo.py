"""`edgediff demo`."""

from pathlib import Path
from typing import Annotated

import typer

from edgediff.extras import require
from edgediff_cli.show import progress_bar, say


def demo(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")] = Path("edgediff-demo"),
) -> None:
    """Go the whole road on a small task: export, train, pack, patch, answer. About a minute on two cores."""
    require("demo", "edgediff demo")
    from edgediff.demo import demo

    with progress_bar() as progress:
        demo(folder, say=say, progress=progress)
