"""From a RUN folder to a `.dpf` file."""

from dataclasses import replace
from pathlib import Path

from edgediff.diff import Diff
from edgediff.format import read_run, write_dpf
from edgediff.pack.budget import fit
from edgediff.pack.quantise import quantise


def pack(run: str | Path, dpf: str | Path, bits: int | None = None, max_bytes: int | None = None) -> Diff:
    """Pack the diff of the RUN folder `run` into the file `dpf`; give the diff as any reader will see it.

    Without `bits`, values get the fewest that cost no score (see `quantise`). With `max_bytes`, entries are
    left out until the file is no larger (see `fit`).

    Raises:
        RunError: the run cannot be read, or has no diff.
        SettingError: bits out of range, or a file that cannot be so small.
        OutputError: the file cannot be written.
    """
    exact = read_run(run)
    diff = quantise(exact, bits) if max_bytes is None else fit(exact, max_bytes, bits)
    diff = replace(diff, tensors=tuple(tensor for tensor in diff.tensors if tensor.nnz))
    write_dpf(dpf, diff)
    return diff
