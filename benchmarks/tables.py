"""The tables of results, as frames of text: what each shows, in which order, under which names."""

from collections.abc import Mapping
from statistics import mean
from typing import Any

import pandas as pd

from benchmarks.runs import DENSITY
from benchmarks.stored import VARIANT
from edgediff.train import Criterion, Method, Settings, Shape

TASKS = {"sst2": "SST-2", "mrpc": "MRPC", "stsb": "STS-B", "qnli": "QNLI"}
"""Those that a mean is taken over."""
NAMES = {
    Method.FULL: "full fine-tuning",
    Method.LAST_LAYER: "last layer",
    Method.BITFIT: "BitFit",
    Method.LOW_RANK: "low rank as a diff (`low-rank`)",
    Method.LORA: "LoRA",
    Method.SHIRA: "SHiRA",
    Method.IA3: "IA3",
    Method.MAGNITUDE: "non-adaptive diff pruning",
    Method.RANDOM: "random mask",
    Method.FISHER: "Fisher mask",
    Method.DIFF: "diff pruning",
    Method.STRUCTURED: "structured diff pruning",
    Method.EARLY: "mask of a short dense run (`early`)",
    Method.EARLY_LOW_RANK: "entries and low rank, the default (`early-low-rank`)",
}
SIZES = (10, 16, 24, 32, 40, 64, 128, 256)
"""Thousands of bytes."""
PAPER = {
    Method.FULL: 80.6,
    Method.LAST_LAYER: 68.2,
    Method.MAGNITUDE: 75.5,
    Method.DIFF: 79.4,
    Method.STRUCTURED: 80.6,
}
"""Averages of eight GLUE tests, BERT-large, 0.5 % (arXiv 2012.07463, table 1)."""
PAPER_DENSITY = {0.001: 82.5, 0.0025: 84.5, 0.005: 84.8, 0.01: 85.1}
"""Averages of nine GLUE dev sets, structured; full fine-tuning 85.0 (the same paper)."""


def headline(runs: pd.DataFrame) -> pd.DataFrame:
    """README's: the methods that were run on all tasks."""
    return _variants([run for run in _over_tasks(runs) if _usual(run) and run["tasks"] == len(TASKS)])


def methods(runs: pd.DataFrame) -> pd.DataFrame:
    """The paper's table 1, and the default."""
    rows = [run for run in _over_tasks(runs) if _usual(run)]
    return _variants(rows).assign(**{"paper, BERT-large": [PAPER.get(run["method"], "") for run in rows]})


def densities(runs: pd.DataFrame) -> pd.DataFrame:
    """The paper's table of densities, of single entries."""
    rows = [run for run in _over_tasks(runs) if run["method"] == Method.EARLY and _entries(run)]
    paper = [PAPER_DENSITY.get(run["density"], "") for run in rows]
    return _variants(rows).assign(**{"paper, structured, BERT-large": paper})


def sizes(runs: pd.DataFrame) -> pd.DataFrame:
    """The best mean that fits each size, for each kind; only what has all tasks has a mean."""
    whole = sorted(
        (run for run in _over_tasks(runs) if run["tasks"] == len(TASKS)), key=lambda run: run["score"]
    )
    rows = []
    for size in SIZES:
        row = dict.fromkeys(("diffs", "others without a cost at run time", "adapters"), "")
        for run in whole:  # the best last
            if run["bytes"] <= 1000 * size:
                row[_kind(run)] = f"{run['score']:.2f}: {run['method']}{_said(run)}"
        rows.append({"size": f"{size} KB"} | row)
    return pd.DataFrame(rows)


def by_bytes(runs: pd.DataFrame) -> pd.DataFrame:
    """Every variant of two tasks or more that fits the largest size, the fewest bytes first."""
    rows = [run for run in _over_tasks(runs) if run["tasks"] > 1 and run["bytes"] <= 1000 * SIZES[-1]]
    rows.sort(key=lambda run: run["bytes"])
    return pd.DataFrame(
        [
            {"bytes a task": f"{run['bytes']:,.0f}", "method": f"{run['method']}{_said(run)}"} | _scores(run)
            for run in rows
        ]
    )


def every_run(runs: pd.DataFrame) -> pd.DataFrame:
    """Everything, with the rates that were tried."""
    return pd.DataFrame(
        {
            "task": [TASKS.get(task, task.upper()) for task in runs["task"]],
            "method": [f"{run['method']}{_variant(run)}" for run in runs.to_dict("records")],
            "changed": [_changed(run) for run in runs.to_dict("records")],
            "rates tried (seed 0)": runs["tried"],
            "score": [_with_spread(run) for run in runs.to_dict("records")],
            "seeds": runs["seeds"],
            "bytes": [f"{value:,.0f}" for value in runs["bytes"]],
            "steps, s": [f"{value:.0f}" for value in runs["seconds"]],
        }
    )


def peers(results: Mapping[str, Any]) -> pd.DataFrame:
    """What people use instead, one row each; runs as ratios to the fine-tuned model's."""
    whole = next(row["run_ms"] for row in results["rows"] if row["name"] == "fine-tuned, whole")
    rows = []
    for row in results["rows"]:
        first = next(iter(row["run_ms"].values()))
        rows.append(
            {
                "": row["name"],
                "bytes a task": f"{mean(row['bytes'].values()):,.0f}",
                **{TASKS[task]: f"{100 * score:.2f}" for task, score in row["scores"].items()},
                "switch, ms": f"{max(row['switch_and_run_ms'] - first, 0):.1f}",
                **{f"run of {n} tokens": f"{ms / whole[n]:.2f}" for n, ms in row["run_ms"].items()},
                "memory of ten tasks, MB": f"{row['memory_mb']:.0f}",
            }
        )
    return pd.DataFrame(rows)


def _over_tasks(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """One record a variant: mean `score` and `bytes`, how many `tasks`, each one's score as text."""
    rows = []
    for key, own in runs[runs["task"].isin(TASKS)].groupby(VARIANT):
        texts = {TASKS[run["task"]]: _with_spread(run) for run in own.to_dict("records")}
        means = {"score": own["score"].mean(), "bytes": own["bytes"].mean(), "tasks": len(own)}
        rows.append(dict(zip(VARIANT, key, strict=True)) | means | {"texts": texts})
    order = list(NAMES)
    return sorted(rows, key=lambda run: (order.index(run["method"]), run["density"]))


def _usual(run: Mapping[str, Any]) -> bool:
    """Whether it is a method as trained: at the usual densities, at the bits it learnt with."""
    default = Settings()
    own = run["method"] == default.method and run["density"] == default.kept_share
    amount = run["density"] in (DENSITY, 1.0) or own
    return amount and not run["packed"] and run["bits"] in (0, default.value_bits)


def _entries(run: Mapping[str, Any]) -> bool:
    """Whether it is of single entries, by movement, as many as a density says."""
    plain = run["shape"] == Shape.ENTRY and run["criterion"] == Criterion.MOVEMENT
    return plain and not run["size"]


def _kind(run: Mapping[str, Any]) -> str:
    """What a run is compared as."""
    method = Method(run["method"])
    if run["packed"] or (method.sparse and method is not Method.BITFIT):
        return "diffs"
    return "adapters" if method in (Method.LORA, Method.IA3) else "others without a cost at run time"


def _variants(runs: list[dict[str, Any]]) -> pd.DataFrame:
    """A row each, under its full name."""
    return pd.DataFrame(
        [
            {"method": NAMES[run["method"]] + _variant(run), "changed": _changed(run)}
            | _scores(run)
            | {"bytes a task": f"{run['bytes']:,.0f}"}
            for run in runs
        ]
    )


def _scores(run: Mapping[str, Any]) -> dict[str, str]:
    """A column a task, and the mean if all are there."""
    texts = {title: run["texts"].get(title, "") for title in TASKS.values()}
    return texts | {"mean": f"{run['score']:.2f}" if run["tasks"] == len(TASKS) else ""}


def _said(run: Mapping[str, Any]) -> str:
    changed = f", {_changed(run)}" if _changed(run) else ""
    return f"{_variant(run)}{changed}"


def _variant(run: Mapping[str, Any]) -> str:
    """What is said of a method beside its name."""
    said = [f"rank {run['rank']}"] if run["rank"] else []
    said += {Shape.ROW: ["whole rows"], Shape.AUTO: ["mixed shapes"]}.get(run["shape"], [])
    said += ["by credit"] if run["criterion"] == Criterion.CREDIT else []
    said += ["packed as a diff"] if run["packed"] else []
    said += [f"{run['bits']} bits"] if run["bits"] else []
    return "".join(f", {each}" for each in said)


def _changed(run: Mapping[str, Any]) -> str:
    if run["size"]:
        return f"{run['size'] / 1000:g} KB"
    return f"{run['density']:.2%}" if run["density"] < 1 else ""


def _with_spread(run: Mapping[str, Any]) -> str:
    return f"{run['score']:.2f}" + (f" ± {run['spread']:.2f}" if run["seeds"] > 1 else "")
