"""The figures of each row, taken in turns."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psutil

from benchmarks.peers.peer import Logits, Peer
from benchmarks.runs import Runs, task_definition
from benchmarks.scoring import score_of
from edgediff.bench.in_process import feeds as feeds_of
from edgediff.bench.timing import in_turns
from edgediff.format.bundle import read_manifest

LENGTHS = (16, 64, 128)
ROUNDS, SWITCHES = 30, 15
TASKS_HELD = 10


def measure(runs: Runs, tasks: list[str], rows: list[Peer], arguments: list[str]) -> list[dict[str, Any]]:
    """One dictionary a row; `arguments` are those that give another process of this command the same rows."""
    manifest = read_manifest(runs.bundle)
    logits = {peer.name: peer.open(dict(zip(tasks, tasks, strict=True))) for peer in rows}
    latencies = {}
    for tokens in LENGTHS:
        actions = {name: _run(own, tasks[0], feeds_of(manifest, tokens)) for name, own in logits.items()}
        latencies[tokens] = in_turns(actions, ROUNDS)
    short = feeds_of(manifest, LENGTHS[0])

    def switch(peer: Peer) -> Callable[[int], object]:
        """To the next task and to its first answer."""

        def to(number: int) -> object:
            task = tasks[number % len(tasks)]
            return (peer.open({task: task}) if peer.reopen else logits[peer.name])(task, short)

        return to

    switches = in_turns({peer.name: switch(peer) for peer in rows}, SWITCHES)
    return [
        {
            "name": peer.name,
            "bytes": {task: path.stat().st_size for task, path in peer.files.items()},
            "scores": {task: _score(runs, task, logits[peer.name]) for task in tasks},
            "switch_and_run_ms": switches[peer.name]["p50_ms"],
            "run_ms": {str(tokens): found[peer.name]["p50_ms"] for tokens, found in latencies.items()},
            "memory_mb": _memory_elsewhere(peer.name, arguments),
        }
        for peer in rows
    ]


def _run(logits: Logits, task: str, feeds: Any) -> Callable[[int], object]:
    return lambda _: logits(task, feeds)


def _score(runs: Runs, name: str, logits: Logits) -> float:
    return score_of(lambda feeds: logits(name, feeds), runs.bundle, task_definition(name), runs.dev(name))


def _memory_elsewhere(name: str, arguments: list[str]) -> float:
    """What `hold` says in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peers", *arguments, "--memory-of", name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    return float(done.stdout)


def hold(runs: Runs, tasks: list[str], peer: Peer) -> float:
    """Megabytes that ten tasks take, each run once: the files of `tasks`, again under other names."""
    names = {
        f"{tasks[number % len(tasks)]} {number}": tasks[number % len(tasks)] for number in range(TASKS_HELD)
    }
    before = psutil.Process().memory_full_info().pss
    logits = peer.open(names)
    for name in names:
        logits(name, feeds_of(read_manifest(runs.bundle), LENGTHS[0]))
    return (psutil.Process().memory_full_info().pss - before) / 1e6
