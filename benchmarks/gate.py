"""Sizes and ratios held against those of `benchmarks/baseline.json`: what got worse is named, and fails.

    python -m benchmarks.gate [--write]

Made-up tasks of 0.5 % on `minilm` are measured with `edgediff bench`, in about a minute. Absolute times are
not held: they are the machine's. With `--write` what is measured becomes the baseline, its tolerances stay.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.made import made_task
from edgediff.bench import Effort, bench, make_plan
from edgediff.export import export

BASELINE = Path(__file__).parent / "baseline.json"
EFFORT = Effort(lengths=(16, 64), threads=(1,), rounds=30, starts=3)
DENSITY = 0.005
TASKS = 2

Figures = dict[str, float]
"""What is held, by name; less is better in all."""


def main() -> None:
    """Measure, compare, and exit with 1 if anything is worse than its tolerance allows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="make what is measured the baseline")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        export("minilm", folder / "base")
        found = measure(folder / "base", folder)
    baseline = json.loads(BASELINE.read_text())
    if arguments.write:
        for name, value in found.items():
            baseline[name]["value"] = float(f"{value:.6g}")
        BASELINE.write_text(json.dumps(baseline, indent=2) + "\n")
    worse = compare(found, baseline)
    for name, value in found.items():
        print(f"{name:<44} {value:>12,.4g}  {worse.get(name, 'ok')}")
    sys.exit(1 if worse else 0)


def measure(base: Path, folder: Path, density: float = DENSITY, effort: Effort = EFFORT) -> Figures:
    """Every figure, from a benchmark of made-up tasks on the bundle of `minilm`, in `folder`."""
    files = [made_task(base, number, folder, density) for number in range(TASKS)]
    return figures(bench(make_plan(base, files, effort), folder / "report"))


def figures(results: dict[str, Any]) -> Figures:
    """The figures of a report."""
    measured = results["measured"]
    found: Figures = {}
    for name, task in results["tasks"].items():
        found[f"bytes of {name}"] = task["about"]["file_bytes"]
        found[f"logits of {name} that are other ones"] = float(not measured["equality"]["bit_equal"][name])
    switches = measured["switches"]
    found["switch / session of its own"] = switches["switch"]["p50_ms"] / switches["session"]["p50_ms"]
    for tokens, run in measured["runs on 1 threads"].items():
        found[f"run of {tokens} tokens / dedicated"] = run["task"]["p50_ms"] / run["dedicated"]["p50_ms"]
    starts, memory = measured["starts"], measured["memory in full use"]
    found["start / plain session"] = starts["open_base"]["p50_ms"] / starts["session"]["p50_ms"]
    found["memory of ten tasks / plain session"] = memory["tasks_mb"] / memory["session_mb"]
    return found


def compare(found: Figures, baseline: dict[str, dict[str, float]]) -> dict[str, str]:
    """What is worse than the baseline allows, by name, with the reason; so is what it does not have."""
    worse = {}
    for name, value in found.items():
        if name not in baseline:
            worse[name] = "not in the baseline: add it with a tolerance"
            continue
        held = baseline[name]
        most = held["value"] * held["tolerance"]
        if value > most:
            worse[name] = f"worse than {held['value']:,.4g} x {held['tolerance']:g}"
    for name in baseline.keys() - found.keys():
        worse[name] = "was not measured"
    return worse


if __name__ == "__main__":
    main()
