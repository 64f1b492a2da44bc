"""The paper's tables on MiniLM: dev scores, packed and on onnxruntime, at equal steps for every method.

    python -m benchmarks.reproduce --data FOLDER [--methods full early ...] [--densities 0.005 ...]

FOLDER holds `TASK/train.jsonl.gz` and `TASK/dev.jsonl.gz` with the fields `sentence`, or `sentence1` and
`sentence2`, and `label`. Every method tries its rates with seed 0; the best rate of a task then gets the
other seeds. A run leaves one JSON file in `benchmarks/results/scores` and is not repeated, so the command
can be stopped and given again. Then `python -m benchmarks.results` writes `docs/results.md`.
"""

import argparse
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgediff.diff import Task
from edgediff.diff.glue import GLUE_TASKS
from edgediff.export import export
from edgediff.files import write_atomic
from edgediff.pack import pack
from edgediff.runtime import eval
from edgediff.train import Method, Settings, train

OUT = Path(__file__).parent / "results" / "scores"
EPOCHS = {"sst2": 3.0, "mrpc": 5.0, "stsb": 5.0, "qnli": 3.0, "mnli": 3.0}
ROWS = {"sst2": 20_000, "mnli": 20_000}
RATES: dict[Method, tuple[str, tuple[float, ...]]] = {
    Method.FULL: ("dense_rate", (1e-4, 2e-4, 5e-5)),
    Method.EARLY: ("mask_rate", (2e-3, 4e-3, 1e-3)),
    Method.STRUCTURED: ("mask_rate", (1e-3, 2e-3, 4e-3)),
    Method.DIFF: ("mask_rate", (1e-3, 2e-3, 4e-3)),
    Method.MAGNITUDE: ("mask_rate", (1e-3, 5e-4, 2e-3)),
    Method.FISHER: ("mask_rate", (2e-3, 1e-3, 4e-3)),
    Method.RANDOM: ("mask_rate", (2e-3, 1e-3, 4e-3)),
    Method.BITFIT: ("mask_rate", (2e-3, 1e-3, 4e-3)),
    Method.LAST_LAYER: ("dense_rate", (2e-4, 1e-4, 4e-4)),
    Method.LORA: ("lora_rate", (2e-3, 1e-3, 4e-3)),
}
"""The setting that is varied, and its values, the likely best first."""


@dataclass(frozen=True)
class Run:
    """One training run of the plan."""

    task: str
    method: Method
    density: float
    rate: float
    seed: int

    @property
    def key(self) -> str:
        """The name of its result."""
        density = f"-{self.density:g}" if self.method.sparse else ""
        return f"{self.task}-{self.method}{density}-{self.rate:g}-s{self.seed}"

    def settings(self) -> Settings:
        """The settings: the defaults, but for what the plan varies."""
        name, _ = RATES[self.method]
        plain = {name: self.rate, "density": self.density, "seed": self.seed, "epochs": EPOCHS[self.task]}
        return Settings(method=self.method, **plain)  # type: ignore[arg-type]


def main() -> None:
    """Run what is missing of the plan."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        export("minilm", Path(scratch) / "base")
        for run in _plan(arguments):
            if _result(arguments.out, run) is None:
                result = _train(run, arguments.data / run.task, Path(scratch))
                write_atomic(
                    arguments.out / f"{run.key}.json", (json.dumps(result, indent=2) + "\n").encode()
                )
                print(f"{run.key}: {result['score']:.4f}", flush=True)


def _plan(arguments: argparse.Namespace) -> Iterator[Run]:
    """Every run, the other seeds of a rate as soon as it is known to be the best."""
    rows = [
        (task, method, density)
        for density in arguments.densities
        for task in arguments.tasks
        for method in map(Method, arguments.methods)
        if method.sparse or density == arguments.densities[0]
    ]
    for tried in range(arguments.rates):
        for task, method, density in rows:
            yield Run(task, method, density, RATES[method][1][tried], 0)
    for seed in range(1, arguments.seeds):
        for task, method, density in rows:
            best = _best(arguments.out, task, method, density)
            if best is not None:
                yield dataclasses.replace(best, seed=seed)


def _best(out: Path, task: str, method: Method, density: float) -> Run | None:
    runs = [Run(task, method, density, rate, 0) for rate in RATES[method][1]]
    scored = [(found["score"], run) for run in runs if (found := _result(out, run))]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _train(run: Run, data: Path, scratch: Path) -> dict[str, Any]:
    folder, dpf = scratch / "run", scratch / "task.dpf"
    files = {"train": data / "train.jsonl.gz", "dev": data / "dev.jsonl.gz"}
    record = train(
        "minilm",
        folder,
        task=task_definition(run.task),
        settings=run.settings(),
        rows=ROWS.get(run.task),
        **files,
    )
    result: dict[str, Any] = {**asdict(run), "score": record["scores"]["dev"][record["metric"]]}
    if run.method.sparse:
        diff = pack(folder, dpf)
        result |= {
            "unpacked": result["score"],
            "score": eval(scratch / "base", dpf, files["dev"]).score,
            "bytes": dpf.stat().st_size,
            "nnz": diff.nnz,
        }
    else:
        result |= {"bytes": 4 * record["trained_parameters"], "nnz": None}
    result |= {key: record[key] for key in ("metric", "stages", "rows", "precision", "settings", "versions")}
    shutil.rmtree(folder)
    return result


def task_definition(name: str) -> Task:
    """A GLUE task with the names that the fields of its rows have in FOLDER."""
    task = GLUE_TASKS[name]
    pair = {"text": "sentence1", "text_pair": "sentence2"} if task.text_pair else {"text": "sentence"}
    return dataclasses.replace(task, **pair)  # type: ignore[arg-type]


def _result(out: Path, run: Run) -> dict[str, Any] | None:
    path = out / f"{run.key}.json"
    return dict(json.loads(path.read_text())) if path.is_file() else None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--tasks", nargs="+", default=["sst2", "mrpc", "stsb", "qnli"], choices=list(EPOCHS))
    parser.add_argument("--methods", nargs="+", default=["full", "early", "structured"], choices=list(Method))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", type=int, default=3, choices=(1, 2, 3), help="try so many of each")
    parser.add_argument("--densities", type=float, nargs="+", default=[0.005])
    return parser.parse_args()


if __name__ == "__main__":
    main()
