"""The plot of scores against bytes: what a task costs on the device, and what it gets for it."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from edgediff.train import Method, Shape

WIDEST = 1_000_000
"""Bytes; whole models are 90 times as large, and drawn as a line."""


def frontier(runs: pd.DataFrame, tasks: Mapping[str, str], names: Mapping[Method, str]) -> bytes:
    """An SVG with a panel a task.

    `runs` has one row for each task, method, rank, shape and density, with `score` in percent, its
    `spread` and `bytes`; `tasks` and `names` are the titles.
    """
    with matplotlib.rc_context({"svg.hashsalt": "frontier", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(9, 7), layout="constrained")
        panels = figure.subplots(2, 2).flat
        colours = dict(zip(names, matplotlib.color_sequences["tab20"], strict=False))
        for panel, (task, title) in zip(panels, tasks.items(), strict=True):
            _panel(panel, runs[runs["task"] == task], names, colours)
            panel.set(title=title, xscale="log", xlim=(15_000, WIDEST), xlabel="bytes a task", ylabel="score")
            panel.minorticks_off()
            panel.set_xticks(
                [20e3, 50e3, 100e3, 200e3, 500e3, 1e6], ["20k", "50k", "100k", "200k", "500k", "1M"]
            )
            panel.grid(alpha=0.3)
        found: dict[str, Any] = {}
        for panel in figure.axes:
            handles, labels = panel.get_legend_handles_labels()
            found |= dict(zip(labels, handles, strict=True))
        figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=3, frameon=False)
        written = BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def _panel(
    panel: Any, runs: pd.DataFrame, names: Mapping[Method, str], colours: Mapping[Method, Any]
) -> None:
    for (method, shape), own in runs.groupby(["method", "shape"]):
        key, points = Method(method), own.sort_values("bytes")
        if key is Method.FULL:
            panel.axhline(points["score"].iloc[0], color="black", linestyle="--", label=names[key])
        elif points["bytes"].min() < WIDEST:
            rows = shape == Shape.ROW
            panel.errorbar(
                points["bytes"], points["score"], points["spread"], color=colours[key], markersize=4,
                marker="s" if rows else "o", capsize=2, linewidth=1, linestyle=":" if rows else "-",
                label=names[key] + (", whole rows" if rows else ""),
            )  # fmt: skip
