"""What only a process of its own can tell: the time of a cold start, and memory.

    python -m edgediff.bench.processes WHAT BASE CACHE FILE.dpf ...

prints one number: seconds, or bytes of proportional set size (`psutil`) that came since the imports.
"""

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import psutil
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgediff.bench.in_process import feeds
from edgediff.bench.plan import Plan
from edgediff.bench.timing import summary
from edgediff.errors import BundleError
from edgediff.format.bundle import MODEL_FILE, TOKENIZER_FILE, read_manifest
from edgediff.runtime import open_base

TASKS = 10
"""Tasks whose memory is measured together; if there are fewer files, they are added again."""
_SHORT, _LONG = 16, 256
_HEADS = ("head", "token_head")


def starts(plan: Plan, cache: Path, cold: bool) -> dict[str, object]:
    """The time from imports to an open base, against an ordinary session of the base alone.

    `cold` is with the files out of the system's cache, as after a restart of the device.
    """
    times: dict[str, list[float]] = {"open_base": [], "session": []}
    for _ in range(plan.effort.starts):
        for what, seconds in times.items():
            if cold:
                _drop_from_cache([plan.base, cache])
            seconds.append(_measured(what, plan, cache))
    return {what: summary(seconds) for what, seconds in times.items()}


def memory(plan: Plan, cache: Path, all_words: bool) -> dict[str, object]:
    """Megabytes of ten tasks, against one ordinary session of the base alone; medians."""
    suffix = "_words" if all_words else ""
    found: dict[str, list[float]] = {"tasks": [], "session": []}
    for _ in range(plan.effort.starts):
        for what, sizes in found.items():
            sizes.append(_measured(f"memory_{what}{suffix}", plan, cache))
    return {f"{what}_mb": round(float(np.median(sizes)) / 1e6, 2) for what, sizes in found.items()}


def _measured(what: str, plan: Plan, cache: Path) -> float:
    command = [sys.executable, "-m", "edgediff.bench.processes", what, str(plan.base), str(cache)]
    command += [str(task.path) for task in plan.usable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise BundleError(f"a process that measures {what} failed: {last}")
    return float(json.loads(done.stdout))


def _drop_from_cache(folders: list[Path]) -> None:
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _open_base(base: Path, cache: Path, files: list[Path]) -> float:
    started = time.perf_counter()
    opened = open_base(base, threads=1, cache=cache)
    took = time.perf_counter() - started
    opened.close()
    return took


def _session(base: Path, cache: Path, files: list[Path]) -> float:
    started = time.perf_counter()
    _plain(base)
    return time.perf_counter() - started


def _memory_of_tasks(base: Path, cache: Path, files: list[Path], all_words: bool = False) -> float:
    manifest, before = read_manifest(base), _proportional_set_size()
    opened = open_base(base, threads=1, cache=cache)
    for number in range(max(TASKS, len(files))):
        name = opened.add(files[number % len(files)], f"task{number}").name
        opened.logits(name, feeds(manifest, _SHORT))
    for row in _all_words(base) if all_words else ():
        opened.logits("task0", row)
    return _proportional_set_size() - before


def _memory_of_session(base: Path, cache: Path, files: list[Path], all_words: bool = False) -> float:
    manifest, before = read_manifest(base), _proportional_set_size()
    session = _plain(base)
    heads: dict[str, NDArray[np.float32]] = {}
    for name in _HEADS:
        heads[f"{name}.weight"] = np.zeros((1, manifest.base.width), np.float32)
        heads[f"{name}.bias"] = np.zeros(1, np.float32)
    for row in [feeds(manifest, _SHORT), *(_all_words(base) if all_words else ())]:
        session.run(["logits"], {**row, **heads})
    return _proportional_set_size() - before


def _plain(base: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(base / MODEL_FILE, options, providers=["CPUExecutionProvider"])


def _all_words(base: Path) -> Iterator[dict[str, NDArray[np.int64]]]:
    """Rows that between them use every word of the vocabulary, and with it all of the base's memory."""
    manifest = read_manifest(base)
    words = Tokenizer.from_file(str(base / TOKENIZER_FILE)).get_vocab_size()
    length = min(_LONG, manifest.max_length)
    for first in range(0, words, length):
        row = feeds(manifest, min(length, words - first))
        yield {**row, "input_ids": np.arange(first, first + row["input_ids"].shape[1])[None, :]}


def _proportional_set_size() -> int:
    gc.collect()
    return int(psutil.Process().memory_full_info().pss)


_MEASURES: dict[str, Callable[[Path, Path, list[Path]], float]] = {
    "open_base": _open_base,
    "session": _session,
    "memory_tasks": _memory_of_tasks,
    "memory_session": _memory_of_session,
    "memory_tasks_words": partial(_memory_of_tasks, all_words=True),
    "memory_session_words": partial(_memory_of_session, all_words=True),
}

if __name__ == "__main__":
    what, *paths = sys.argv[1:]
    folder, cache, *files = map(Path, paths)
    sys.stdout.write(json.dumps(_MEASURES[what](folder, cache, files)))
