"""`edgediff`: the commands, and how their errors reach the user."""

import errno
from typing import Any

import typer
from typer.core import TyperGroup

from edgediff.errors import EdgeDiffError, StoppedError
from edgediff_cli.bench import bench
from edgediff_cli.demo import demo
from edgediff_cli.doctor import doctor
from edgediff_cli.eval import eval
from edgediff_cli.export import export
from edgediff_cli.extract import extract
from edgediff_cli.inspect import inspect
from edgediff_cli.pack import pack
from edgediff_cli.run import run
from edgediff_cli.show import printable, say
from edgediff_cli.train import train


class OneSentence(TyperGroup):
    """A group whose commands end in one sentence and exit code 1 when they fail on purpose."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; usage errors keep their own text and exit code 2."""
        try:
            return super().invoke(ctx)
        except EdgeDiffError as error:
            say(f"edgediff: {printable(' '.join(str(error).split()))}")
            raise typer.Exit(130 if isinstance(error, StoppedError) else 1) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # click ends quietly on a closed pipe
                raise
            where = "cannot write the result" if error.filename is None else printable(str(error.filename))
            say(f"edgediff: {where}: {error.strerror or error}")
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=OneSentence,
    help="One base model on the device, many tasks as tiny files.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
for _command in (export, train, extract, pack, inspect, run, eval, bench, doctor, demo):
    app.command()(_command)
