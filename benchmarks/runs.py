"""One training run of the tables of results: its settings, its RUN folder, its score."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.shipped import packed, shipped
from edgediff.diff import Task
from edgediff.diff.glue import GLUE_TASKS
from edgediff.export import export
from edgediff.files import write_atomic
from edgediff.pack import pack
from edgediff.runtime import eval
from edgediff.train import Criterion, Method, Settings, Shape, train

RESULTS = Path(__file__).parent / "results" / "scores"
WORK = Path("build/runs")
DENSITY = 0.005
EPOCHS = {"sst2": 3.0, "mrpc": 5.0, "stsb": 5.0, "qnli": 3.0, "mnli": 5.0}
ROWS = {"sst2": 20_000, "mnli": 5_000}
RATES: dict[Method, tuple[str, tuple[float, ...]]] = {
    Method.FULL: ("dense_rate", (1e-4, 2e-4, 5e-5)),
    Method.EARLY_LOW_RANK: ("mask_rate", (4e-3, 2e-3, 8e-3)),
    Method.EARLY: ("mask_rate", (2e-3, 4e-3, 1e-3, 8e-3)),
    Method.STRUCTURED: ("mask_rate", (1e-3, 2e-3, 4e-3)),
    Method.DIFF: ("mask_rate", (1e-3, 2e-3, 4e-3)),
    Method.MAGNITUDE: ("mask_rate", (1e-3, 5e-4, 2e-3)),
    Method.FISHER: ("mask_rate", (2e-3, 1e-3, 4e-3)),
    Method.RANDOM: ("mask_rate", (2e-3, 1e-3, 4e-3)),
    Method.LOW_RANK: ("adapter_rate", (2e-3, 4e-3, 1e-3)),
    Method.BITFIT: ("mask_rate", (2e-3, 1e-3, 4e-3)),
    Method.LAST_LAYER: ("dense_rate", (2e-4, 1e-4, 4e-4)),
    Method.LORA: ("adapter_rate", (2e-3, 1e-3, 4e-3)),
    Method.SHIRA: ("adapter_rate", (2e-3, 1e-3, 4e-3, 8e-3)),
    Method.IA3: ("adapter_rate", (1e-2, 3e-3, 3e-2)),
}
"""The setting that is varied, and its values, the likely best first."""
FACTOR_BITS = (2, 3, 4)
"""Those at which runs with products are packed and scored, whatever they were learnt with."""


@dataclass(frozen=True)
class Run:
    """One training run.

    `rank` is that of products and adapters, 0 for other methods; `size` (in bytes) takes the place of the
    density, and `bits` that of what `pack` would choose, unless they are 0.
    """

    task: str
    method: Method
    density: float = DENSITY
    rate: float = 0.0
    seed: int = 0
    rank: int = 0
    shape: Shape = Shape.ENTRY
    size: int = 0
    bits: int = 0
    criterion: Criterion = Criterion.MOVEMENT

    @property
    def key(self) -> str:
        """The name of its folder and of its result."""
        shape = {Shape.ENTRY: "", Shape.ROW: "-rows"}.get(self.shape, f"-{self.shape}")
        credit = "-credit" if self.criterion is Criterion.CREDIT else ""
        dense = self.method is Method.LOW_RANK or not self.method.sparse
        amount = f"-{self.size}B" if self.size else "" if dense else f"-{self.density:g}"
        bits = f"-{self.bits}bits" if self.bits else ""
        method = f"{self.method}{self.rank or ''}{shape}{credit}"
        return f"{self.task}-{method}{amount}{bits}-{self.rate:g}-s{self.seed}"

    def settings(self, epochs: float | None = None) -> Settings:
        """The settings: the defaults, but for what is varied."""
        name, _ = RATES[self.method]
        varied = {name: self.rate, "seed": self.seed, "shape": self.shape, "criterion": self.criterion}
        density = self.density if self.method.masked and not self.size else None
        named = (("density", density), ("adapter_rank", self.rank), ("size", self.size), ("bits", self.bits))
        varied |= {name: value for name, value in named if value}
        return Settings(method=self.method, epochs=epochs or EPOCHS[self.task], **varied)  # type: ignore[arg-type]


class Runs:
    """Trains runs in folders of WORK and keeps their results, one JSON file each; nothing is done twice.

    `data` holds `TASK/train.jsonl.gz` and `TASK/dev.jsonl.gz`. Fewer `rows` or `epochs` than the tables have
    are for trying a command out; the results then stay in WORK.
    """

    def __init__(
        self,
        data: Path,
        work: Path = WORK,
        results: Path = RESULTS,
        rows: int | None = None,
        epochs: float | None = None,
    ) -> None:
        self._data, self.work = data, work
        self._rows, self._epochs = rows, epochs
        self._results = results if rows is None and epochs is None else work / "scores"
        for folder in (self.work, self._results):
            folder.mkdir(parents=True, exist_ok=True)
        self.bundle = work / "base"
        if not self.bundle.exists():
            export("minilm", self.bundle)

    def best(self, run: Run) -> Run:
        """`run` with seed 0 and the rate that scored best so far, else with the likely best one."""
        runs = [replace(run, rate=rate, seed=0) for rate in RATES[run.method][1]]
        scores = [(stored["score"], run) for run in runs if (stored := self.stored(run))]
        return max(scores, key=lambda pair: pair[0])[1] if scores else runs[0]

    def stored(self, run: Run) -> dict[str, Any] | None:
        """The result, if it is there."""
        path = self._results / f"{run.key}.json"
        return dict(json.loads(path.read_text())) if path.is_file() else None

    def folder(self, run: Run) -> Path:
        """The RUN folder, trained or trained to its end now if need be."""
        folder = self.work / run.key
        train(
            "minilm",
            folder,
            task=task_definition(run.task),
            train=self._data / run.task / "train.jsonl.gz",
            dev=self.dev(run.task),
            settings=run.settings(self._epochs),
            rows=self._rows or ROWS.get(run.task),
            resume=folder.exists(),
        )
        return folder

    def packed(self, run: Run, bits: int | None = None) -> Path:
        """The packed file, at `bits` a value or as many as `pack` takes."""
        path = self.work / run.key / (f"{bits}-bits.dpf" if bits else "own.dpf")  # goes when the run goes
        if not path.exists():
            pack(self.folder(run), path, bits=bits)
        return path

    def dev(self, task: str) -> Path:
        """The dev rows of a task."""
        return self._data / task / "dev.jsonl.gz"

    def result(self, run: Run) -> dict[str, Any]:
        """The result, trained and scored now if it is not there: diffs packed, and on onnxruntime."""
        if (stored := self.stored(run)) is not None:
            return stored
        record = json.loads((self.folder(run) / "train.json").read_text())
        result: dict[str, Any] = {**asdict(run), "score": record["scores"]["dev"][record["metric"]]}
        if run.method.sparse:
            path = self.packed(run)
            result |= {
                "unpacked": result["score"],
                "score": eval(self.bundle, path, self.dev(run.task)).score,
                "bytes": path.stat().st_size,
                "nnz": record["nnz"],
            }
        else:
            result |= {"bytes": 4 * record["trained_parameters"], "nnz": None}
        if run.method.learns_products:
            result["shipped"] = [
                self._packed_at(run, bits) for bits in FACTOR_BITS if bits != run.settings().value_bits
            ]
        if run.method in (Method.LORA, Method.IA3):
            trained = self.folder(run), self.bundle, task_definition(run.task), self.dev(run.task)
            result["shipped"] = shipped(*trained) + (packed(*trained) if run.method is Method.LORA else [])
        result |= {
            key: record[key] for key in ("metric", "stages", "rows", "precision", "settings", "versions")
        }
        write_atomic(self._results / f"{run.key}.json", (json.dumps(result, indent=2) + "\n").encode())
        return result

    def _packed_at(self, run: Run, bits: int) -> dict[str, Any]:
        path = self.packed(run, bits)
        score = eval(self.bundle, path, self.dev(run.task)).score
        return {"bits": bits, "bytes": path.stat().st_size, "score": score}


def task_definition(name: str) -> Task:
    """A GLUE task with the names that the fields of its rows have in the data."""
    task = GLUE_TASKS[name]
    pair = {"text": "sentence1", "text_pair": "sentence2"} if task.text_pair else {"text": "sentence"}
    return replace(task, **pair)  # type: ignore[arg-type]
