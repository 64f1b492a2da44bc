"""Mutation fuzzing of the `.dpf` reader: a file loads or is refused with a `FormatError`, soon.

    python -m benchmarks.fuzz --files 100000 --seed 0 [--start N] [--failures FOLDER] [--coverage]

File i of a seed is always the same, so that `--start i --files 1` brings a failure back. With `--coverage`,
atheris (`pip install atheris`) goes on from files that reach something new; these have no numbers.
"""

import contextlib
import faulthandler
import importlib
import json
import pkgutil
import random
import struct
import tempfile
import time
import traceback
import tracemalloc
import types
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import typer

import edgediff.format
from edgediff import Base, Diff, FormatError, Head, Task, TensorDiff, dumps, loads
from edgediff.diff import Kind, Metric
from edgediff.format import inspect
from edgediff.format.classes import MAX_CLASSED_AXIS, as_matrix
from edgediff.format.container import join_sections, split_sections
from edgediff.format.deflate import MAX_DEFLATE_RATIO, inflate
from edgediff.format.dpf import SECTIONS
from edgediff.format.metadata import decode_metadata
from edgediff.format.numbers import decode_numbers, encode_numbers
from edgediff.format.positions import MAX_CLASSED_LINES, Plan
from edgediff.format.rice import encode_gaps, gaps_of
from edgediff.pack import quantise

MAX_SECONDS = 1.0  # of processor time, so that a busy machine fails no file
MEASURED, INSPECTED = 50, 20  # one file in so many is read under tracemalloc, or inspected: both are slow
Parts = dict[str, bytes]
"""What a file's sections hold, inflated: meta, numbers, quotients, remainders, levels, codes, head."""

# A file taken apart, and put together with lengths and checksums that are right.


def split(data: bytes) -> Parts:
    """The parts of a file; raises an exception of any kind if it has none."""
    meta, indx, vals, head = split_sections(data, SECTIONS).values()
    coded, unary = struct.unpack_from("<II", indx)
    levels = 3 + 2 * vals[0]
    return {
        "meta": inflate(meta, 1 << 20, "META"),
        "numbers": inflate(indx[8 : 8 + coded], 1 << 20, "INDX"),
        "quotients": indx[8 + coded :][:unary],
        "remainders": indx[8 + coded :][unary:],
        "levels": vals[:levels],
        "codes": inflate(vals[levels:], 1 << 20, "VALS"),
        "head": head,
    }


def join(parts: Parts) -> bytes:
    """The file of `parts`, whatever they hold."""
    numbers, quotients = _deflate(parts["numbers"]), parts["quotients"]
    indx = struct.pack("<II", len(numbers), len(quotients)) + numbers + quotients + parts["remainders"]
    vals = parts["levels"] + _deflate(parts["codes"])
    return join_sections({"META": _deflate(parts["meta"]), "INDX": indx, "VALS": vals, "HEAD": parts["head"]})


def repair(data: bytes) -> bytes:
    """The same bytes with every checksum right that can be found."""
    fixed, at = bytearray(data[:-32]), 12
    while at + 12 <= len(fixed):
        end = at + 12 + int.from_bytes(fixed[at + 4 : at + 8], "little")
        fixed[at + 8 : at + 12] = zlib.crc32(fixed[at + 12 : end]).to_bytes(4, "little")
        at = end
    return bytes(fixed) + sha256(fixed).digest()


def _deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


# The corpus: valid files with sets of all kinds, most of them in classes that the library would never choose.

TASKS = (
    Task("a", Kind.CLASSIFICATION, "t", labels=("no", "yes", "\u00fc\U0001f600")),
    Task("b", Kind.REGRESSION, "t", "u", metric=Metric.PEARSON_SPEARMAN),
    Task("c", Kind.TOKEN_CLASSIFICATION, "t", labels=("", "x"), metric=Metric.F1, max_length=65535),
    Task("d", Kind.QUESTION_ANSWERING, "t", label=None, metric=Metric.F1, answers="z"),
)
SHAPES: list[tuple[int, ...]] = [(1,), (300,), (40, 30), (7, 3, 5), (64, 64), (1, 50), (1 << 10, 1 << 12)] * 4
SHAPES += [(1 << 40,), (1 << 20, 1 << 20), (3, 1 << 21)]


def make_corpus(seed: int) -> list[bytes]:
    """Small valid files, the same for a seed."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    plain = [_plain(task, width, bits) for task in TASKS for width in (1, 5) for bits in (2, 4, 8)]
    corpus = plain + [_divided(rng, split(rng.choice(plain))) for _ in range(300)]
    assert all(read(data) == "loads" for data in corpus)
    return corpus


def _plain(task: Task, width: int, bits: int) -> bytes:
    """The file of a diff over a few tensors, with one changed entry up to all."""
    changed = [np.arange(0, 1200, step) for step in (1, 3, 50, 1200)]
    tensors = [
        TensorDiff(f"{i}\u00e9", (40, 30), at, np.sin(at + 1).astype(np.float32))
        for i, at in enumerate(changed)
    ]
    bias = np.arange(task.outputs, dtype=np.float32)
    head = Head(np.outer(np.sin(bias + 1), np.arange(width) - 1).astype(np.float32), bias)
    base = Base("b", "0123456789abcdef" * 4, 1 << 40, width)
    return dumps(quantise(Diff(base, task, tuple(tensors), head, {"seed": "0"}), bits))


def _divided(rng: random.Random, parts: Parts) -> bytes:
    """The file `parts` with other tensors, in classes of random sizes whose blocks are empty to full."""
    tensors, numbers, sets = list[Any](), list[int](), list[Any]()
    for number in range(rng.randint(1, 4)):
        shape = rng.choice(SHAPES)
        sizes = [_class_sizes(rng, lines) for lines in as_matrix(shape)]
        places = np.outer(sizes[0], sizes[1])
        counts = [rng.choice((0, 1, p // 2, p) if p < 50 else (0, 0, 2)) for p in places.reshape(-1).tolist()]
        counts[0] = max(1, counts[0])
        numbers += [len(sizes[0]), len(sizes[1]), *sizes[0][:-1], *sizes[1][:-1], *counts]
        tensors.append([f"t{number}", shape, sum(counts)])
        plan = Plan((0, 0), np.array(sizes[0]), np.array(sizes[1]), np.array(counts).reshape(places.shape))
        sets += [*plan.class_sets(), plan.block_sets()]
    gaps = [
        gaps_of(np.array(sorted(rng.sample(range(universe), written)), np.int64))
        for group in sets
        for universe, written in zip(group.universe.tolist(), group.written.tolist(), strict=True)
    ]
    parameters = np.concatenate([np.repeat(group.rice_parameter, group.written) for group in sets])
    quotients, remainders = encode_gaps(np.concatenate(gaps), parameters)
    codes = rng.choices(range(2 + 2 * parts["levels"][0]), k=sum(nnz for *_, nnz in tensors))
    parts |= {"quotients": quotients, "remainders": remainders, "codes": bytes(codes)}
    meta = json.dumps(json.loads(parts["meta"]) | {"tensors": tensors}).encode()
    return join(parts | {"meta": meta, "numbers": encode_numbers(np.array(numbers))})


def _class_sizes(rng: random.Random, lines: int) -> list[int]:
    """A few classes, the last one with all lines that are left."""
    classes = 1 if lines > MAX_CLASSED_AXIS else min(lines, rng.choice((1, 1, 2, 3, 24)))
    sizes = [rng.randint(1, min(20, lines // classes)) for _ in range(classes - 1)]
    return [*sizes, lines - sum(sizes)]


# Mutations of bytes, and of what they mean.

EXTREMES = [0, 1, 2, 23, 24, 25, 127, 128]
EXTREMES += [(1 << bits) + more for bits in (8, 16, 20, 22, 26, 40, 41) for more in (-1, 0, 1)]
ODDITIES: list[Any] = [
    *EXTREMES,
    -1,
    1 << 63,
    10**4000,
    [10**4000] * 8,
    1.0,
    1e308,
    float("inf"),
    float("nan"),
]
ODDITIES += [True, None, "", "\0", "\ud800", "x" * 2000, [], {}, [[1]], {"a": 1}]
TOKENS = [b'"', b"[", b"]", b"{", b"}", b",", b":", b"-", b"1e400", b"0.5", b"\\ud800", b"\\u0000", b"NaN"]
TOKENS += [b"\xff", b"\xef\xbb\xbf", bytes(8), b"9" * 5000, b"[" * 2000, b'"task":{},']


def change_bytes(rng: random.Random, data: bytes) -> bytes:
    """A few bytes flipped, set, put in, taken out, doubled or reordered."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, other, kind = rng.randint(0, len(changed)), rng.randint(0, len(changed)), rng.randrange(6)
        piece = changed[at : at + rng.choice((1, 1, 2, 8))]
        if kind == 0 and piece:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and piece:
            changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            changed[at:at] = rng.choice(TOKENS) if rng.random() < 0.2 else rng.randbytes(1)
        elif kind == 3:
            del changed[at : at + rng.choice((len(piece), len(changed)))]
        elif kind == 4:
            changed[other:other] = piece
        else:
            rng.shuffle(piece)  # keeps how many bits are set
            changed[at : at + len(piece)] = piece
    return bytes(changed)


def change_node(rng: random.Random, plain: Any) -> None:
    """Something in a tree of lists and objects set to an extreme, moved, taken out or doubled."""
    node, key = plain, rng.choice(_keys(plain))
    while isinstance(node[key], list | dict) and node[key] and rng.random() < 0.8:
        node = node[key]
        key = rng.choice(_keys(node))
    kind, other = rng.randrange(6), rng.choice(_keys(node))
    if kind == 0:
        del node[key]
    elif kind == 1 and type(node[key]) is type(node[other]) is int:
        step = min(node[key], rng.choice((1, 1, node[key])))
        node[key] -= step
        node[other] += step  # so that counts may still add up
    elif kind == 1 and type(node[key]) is int:
        node[key] += rng.choice((-1, 1))
    elif kind == 2:
        node[key], node[other] = node[other], node[key]
    elif kind == 3 and isinstance(node, list):
        node.insert(rng.randint(0, len(node)), node[key])
    elif kind == 3:
        node[rng.choice(("", "x" * 65, "answers", "text_pair", "\udfff"))] = node[key]
    else:
        node[key] = rng.choice(EXTREMES if rng.random() < 0.5 else ODDITIES)


def _keys(node: Any) -> list[Any]:
    return list(node) if isinstance(node, dict) else list(range(len(node)))


def change_meta(rng: random.Random, data: bytes) -> bytes:
    """The JSON of META with a node changed."""
    plain = json.loads(data)
    change_node(rng, plain)
    return json.dumps(plain, ensure_ascii=rng.random() < 0.8).encode(errors="surrogatepass")


def change_numbers(rng: random.Random, data: bytes) -> bytes:
    """The numbers of INDX with one changed."""
    numbers = decode_numbers(data, "INDX").tolist()
    change_node(rng, numbers)
    return encode_numbers(np.array([n for n in numbers if type(n) is int and 0 <= n < 1 << 62], np.int64))


Change = Callable[[random.Random, bytes], bytes]


def mutate(rng: random.Random, data: bytes, change: Change = change_bytes) -> bytes:
    """A file like `data`, most often wrong only in what a section holds; `change` changes bytes."""
    place = rng.random()
    try:
        parts = split(data) if place < 0.85 else None
    except Exception:  # as many kinds as there are ways in which an earlier mutation left it
        parts = None
    if parts is None:
        return change(rng, data) if place > 0.95 else repair(change(rng, data))
    for name in rng.choices(list(parts), (3, 3, 2, 1, 0.5, 0.5, 0.5), k=rng.choice((0, 1, 1, 1, 2, 3))):
        of_meaning = {"meta": change_meta, "numbers": change_numbers}.get(name, change)
        try:
            parts[name] = (of_meaning if rng.random() < 0.8 else change)(rng, parts[name])
        except (ValueError, TypeError, IndexError, RecursionError):  # no longer JSON or numbers
            parts[name] = change(rng, parts[name])
    return join(parts)


# The harness.


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
        sections = split_sections(data, SECTIONS)
        allowed += 64 * len(inflate(sections["META"], 1 << 20, "META"))
        entries = decode_metadata(sections["META"]).tensors
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
