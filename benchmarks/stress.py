"""Threads that switch between tasks of one open base: every answer must be its task's own, bit for bit.

    python -m benchmarks.stress [BASE] [--runs 100000] [--switches 10000] [--threads 8] [--mode auto]

Without BASE, a base bundle of `edgediff export`, the base is `minilm`. The first part lets threads run tasks,
and compositions of two, at random; the second switches in one thread and looks at every hundredth answer.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.made import made_task
from edgediff.format.bundle import read_manifest
from edgediff.runtime import OpenBase, open_base

TASKS = 5
DENSITY = 0.0005
TOKENS = (1, 8)
LOWEST_WORDS = 50

Asked = str | list[str]
Wanted = list[tuple[Asked, NDArray[np.float32]]]


def main() -> None:
    """Stress one base; the exit code is 1 if any answer was another one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("base", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--switches", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--mode", default="auto")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        bundle = arguments.base or _export(folder / "base")
        with open_base(bundle, mode=arguments.mode, threads=1, cache=folder / "cache") as base:
            names = [base.add(made_task(bundle, number, folder, DENSITY)).name for number in range(TASKS)]
            feeds = _feeds(bundle)
            asked: list[Asked] = [*names, names[:2], names[2:4]]
            wanted = [(each, base.logits(each, feeds)) for each in asked]
            wrong = _runs(base, wanted, feeds, arguments.runs, arguments.threads)
            wrong += _switches(base, wanted, feeds, arguments.switches)
    sys.exit(1 if wrong else 0)


def _runs(
    base: OpenBase, wanted: Wanted, feeds: dict[str, NDArray[np.int64]], runs: int, threads: int
) -> int:
    wrong: list[Asked] = []

    def ask(seed: int) -> None:
        generator = np.random.default_rng(seed)
        for _ in range(runs // threads):
            asked, logits = wanted[generator.integers(len(wanted))]
            if not np.array_equal(base.logits(asked, feeds), logits):
                wrong.append(asked)

    before = sum(task.uses for task in base.tasks.values())
    started = time.perf_counter()
    workers = [threading.Thread(target=ask, args=(seed,)) for seed in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    uses = sum(task.uses for task in base.tasks.values()) - before
    took = time.perf_counter() - started
    print(f"{base.mode} mode: {runs:,} runs of {threads} threads, {uses:,} times a task was activated,")
    print(f"  {took:.1f} s, {len(wrong)} wrong answers")
    return len(wrong)


def _switches(base: OpenBase, wanted: Wanted, feeds: dict[str, NDArray[np.int64]], switches: int) -> int:
    wrong = 0
    started = time.perf_counter()
    for number in range(switches):
        asked, logits = wanted[number % len(wanted)]
        base.activate(asked)
        if number % 100 == 0:
            wrong += not np.array_equal(base.logits(asked, feeds), logits)
    took = time.perf_counter() - started
    print(f"{base.mode} mode: {switches:,} switches in {took:.1f} s, {wrong} wrong answers")
    return wrong


def _export(folder: Path) -> Path:
    from edgediff.export import export

    export("minilm", folder)
    return folder


def _feeds(bundle: Path) -> dict[str, NDArray[np.int64]]:
    words = np.random.default_rng(0).integers(0, LOWEST_WORDS, TOKENS)
    fill = {"input_ids": words, "attention_mask": np.ones_like(words), "token_type_ids": np.zeros_like(words)}
    return {name: fill[name] for name in read_manifest(bundle).inputs}


if __name__ == "__main__":
    main()
