"""The stored runs as one table: a row for each task and variant of a method, at the best of its rates."""

import json

import pandas as pd

from benchmarks.runs import RESULTS
from edgediff.train import Criterion, Method, Shape

VARIANT = ["method", "rank", "shape", "criterion", "size", "bits", "density", "packed"]
"""What tells variants apart; the density is 1 where the method decides what changes, 0 where a size does."""
_ROW = ["task", *VARIANT]
_BEFORE = {
    "rank": 0,
    "shape": Shape.ENTRY,
    "criterion": Criterion.MOVEMENT,
    "size": 0,
    "bits": 0,
    "packed": False,
}
"""What files of earlier runs do not say of theirs."""


def best_rates() -> pd.DataFrame:
    """One row for each task and variant, from the rate whose run with seed 0 scored best.

    `score` is the mean over `seeds` in percent and `spread` half the distance of the outer ones, `bytes` what
    would ship, `seconds` the sum over stages of each one's median step; `tried` names all rates.
    """
    runs = _runs()
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


def of_earlier_trainer() -> list[str]:
    """The names of runs whose files say that an earlier version of the trainer made them."""
    return [path.stem for path in sorted(RESULTS.glob("*.json")) if "note" in json.loads(path.read_text())]


def _runs() -> pd.DataFrame:
    """One row a run, and one more for each form in which its adapters or products would ship."""
    results = [_BEFORE | json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    results += [result | form for result in results for form in result.get("shipped", [])]
    runs = pd.DataFrame(results)
    whole = (Method.BITFIT, Method.LOW_RANK)
    no_density = [not Method(method).sparse or method in whole for method in runs["method"]]
    runs.loc[no_density, "density"] = 1.0
    runs.loc[runs["size"] > 0, "density"] = 0.0
    runs["score"] *= 100
    runs["seconds"] = [
        sum(stage["steps"] * (stage["step_seconds"] or 0) for stage in stages) for stages in runs["stages"]
    ]
    return runs
