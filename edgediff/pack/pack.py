"""From a RUN folder to a `.dpf` file."""

from pathlib import Path
from typing import Any

from edgediff.diff import Diff
from edgediff.errors import RunError
from edgediff.format import read_run, write_dpf
from edgediff.format.run_folder import read_record
from edgediff.pack.budget import fit
from edgediff.pack.quantise import quantise


def pack(run: str | Path, dpf: str | Path, bits: int | None = None, max_bytes: int | None = None) -> Diff:
    """Pack the diff of the RUN folder `run` into the file `dpf`; give the diff as any reader will see it.

    Values get `bits`, or those that the run's settings name, or the fewest that keep them close (see
    `quantise`). Entries are left out until the file has at most `max_bytes` (see `fit`), or the size that the
    run's settings name, if any.

    Raises:
        RunError: the run cannot be read, or has no diff.
        SettingError: bits out of range, or a file that cannot be so small.
        OutputError: the file cannot be written.
    """
    exact = read_run(run)
    settings = read_record(Path(run)).get("settings", {})
    bits, max_bytes = (
        _setting(settings, name, run) if value is None else value
        for name, value in (("bits", bits), ("size", max_bytes))
    )
    diff = quantise(exact, bits) if max_bytes is None else fit(exact, max_bytes, bits)
    write_dpf(dpf, diff)
    return diff


def _setting(settings: Any, name: str, run: str | Path) -> int | None:
    value = settings.get(name) if isinstance(settings, dict) else settings
    if value is not None and type(value) is not int:
        raise RunError(f"{run}: {name} in the settings of its record is {value!r:.80}, expected a number")
    return value
