"""From a RUN folder to a `.dpf` file."""

from pathlib import Path

from edgediff.diff import Diff
from edgediff.format import read_run, write_dpf
from edgediff.pack.quantise import quantise


def pack(run: str | Path, dpf: str | Path, bits: int | None = None) -> Diff:
    """Pack the diff of the RUN folder `run` into the file `dpf`; give the diff as any reader will see it.

    Raises:
        RunError: the run cannot be read, or has no diff.
        SettingError: bits out of range.
        OutputError: the file cannot be written.
    """
    diff = quantise(read_run(run), bits)
    write_dpf(dpf, diff)
    return diff
