"""Mutation fuzzing of the `.dpf` reader: a file loads or is refused with a `FormatError`, soon.

    python -m benchmarks.fuzz --files 100000 --seed 0 [--start N] [--failures FOLDER] [--coverage]

File i of a seed is always the same, so that `--start i --files 1` brings a failure back. With `--coverage`,
atheris (`pip install atheris`) goes on from files that reach something new; these have no numbers.
"""

import contextlib
import faulthandler
import importlib
import pkgutil
import random
import struct
import tempfile
import time
import traceback
import tracemalloc
import types
import warnings
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import typer

import edgediff.format
from benchmarks.corpus import make_corpus
from benchmarks.mutators import change_bytes, mutate, split
from edgediff import FormatError, loads
from edgediff.diff import as_matrix
from edgediff.format import inspect
from edgediff.format.classes import MAX_CLASSED_AXIS
from edgediff.format.container import split_sections
from edgediff.format.deflate import MAX_DEFLATE_RATIO, inflate
from edgediff.format.metadata import decode_metadata
from edgediff.format.positions import MAX_CLASSED_LINES

MAX_SECONDS = 1.0  # of processor time, so that a busy machine fails no file
MEASURED, INSPECTED = 50, 20  # one file in so many is read under tracemalloc, or inspected: both are slow


@dataclass
class Report:
    """What came of the files so far; those that failed lie in `failures`, each with what happened."""

    failures: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    largest: tuple[float, int, str] = (0.0, 0, "")

    def check(self, data: bytes, name: str) -> None:
        """Read a file and note what happened; no exception passes."""
        number = self.outcomes.total()
        try:
            started = time.process_time()
            outcome = read(data)
            seconds = time.process_time() - started
            self.slowest = max(self.slowest, (seconds, name))
            if seconds > MAX_SECONDS:
                raise TimeoutError(f"{seconds:.2f} seconds of processor time")
            if number % MEASURED == 0:
                self.largest = max(self.largest, (*measure(data), name))
            if number % INSPECTED == 0:
                look(data, outcome)
        except Exception as error:  # whatever is no FormatError is what this looks for
            outcome = f"FAILED with {type(error).__name__}"
            self.failures.mkdir(parents=True, exist_ok=True)
            (self.failures / f"{name}.dpf").write_bytes(data)
            (self.failures / f"{name}.txt").write_text(traceback.format_exc(), "utf-8", "backslashreplace")
        self.outcomes[outcome] += 1


def read(data: bytes) -> str:
    """Load a file, whose diff must be sound: "loads", or the name of the error with which it is refused."""
    try:
        diff = loads(data)
    except FormatError as error:
        return type(error).__name__
    diff.check()
    return "loads"


def measure(data: bytes) -> tuple[float, int]:
    """The most memory that reading takes at a time, as a share of what is allowed and in bytes."""
    tracemalloc.start()
    read(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    allowed = (1 << 20) + 4 * len(data)
    with contextlib.suppress(FormatError, struct.error):  # nothing is read beyond where this ends
        sections = split_sections(data)
        allowed += 64 * len(inflate(sections["META"], 1 << 20, "META"))
        meta = decode_metadata(sections["META"], products="PROD" in sections)
        entries = meta.tensors
        factors = sum(product.size for product in meta.products)
        allowed += 64 * min(factors, MAX_DEFLATE_RATIO * len(data))
        allowed += 64 * min(sum(entry.nnz for entry in entries), MAX_DEFLATE_RATIO * len(data))
        lines = [size for e in entries for size in as_matrix(e.shape) if size <= MAX_CLASSED_AXIS]
        allowed += 48 * min(sum(lines), MAX_CLASSED_LINES)
        end = 8 + struct.unpack_from("<I", sections["INDX"])[0]
        allowed += 64 * len(inflate(sections["INDX"][8:end], 1 << 20, "INDX"))
    if peak > allowed:
        raise MemoryError(f"{peak} bytes, {allowed} are allowed")
    return peak / allowed, peak


def look(data: bytes, outcome: str) -> None:
    """Inspect a file, which must be possible if it loads."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            inspect(file.name)
        except FormatError:
            if outcome == "loads":
                raise ValueError("inspect refuses a file that loads") from None


def fuzz_with_coverage(report: Report, corpus: list[bytes], files: int, seed: int) -> None:
    """Let atheris choose which files to go on from, and change bytes in its ways too."""
    atheris = importlib.import_module("atheris")
    for found in pkgutil.iter_modules(edgediff.format.__path__, "edgediff.format."):
        for item in vars(importlib.import_module(found.name)).values():
            for member in (item, *(vars(item).values() if isinstance(item, type) else ())):
                function = getattr(member, "fget", member)
                if isinstance(function, types.FunctionType) and function.__module__ == found.name:
                    atheris.instrument_func(function)

    def change(_: random.Random, data: bytes) -> bytes:
        changed: bytes = atheris.Mutate(data, len(data) + 64)
        return changed

    def mutator(data: bytes, max_size: int, number: int) -> bytes:
        rng = random.Random(number)  # noqa: S311 (no secret)
        try:
            split(data)
        except Exception:  # a file that ends at its container teaches nothing more
            data = rng.choice(corpus)
        return mutate(rng, data, rng.choice((change, change_bytes)))[:max_size]

    def check(data: bytes) -> None:
        report.check(data, sha256(data).hexdigest()[:16])

    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(corpus):
            Path(folder, str(number)).write_bytes(data)
        options = [folder, f"-atheris_runs={files}", f"-seed={seed + 1}", "-max_len=16384", "-verbosity=0"]
        atheris.Setup(["fuzz", *options], check, custom_mutator=mutator)
        with contextlib.suppress(SystemExit):  # which is how it ends
            atheris.Fuzz()


def main(
    files: int = 10_000,
    seed: int = 0,
    start: int = 0,
    failures: Path = Path("build/fuzz"),
    coverage: bool = False,
) -> None:
    """Read so many files, print what came of them, and exit with 1 if one failed."""
    warnings.simplefilter("error")
    report, corpus = Report(failures), make_corpus(seed)
    assert all(read(data) == "loads" for data in corpus)
    if coverage:
        fuzz_with_coverage(report, corpus, files, seed)
    for number in range(start, start if coverage else start + files):
        if number % 1000 == 0:
            faulthandler.dump_traceback_later(600, exit=True)
        rng = random.Random(f"{seed} {number}")  # noqa: S311 (no secret)
        report.check(mutate(rng, rng.choice(corpus)), f"{seed}-{number}")
    faulthandler.cancel_dump_traceback_later()
    for outcome, count in report.outcomes.most_common():
        print(f"{count:>10,}  {outcome}")
    print("slowest: {:.3f} s, file {}".format(*report.slowest))
    print("largest: {:.0%} of the memory allowed, {:,} bytes, file {}".format(*report.largest))
    if any(outcome.startswith("FAILED") for outcome in report.outcomes):
        raise SystemExit(f"the files that failed are in {failures}")


if __name__ == "__main__":
    typer.run(main)
