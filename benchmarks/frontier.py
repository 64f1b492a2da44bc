"""The plot of scores against bytes: what a task costs on the device, and what it gets for it."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from edgediff.train import Criterion, Method, Settings, Shape

NARROWEST, WIDEST = 8_000, 1_500_000
"""Bytes; whole models are 60 times as large, and drawn as a line."""
TICKS = (8, 16, 32, 64, 128, 256, 512, 1024)
"""Thousands of bytes."""
FULL = "full fine-tuning"
DEFAULT = "entries and low rank (early-low-rank, the default): 2, 3, 4 bits"
LOW_RANK = "low rank as a diff (low-rank): 2, 3, 4 bits"
ENTRIES = "entries (early): 0.1, 0.25, 0.5 %"
PACKED_LORA = "LoRA of rank 1, packed as a diff: 4, 5, 6 bits"
LORA = "LoRA of rank 1: 4, 8, 16, 32 bits"
LARGER_PACKED_LORA = "LoRA of higher ranks, packed as a diff"
LARGER_LORA = "LoRA of higher ranks"
IA3 = "IA3: 4, 8, 16, 32 bits"
BITFIT = "BitFit"
SHIRA = "SHiRA"
OTHERS = "other masks and shapes"
LOOKS = {
    DEFAULT: ("*", "tab:red"),
    LOW_RANK: ("o", "tab:orange"),
    ENTRIES: ("o", "tab:blue"),
    PACKED_LORA: ("s", "tab:green"),
    LORA: ("^", "tab:green"),
    LARGER_PACKED_LORA: ("s", "tab:olive"),
    LARGER_LORA: ("^", "tab:olive"),
    IA3: ("v", "tab:purple"),
    BITFIT: ("D", "tab:brown"),
    SHIRA: ("P", "tab:pink"),
    OTHERS: (".", "tab:gray"),
}
"""The lines, ours first, each with its marker and colour."""


def frontier(runs: pd.DataFrame, tasks: Mapping[str, str]) -> bytes:
    """An SVG with a panel a task.

    `runs` has one row for each point, with what says of which kind it is, `task`, `score` in percent, its
    `spread` and `bytes`; `tasks` are the titles.
    """
    runs = runs.assign(line=[_line(run) for run in runs.to_dict("records")])
    with matplotlib.rc_context({"svg.hashsalt": "frontier", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(9, 8.5), layout="constrained")
        for panel, (task, title) in zip(figure.subplots(2, 2).flat, tasks.items(), strict=True):
            own = runs[runs["task"] == task]
            for score in own[own["line"] == FULL]["score"]:
                panel.axhline(score, color="black", linestyle="--", label=FULL)
            for name in LOOKS:
                shown = own[(own["line"] == name) & (own["bytes"] < WIDEST)]
                _draw(panel, name, shown.sort_values("bytes"))
            panel.set(title=title, xscale="log", xlim=(NARROWEST, WIDEST), xlabel="KB a task", ylabel="score")
            panel.minorticks_off()
            panel.set_xticks([1000 * tick for tick in TICKS], [str(tick) for tick in TICKS])
            panel.grid(alpha=0.3)
        found: dict[str, Any] = {}
        for panel in figure.axes:
            handles, labels = panel.get_legend_handles_labels()
            found |= dict(zip(labels, handles, strict=True))
        named = [name for name in (FULL, *LOOKS) if name in found]
        handles = [found[name] for name in named]
        figure.legend(handles, named, loc="outside lower center", ncols=2, frameon=False)
        written = BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def _line(run: Mapping[str, Any]) -> str:
    """The line that a run is a point of."""
    plain = run["shape"] == Shape.ENTRY and run["criterion"] == Criterion.MOVEMENT and not run["size"]
    default = Settings()
    match Method(run["method"]):
        case Method.EARLY_LOW_RANK if plain and run["density"] == default.kept_share:
            return DEFAULT if run["rank"] == default.product_rank else OTHERS
        case Method.EARLY if plain:
            return ENTRIES
        case Method.LORA if run["packed"]:
            return PACKED_LORA if run["rank"] == 1 else LARGER_PACKED_LORA
        case Method.LORA:
            return LORA if run["rank"] == 1 else LARGER_LORA
        case method:
            lines = {
                Method.FULL: FULL,
                Method.LOW_RANK: LOW_RANK,
                Method.IA3: IA3,
                Method.BITFIT: BITFIT,
                Method.SHIRA: SHIRA,
            }
            return lines.get(method, OTHERS)


def _draw(panel: Any, name: str, points: pd.DataFrame) -> None:
    marker, colour = LOOKS[name]
    if not points.empty:
        panel.errorbar(
            points["bytes"], points["score"], points["spread"], color=colour, marker=marker,
            markersize=9 if name == DEFAULT else 5, capsize=2, elinewidth=1,
            linewidth=0 if name in (OTHERS, LARGER_PACKED_LORA, LARGER_LORA) else 1, label=name,
        )  # fmt: skip
