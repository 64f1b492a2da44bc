"""Every row of the table: what is trained for it, and which files it makes of that."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from benchmarks.peers.adapter_session import (
    Values,
    active_adapter,
    ia3_values,
    lora_values,
    write_adapter,
    write_ia3_graph,
    write_lora_graph,
)
from benchmarks.peers.peer import Feeds, Logits, Names, Peer
from benchmarks.peers.sessions import a_session_each, head_inputs, session_of
from benchmarks.peers.whole import (
    apply_fp16_difference,
    apply_zstd_patch,
    ia3_factors,
    lora_matrices,
    tuned_weights,
    write_fp16_difference,
    write_int8,
    write_whole,
    write_zstd_patch,
)
from benchmarks.runs import Run, Runs, task_definition
from benchmarks.shipped import as_diff
from edgediff.format import write_dpf
from edgediff.format.bundle import MODEL_FILE, WEIGHTS_FILE, read_manifest
from edgediff.pack import quantise
from edgediff.runtime import open_base
from edgediff.train import Method, Settings
from edgediff.train.extract import ADAPTER_BITS

_SETTINGS = Settings()
DEFAULT = Run(
    "",
    _SETTINGS.method,
    _SETTINGS.kept_share,
    rank=_SETTINGS.product_rank or 0,
    bits=_SETTINGS.value_bits or 0,
)
LORA_RANKS = (1, 4)
WHOLE = "fine-tuned, whole"
TRAINED = "weights.safetensors"


class Rows:
    """Makes the rows for some tasks, each method at the rate that did best."""

    def __init__(self, runs: Runs, tasks: list[str]) -> None:
        self.tasks, self._runs = tasks, runs
        self._files = runs.work / "peers"
        self._files.mkdir(exist_ok=True)

    def all(self) -> list[Peer]:
        """Ours first."""
        return [
            self._diff("edgediff, the default", DEFAULT),
            self._diff("edgediff, 0.5 %", Run("", Method.EARLY)),
            self._diff("BitFit, as a .dpf file", Run("", Method.BITFIT)),
            *self._tuned(),
            *(peer for rank in LORA_RANKS for peer in self._lora(rank)),
            *self._ia3(),
        ]

    def _diff(self, name: str, row: Run) -> Peer:
        best = {task: self._runs.best(replace(row, task=task)) for task in self.tasks}
        return self._patched_live(name, {task: self._runs.packed(run) for task, run in best.items()})

    def _patched_live(self, name: str, files: dict[str, Path]) -> Peer:
        """Packed diffs on one open base."""

        def opened(names: Names) -> Logits:
            base = open_base(self._runs.bundle, threads=1, cache=self._files / "cache")
            for name, task in names.items():
                base.add(files[task], name)
            return base.logits

        return Peer(name, files, opened, reopen=False)

    def _tuned(self) -> list[Peer]:
        """Fully fine-tuned models, as they would ship."""
        trained = self._trained(Method.FULL)
        models, heads = self._merged(trained), self._heads(trained)
        weights = {task: model.with_name(WEIGHTS_FILE) for task, model in models.items()}
        int8 = {
            task: self._once(f"{trained[task].name}-int8.onnx", partial(write_int8, model))
            for task, model in models.items()
        }
        return [
            Peer(WHOLE, weights, a_session_each(models, heads)),
            Peer("fine-tuned, whole, int8", int8, a_session_each(int8, heads)),
            self._patched("zstd --patch-from", weights, heads, write_zstd_patch, apply_zstd_patch),
            self._patched("float16 difference", weights, heads, write_fp16_difference, apply_fp16_difference),
        ]

    def _patched(
        self,
        name: str,
        weights: dict[str, Path],
        heads: dict[str, Feeds],
        write: Callable[[Path, Path, Path], None],
        apply: Callable[[Path, Path, Path], None],
    ) -> Peer:
        """Fine-tuned weights as a patch of the base's, unpacked whenever its task is opened."""
        base = self._runs.bundle / WEIGHTS_FILE
        patches = {
            task: self._once(f"{path.parent.name} {name}", partial(write, base, path))
            for task, path in weights.items()
        }
        models = {
            task: self._files / f"{path.parent.name} {name} unpacked" / MODEL_FILE
            for task, path in weights.items()
        }

        def opened(names: Names) -> Logits:
            for task in {*names.values()}:
                models[task].parent.mkdir(exist_ok=True)
                shutil.copy(self._runs.bundle / MODEL_FILE, models[task])
                apply(base, patches[task], models[task].with_name(WEIGHTS_FILE))
            return a_session_each(models, heads)(names)

        return Peer(f"fine-tuned, {name}", patches, opened)

    def _lora(self, rank: int) -> list[Peer]:
        trained = self._trained(Method.LORA, rank)
        matrices = {task: lora_matrices(load_file(run / TRAINED)) for task, run in trained.items()}
        graph = self._once("lora", partial(write_lora_graph, self._runs.bundle, matrices[self.tasks[0]]))
        values = {task: lora_values(found) for task, found in matrices.items()}
        return [
            self._patched_live(f"LoRA, rank {rank}, as a .dpf file", self._packed(trained)),
            self._as_merged(f"LoRA, rank {rank}, merged", trained),
            self._in_one_session(f"LoRA, rank {rank}", trained, graph, values),
        ]

    def _ia3(self) -> list[Peer]:
        trained = self._trained(Method.IA3)
        factors = {task: ia3_factors(load_file(run / TRAINED)) for task, run in trained.items()}
        graph = self._once("ia3", partial(write_ia3_graph, self._runs.bundle, factors[self.tasks[0]]))
        values = {task: ia3_values(found) for task, found in factors.items()}
        return [
            self._as_merged("IA3, merged", trained),
            self._in_one_session("IA3", trained, graph, values),
        ]

    def _in_one_session(
        self, name: str, trained: dict[str, Path], graph: Path, values: dict[str, Values]
    ) -> Peer:
        """Adapters as onnxruntime has them, beside one base."""
        heads = self._heads(trained)
        adapters = {
            task: self._once(f"{trained[task].name}.onnx_adapter", partial(write_adapter, own))
            for task, own in values.items()
        }

        def opened(names: Names) -> Logits:
            session = session_of(graph / MODEL_FILE)
            active = {name: active_adapter(adapters[task]) for name, task in names.items()}
            return lambda name, feeds: np.asarray(
                session.run(["logits"], {**feeds, **heads[names[name]]}, active[name][0])[0]
            )

        return Peer(f"{name}, .onnx_adapter in one session", adapters, opened, reopen=False)

    def _packed(self, trained: dict[str, Path]) -> dict[str, Path]:
        """The LoRA adapters of each RUN folder as a diff."""
        base = read_manifest(self._runs.bundle).base

        def write(task: str, path: Path) -> None:
            diff = as_diff(load_file(trained[task] / TRAINED), base, task_definition(task))
            write_dpf(path, quantise(diff, ADAPTER_BITS))

        return {task: self._once(f"{run.name}.dpf", partial(write, task)) for task, run in trained.items()}

    def _as_merged(self, name: str, trained: dict[str, Path]) -> Peer:
        """Adapters that ship as PEFT saves them, and run merged."""
        shipped = {task: run / TRAINED for task, run in trained.items()}
        return Peer(name, shipped, a_session_each(self._merged(trained), self._heads(trained)))

    def _trained(self, method: Method, rank: int = 0) -> dict[str, Path]:
        """The RUN folder of each task; its score goes to the results of runs."""
        runs = {task: self._runs.best(Run(task, method, rank=rank)) for task in self.tasks}
        for run in runs.values():
            self._runs.result(run)
        return {task: self._runs.folder(run) for task, run in runs.items()}

    def _merged(self, trained: dict[str, Path]) -> dict[str, Path]:
        """The model of each RUN folder, whole."""
        bundle = self._runs.bundle

        def write(run: Path, folder: Path) -> None:
            write_whole(bundle, tuned_weights(bundle, run), folder)

        return {task: self._once(run.name, partial(write, run)) / MODEL_FILE for task, run in trained.items()}

    def _heads(self, trained: dict[str, Path]) -> dict[str, Feeds]:
        """The head of each RUN folder as inputs of the graph."""
        return {
            task: head_inputs(self._runs.bundle, load_file(run / TRAINED)) for task, run in trained.items()
        }

    def _once(self, name: str, write: Callable[[Path], object]) -> Path:
        """The file or folder, written now if it is not there; it appears whole or not at all."""
        path = self._files / name
        if not path.exists():
            part = path.with_name(f"{name}.part")
            shutil.rmtree(part, ignore_errors=True)
            write(part)
            part.rename(path)
        return path
