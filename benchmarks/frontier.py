"""The plot of scores against bytes: what a task costs on the device, and what it gets for it."""

from collections.abc import Mapping
from io import BytesIO
from itertools import product
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from edgediff.train import Method

NARROWEST, WIDEST = 8_000, 1_000_000
"""Bytes; whole models are 90 times as large, and drawn as a line."""
TICKS = (8, 16, 32, 64, 128, 256, 512, 1000)
"""Thousands of bytes."""


def frontier(runs: pd.DataFrame, tasks: Mapping[str, str]) -> bytes:
    """An SVG with a panel a task.

    `runs` has one row for each point, with `task`, `method`, the `name` of its line, `score` in percent, its
    `spread` and `bytes`; `tasks` are the titles.
    """
    names = sorted(runs["name"].unique())
    looks = dict(zip(names, product("osD^", matplotlib.color_sequences["tab10"]), strict=False))
    with matplotlib.rc_context({"svg.hashsalt": "frontier", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(9, 8), layout="constrained")
        for panel, (task, title) in zip(figure.subplots(2, 2).flat, tasks.items(), strict=True):
            for name, own in runs[runs["task"] == task].groupby("name"):
                _draw(panel, name, own.sort_values("bytes"), *looks[name])
            panel.set(title=title, xscale="log", xlim=(NARROWEST, WIDEST), xlabel="KB a task", ylabel="score")
            panel.minorticks_off()
            panel.set_xticks([1000 * tick for tick in TICKS], [str(tick) for tick in TICKS])
            panel.grid(alpha=0.3)
        found: dict[str, Any] = {}
        for panel in figure.axes:
            handles, labels = panel.get_legend_handles_labels()
            found |= dict(zip(labels, handles, strict=True))
        figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=3, frameon=False)
        written = BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def _draw(panel: Any, name: str, points: pd.DataFrame, marker: str, colour: Any) -> None:
    if points["method"].iloc[0] == Method.FULL:
        panel.axhline(points["score"].iloc[0], color="black", linestyle="--", label=name)
    elif points["bytes"].min() < WIDEST:
        panel.errorbar(
            points["bytes"], points["score"], points["spread"], color=colour, marker=marker,
            markersize=4, capsize=2, linewidth=1, label=name,
        )  # fmt: skip
