"""The paper's tables on MiniLM: dev scores, packed and on onnxruntime, at equal steps for every method.

    python -m benchmarks.reproduce --data FOLDER [--methods full early ...] [--densities 0.005 ...]

FOLDER holds `TASK/train.jsonl.gz` and `TASK/dev.jsonl.gz` with the fields `sentence`, or `sentence1` and
`sentence2`, and `label`. Every method tries its rates with seed 0; the best rate of a task then gets the
other seeds. A run leaves one JSON file in `benchmarks/results/scores` and is not repeated, so the command
can be stopped and given again. Then `python -m benchmarks.results` writes `docs/results.md`.
"""

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.runs import DENSITY, EPOCHS, RATES, RESULTS, WORK, Run, Runs
from edgediff.train import Criterion, Method, Shape

_EARLY = (Method.EARLY, Method.EARLY_LOW_RANK)


def main() -> None:
    """Run what is missing of the plan."""
    arguments = _arguments()
    runs = Runs(arguments.data, arguments.work, arguments.out)
    for run in _plan(arguments, runs):
        if runs.stored(run) is None:
            print(f"{run.key}: {runs.result(run)['score']:.4f}", flush=True)
            if not arguments.keep:
                shutil.rmtree(runs.folder(run))


def _plan(arguments: argparse.Namespace, runs: Runs) -> Iterator[Run]:
    """Every run, the other seeds of a rate as soon as it is known to be the best."""
    rows = [
        Run(
            task,
            method,
            density,
            rank=arguments.rank if method.low_rank else 0,
            shape=Shape(arguments.shape),
            size=size,
            bits=arguments.bits if method.sparse else 0,
            criterion=Criterion(arguments.criterion) if method in _EARLY else Criterion.MOVEMENT,
        )
        for size in arguments.sizes
        for density in (arguments.densities if size == 0 else [DENSITY])
        for task in arguments.tasks
        for method in map(Method, arguments.methods)
        if method.sparse or (size == arguments.sizes[0] and density == arguments.densities[0])
    ]
    for tried in range(arguments.rates):
        for row in rows:
            for rate in RATES[row.method][1][tried : tried + 1]:  # some methods have fewer
                yield replace(row, rate=rate)
    for seed in range(1, arguments.seeds):
        for row in rows:
            yield replace(runs.best(row), seed=seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=WORK, help="for RUN folders")
    parser.add_argument("--keep", action="store_true", help="do not delete the RUN folder of a finished run")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--tasks", nargs="+", default=["sst2", "mrpc", "stsb", "qnli"], choices=list(EPOCHS))
    parser.add_argument("--methods", nargs="+", default=["full", "early", "structured"], choices=list(Method))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", type=int, default=3, choices=(1, 2, 3, 4), help="try so many of each")
    parser.add_argument("--rank", type=int, default=4, help="of products and adapters")
    parser.add_argument("--shape", default=Shape.ENTRY, choices=list(Shape), help="of diffs")
    parser.add_argument("--densities", type=float, nargs="+", default=[DENSITY])
    parser.add_argument("--sizes", type=int, nargs="+", default=[0], help="bytes, in place of densities")
    parser.add_argument("--bits", type=int, default=0, help="a value; 0 is what `pack` takes")
    parser.add_argument("--criterion", default=Criterion.MOVEMENT, choices=list(Criterion), help="of `early`")
    return parser.parse_args()


if __name__ == "__main__":
    main()
