"""Write `docs/results.md` with its plot, and README's tables of results, from the files of the runs.

python -m benchmarks.results
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader

from benchmarks.frontier import frontier
from benchmarks.runs import DENSITY, RESULTS
from edgediff.files import write_atomic
from edgediff.train import Criterion, Method, Settings, Shape

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs" / "results.md", ROOT / "README.md"
TABLE = re.compile(r"(<!-- (results|peers) -->\n).*?(\n<!-- end of \2 -->)", re.DOTALL)
PLOT = PAGE.with_name("frontier.svg")
PEERS = RESULTS.parent / "peers.json"
PEERS_IN_README = (
    "edgediff, 0.5 %",
    "edgediff, 0.1 %",
    "fine-tuned, whole",
    "fine-tuned, whole, int8",
    "LoRA, rank 1, merged",
    "LoRA, rank 1, .onnx_adapter in one session",
)
TEMPLATES = Path(__file__).parent / "templates"
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
SIZES = (8, 16, 24, 32, 40, 64, 128, 256)
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


def main() -> None:
    """Write all."""
    contents = {path: text.encode() for path, text in pages().items()}
    contents[PLOT] = frontier(_best_rates(_runs()), TASKS)
    for path, content in contents.items():
        write_atomic(path, content)
        print(f"wrote {path}")


def pages() -> dict[Path, str]:
    """What the two documents say, by file."""
    runs = _best_rates(_runs())
    page = Environment(loader=FileSystemLoader(TEMPLATES), trim_blocks=True).get_template(PAGE.name)  # noqa: S701
    rows = _across_tasks(runs)
    methods = _methods(rows)
    peers = _peers(json.loads(PEERS.read_text()))
    earlier = ", ".join(
        f"`{path.stem}`" for path in sorted(RESULTS.glob("*.json")) if "note" in json.loads(path.read_text())
    )
    tables = {
        "methods": methods.drop(columns="bits"),
        "densities": _densities(rows),
        "sizes": _sizes(runs),
        "runs": _all(runs),
        "peers": peers,
    }
    results = page.render(earlier=earlier, **{name: _markdown(table) for name, table in tables.items()})
    usual = methods["bits"].isin([0, Settings().value_bits])
    whole = methods[usual & ~methods["mean"].str.contains("partial")]
    shown = {
        "results": whole.drop(columns=["paper, BERT-large", "bits"]),
        "peers": peers[peers[""].isin(PEERS_IN_README)],
    }
    readme = TABLE.sub(
        lambda found: f"{found[1]}\n{_markdown(shown[found[2]])}\n{found[3]}", README.read_text("utf-8")
    )
    return {PAGE: results + "\n", README: readme}


def _runs() -> pd.DataFrame:
    """One row a run, and one more for each form in which its adapters would ship."""
    results = [_BEFORE | json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    results += [result | form for result in results for form in result.get("shipped", [])]
    runs = pd.DataFrame(results)
    whole = (Method.BITFIT, Method.LOW_RANK)
    no_density = [not Method(method).sparse or method in whole for method in runs["method"]]
    runs.loc[no_density, "density"] = 1.0
    runs.loc[runs["size"] > 0, "density"] = 0.0  # the size decided
    runs["score"] *= 100
    runs["seconds"] = [
        sum(stage["steps"] * (stage["step_seconds"] or 0) for stage in stages) for stages in runs["stages"]
    ]
    return runs


_ROW = ["task", "method", "rank", "shape", "criterion", "size", "bits", "density", "packed"]
_BEFORE = {
    "rank": 0,
    "shape": Shape.ENTRY,
    "criterion": Criterion.MOVEMENT,
    "size": 0,
    "bits": 0,
    "packed": False,
}
"""What files of earlier runs do not say of theirs."""


def _best_rates(runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each task and variant of a method: the rates tried, the best one's score over seeds."""
    # Of two rates with equal scores, the one that has the other seeds.
    seeds = runs.groupby([*_ROW, "rate"])["seed"].transform("nunique")
    first = runs.assign(seeds=seeds)[runs["seed"] == 0].sort_values(["score", "seeds", "rate"])
    best = first.groupby(_ROW)["rate"].last().rename("best")
    tried = (
        first.sort_values("rate")
        .groupby(_ROW)[["rate", "score"]]
        .apply(
            lambda group: ", ".join(f"{rate:g}: {score:.1f}" for rate, score in group.itertuples(index=False))
        )
    )
    joined = runs.join(best, on=_ROW)
    chosen = joined[joined["rate"] == joined["best"]].groupby(_ROW)
    return pd.DataFrame(
        {
            "score": chosen["score"].mean(),
            "spread": (chosen["score"].max() - chosen["score"].min()) / 2,
            "seeds": chosen["seed"].nunique(),
            "bytes": chosen["bytes"].mean(),
            "seconds": chosen["seconds"].median(),
            "tried": tried,
        }
    ).reset_index()


def _across_tasks(runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each method, rank, shape and density."""
    rows = []
    for key, own in runs[runs["task"].isin(TASKS)].groupby(_ROW[1:]):
        variant = dict(zip(_ROW[1:], key, strict=True))
        scores = dict(zip(own["task"], map(_with_spread, own.itertuples()), strict=True))
        rows.append(
            {
                "key": Method(variant["method"]),
                "density": variant["density"],
                "bits": variant["bits"],
                "method": NAMES[variant["method"]] + _variant(variant),
                "changed": _changed(variant),
                **{title: scores.get(task, "") for task, title in TASKS.items()},
                "mean": f"{own['score'].mean():.2f}" + ("" if len(scores) == len(TASKS) else " (partial)"),
                "bytes a task": f"{own['bytes'].mean():,.0f}",
            }
        )
    order = list(NAMES)
    rows.sort(key=lambda row: (order.index(row["key"]), row["density"]))
    return pd.DataFrame(rows)


def _methods(rows: pd.DataFrame) -> pd.DataFrame:
    """The paper's table 1, and the default."""
    default = Settings()
    own = (rows["key"] == default.method) & (rows["density"] == default.kept_share)
    chosen = rows[rows["density"].isin([DENSITY, 1.0]) | own]
    paper = [PAPER.get(key, "") for key in chosen["key"]]
    return chosen.drop(columns=["key", "density"]).assign(**{"paper, BERT-large": paper})


def _densities(rows: pd.DataFrame) -> pd.DataFrame:
    """The paper's density table, of the methods that have more than one."""
    several = rows.groupby("key")["density"].transform("nunique") > 1
    chosen = rows[several]
    paper = [PAPER_DENSITY.get(density, "") for density in chosen["density"]]
    return chosen.drop(columns=["key", "density", "bits"]).assign(**{"paper, structured, BERT-large": paper})


def _sizes(runs: pd.DataFrame) -> pd.DataFrame:
    """The best mean that fits each size, for each kind; only what has all tasks has a mean."""
    over = runs[runs["task"].isin(TASKS)].groupby(_ROW[1:])
    means = over.agg(score=("score", "mean"), bytes=("bytes", "mean"), tasks=("task", "nunique"))
    means = means[means["tasks"] == len(TASKS)].reset_index().sort_values("score").to_dict("records")
    rows = []
    for size in SIZES:
        row = dict.fromkeys(("diffs", "others without a cost at run time", "adapters"), "")
        for run in means:  # the best last
            if run["bytes"] <= 1000 * size:
                changed = f", {_changed(run)}" if _changed(run) else ""
                row[_kind(run)] = f"{run['score']:.2f}: {run['method']}{_variant(run)}{changed}"
        rows.append({"size": f"{size} KB"} | row)
    return pd.DataFrame(rows)


def _kind(run: Mapping[str, Any]) -> str:
    """What a run is compared as."""
    method = Method(run["method"])
    if run["packed"] or (method.sparse and method is not Method.BITFIT):
        return "diffs"
    return "adapters" if method in (Method.LORA, Method.IA3) else "others without a cost at run time"


def _all(runs: pd.DataFrame) -> pd.DataFrame:
    """Everything, with the rates that were tried."""
    return pd.DataFrame(
        {
            "task": [TASKS.get(task, task.upper()) for task in runs["task"]],
            "method": [f"{run['method']}{_variant(run)}" for run in runs.to_dict("records")],
            "changed": [_changed(run) for run in runs.to_dict("records")],
            "rates tried (seed 0)": runs["tried"],
            "score": [_with_spread(row) for row in runs.itertuples()],
            "seeds": runs["seeds"],
            "bytes": [f"{value:,.0f}" for value in runs["bytes"]],
            "steps, s": [f"{value:.0f}" for value in runs["seconds"]],
        }
    )


def _peers(results: dict[str, Any]) -> pd.DataFrame:
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


def _with_spread(row: Any) -> str:
    return f"{row.score:.2f}" + (f" ± {row.spread:.2f}" if row.seeds > 1 else "")


def _markdown(table: pd.DataFrame) -> str:
    return str(table.to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
