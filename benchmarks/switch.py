"""What switching tasks costs in a live session, against the documented ways.

    python -m benchmarks.switch BASE FIRST.dpf SECOND.dpf [--rounds 40]

Every figure is a median of runs that take turns in one process, one thread each; memory and cold start are
those of processes of their own. `dedicated` is what a fine-tuned model of one's own would be: all weights
patched in an ordinary model file, opened with all of onnxruntime's optimisations. Memory is the proportional
set size, after one run and after runs that use every word of the vocabulary.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff import read_dpf
from edgediff.format.bundle import MODEL_FILE, read_manifest
from edgediff.runtime import load_session, open_base

LENGTHS = (16, 64, 128)
TASKS = 10


def main() -> None:
    """Measure, and print one table."""
    arguments = _arguments()
    if arguments.measure:
        print(json.dumps(_MEASURES[arguments.measure](arguments)))
        return
    with tempfile.TemporaryDirectory() as cache:
        arguments.cache = Path(cache)
        open_base(arguments.base, mode="live", threads=1, cache=cache).close()  # the image is built
        rows = [*_switches(arguments), *_runs(arguments), *_processes(arguments)]
    print("| | live | against | ratio |\n|---|---|---|---|")
    for name, live, other, against in rows:
        print(f"| {name} | {live:.2f} | {other:.2f} {against} | {live / other:.3f} |")


Row = tuple[str, float, float, str]
"""What, live, the other one, and what that is."""


def _switches(arguments: argparse.Namespace) -> list[Row]:
    base = open_base(arguments.base, mode="live", threads=1, cache=arguments.cache)
    names = [base.add(file, f"task{number}").name for number, file in enumerate(arguments.files)]
    started = time.perf_counter()
    base.activate(names[0])
    first_use = time.perf_counter() - started
    diffs = [read_dpf(file) for file in arguments.files]

    def reload(number: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        load_session(arguments.base, diffs[number % len(diffs)], session_options=options)

    live, other = _in_turns(
        [lambda number: base.activate(names[number % len(names)]), reload], arguments.rounds
    )
    base.close()
    return [
        ("first use of a task, ms", 1000 * first_use, 1000 * other, "a session of its own"),
        ("switch, ms", 1000 * live, 1000 * other, "a session of its own"),
    ]


def _runs(arguments: argparse.Namespace) -> list[Row]:
    base = open_base(arguments.base, mode="live", threads=1, cache=arguments.cache)
    name = base.add(arguments.files[0]).name
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    dedicated, task = load_session(arguments.base, arguments.files[0], session_options=options)
    rows: list[Row] = []
    for tokens in LENGTHS:
        feeds = _feeds(tokens)
        ordinary = {**feeds, **task.feeds}
        live, other = _in_turns(
            [lambda _, f=feeds: base.logits(name, f), lambda _, f=ordinary: dedicated.run([task.output], f)],
            arguments.rounds,
        )
        rows.append((f"run of {tokens} tokens, ms", 1000 * live, 1000 * other, "dedicated"))
    base.close()
    return rows


def _processes(arguments: argparse.Namespace) -> list[Row]:
    found: dict[str, list[float]] = {name: [] for name in _MEASURES}
    for _ in range(arguments.starts):
        for name, values in found.items():
            command = [sys.executable, "-m", "benchmarks.switch", str(arguments.base)]
            command += [str(file) for file in arguments.files]
            command += ["--measure", name, "--cache", str(arguments.cache)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            values.append(json.loads(done.stdout))
    median = {name: statistics.median(values) for name, values in found.items()}
    rows = [("cold start, ms", 1000 * median["start-live"], 1000 * median["start-plain"], "plain session")]
    for words, name in ((f"{TASKS} tasks, one run each", "memory"), (f"{TASKS} tasks, all words", "used")):
        live, plain = median[f"{name}-live"] / 1e6, median[f"{name}-plain"] / 1e6
        rows.append((f"memory of {words}, MB", live, plain, "one plain session"))
    return rows


def _start_live(arguments: argparse.Namespace) -> float:
    started = time.perf_counter()
    open_base(arguments.base, mode="live", threads=1, cache=arguments.cache)
    return time.perf_counter() - started


def _start_plain(arguments: argparse.Namespace) -> float:
    started = time.perf_counter()
    _plain(arguments.base)
    return time.perf_counter() - started


def _memory_live(arguments: argparse.Namespace, all_words: bool = False) -> int:
    before = _proportional_set_size()
    base = open_base(arguments.base, mode="live", threads=1, cache=arguments.cache)
    for number in range(TASKS):
        name = base.add(arguments.files[number % len(arguments.files)], f"task{number}").name
        for feeds in _all_words(arguments.base) if all_words and number == 0 else [_feeds(16)]:
            base.logits(name, feeds)
    return _proportional_set_size() - before


def _memory_plain(arguments: argparse.Namespace, all_words: bool = False) -> int:
    before = _proportional_set_size()
    session = _plain(arguments.base)
    width = next(i.shape[1] for i in session.get_inputs() if i.name == "head.weight")
    heads = {f"{name}.weight": np.zeros((2, width), np.float32) for name in ("head", "token_head")}
    heads |= {f"{name}.bias": np.zeros(2, np.float32) for name in ("head", "token_head")}
    for feeds in _all_words(arguments.base) if all_words else [_feeds(16)]:
        session.run(["logits"], {**feeds, **heads})
    return _proportional_set_size() - before


_MEASURES: dict[str, Callable[[argparse.Namespace], float]] = {
    "start-live": _start_live,
    "start-plain": _start_plain,
    "memory-live": _memory_live,
    "memory-plain": _memory_plain,
    "used-live": lambda arguments: _memory_live(arguments, all_words=True),
    "used-plain": lambda arguments: _memory_plain(arguments, all_words=True),
}


def _plain(base: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(base / MODEL_FILE, options, providers=["CPUExecutionProvider"])


def _all_words(base: Path) -> Iterator[dict[str, NDArray[np.int64]]]:
    shapes = [p.shape for p in read_manifest(base).parameters if "word_embeddings" in p.name]
    for first in range(0, shapes[0][0], 256):
        yield _of(np.arange(first, min(first + 256, shapes[0][0]))[None, :])


def _feeds(tokens: int) -> dict[str, NDArray[np.int64]]:
    return _of(np.random.default_rng(0).integers(1000, 2000, (1, tokens)))


def _of(ids: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": np.zeros_like(ids),
    }


def _in_turns(actions: list[Callable[[int], object]], rounds: int) -> list[float]:
    """The median seconds of each action, the actions taking turns."""
    times: list[list[float]] = [[] for _ in actions]
    for number in range(rounds + 1):
        for action, own in zip(actions, times, strict=True):
            started = time.perf_counter()
            action(number)
            own.append(time.perf_counter() - started)
    return [statistics.median(own[1:]) for own in times]  # the first ones allocate


def _proportional_set_size() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("base", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--measure", choices=_MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
