"""What people use instead, side by side: bytes, score, switch, run and memory, on one base and the same rows.

    python -m benchmarks.peers --data FOLDER [--tasks mrpc stsb] [--rows N] [--epochs E]

What is missing is trained first, each method at the rate that did best in `benchmarks/results/scores` or else
the first that `benchmarks.reproduce` would try; a stopped training goes on. Then all are measured in turns on
one thread, and `benchmarks/results/peers.json` is written, of which `python -m benchmarks.results` makes a
table. `--rows` and `--epochs` are for trying the command out.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from benchmarks.peers.measure import hold, measure
from benchmarks.peers.rows import Rows
from benchmarks.runs import RESULTS, WORK, Runs
from edgediff.bench.machine import machine
from edgediff.files import write_atomic


def main() -> None:
    """Train what is missing, measure, and write the results."""
    arguments = _arguments()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    runs = Runs(arguments.data, arguments.work, rows=arguments.rows, epochs=arguments.epochs)
    rows = Rows(runs, arguments.tasks).all()
    if arguments.memory_of:
        print(hold(runs, arguments.tasks, next(peer for peer in rows if peer.name == arguments.memory_of)))
        return
    measured = measure(runs, arguments.tasks, rows, sys.argv[1:])
    results = {"machine": machine(), "tasks": arguments.tasks, "rows": measured}
    write_atomic(arguments.out, (json.dumps(results, indent=1) + "\n").encode())
    print(f"wrote {arguments.out}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tasks", nargs="+", default=["mrpc", "stsb"])
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--out", type=Path, default=RESULTS.parent / "peers.json")
    parser.add_argument("--rows", type=int, help="train on so many rows only")
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
