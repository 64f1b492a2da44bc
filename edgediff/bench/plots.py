"""The results of a benchmark as pictures, each an SVG that needs nothing else."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgediff.format.inspect import layer_of

Results = dict[str, Any]

_STYLE: Any = {  # matplotlib types it by the name of every setting
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.parse_math": False,  # a task's name may hold dollars
    "svg.fonttype": "path",  # looks the same wherever it is opened
    "svg.hashsalt": "edgediff",
}
_WIDTH = 7.0
_COLOURS = ("#0b6e99", "#e07a3f", "#7fb069", "#9c8aa5", "#d4b483", "#c9c9c9")


@dataclass(frozen=True)
class Plot:
    """A picture with its words for those who do not see it."""

    title: str
    svg: str


def plots(results: Results) -> list[Plot]:
    """Every picture that the results allow."""
    known = {name: task["about"] for name, task in results["tasks"].items() if task["about"] is not None}
    measured = results["measured"]
    made = [_plot("Where the bytes of a file go", _parts, known)]
    scores = {name: measured.get(f"score of {name}", {}).get("score") for name in known}
    if any(score is not None for score in scores.values()):
        made.append(_plot("Size against score", _size_and_score, known, scores))
    made.append(_plot("From one task to the next", _switching, measured))
    made.append(_plot("A run, by its tokens, on one thread", _latency, measured))
    made.append(_plot("Which layers a task changes", _layers, known))
    return made


def _plot(title: str, draw: Callable[..., None], *data: Any) -> Plot:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 3.2), layout="constrained")
        axes = figure.add_subplot()
        draw(axes, *data)
        axes.set_title(title)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    return Plot(title, text[text.index("<svg") :])


def _parts(axes: Axes, known: dict[str, Any]) -> None:
    left = np.zeros(len(known))
    names = list(known)
    for colour, (label, part) in zip(_COLOURS, _PARTS.items(), strict=True):
        sizes = np.array([part(about) for about in known.values()]) / 1000
        axes.barh(names, sizes, left=left, label=label, color=colour)
        left += sizes
    axes.invert_yaxis()
    axes.set_xlabel("KB")
    axes.legend(frameon=False, ncols=len(_PARTS), loc="upper center", bbox_to_anchor=(0.5, -0.2))


_PARTS: dict[str, Callable[[dict[str, Any]], float]] = {
    "positions": lambda about: about["bits_per_index"] * about["nnz"] / 8,
    "values": lambda about: about["bits_per_value"] * about["nnz"] / 8,
    "factors": lambda about: about["bits_per_factor"] * about["factors"] / 8,
    "head": lambda about: about["head_bytes"],
    "names": lambda about: about["metadata_bytes"],
    "the rest": lambda about: (
        about["file_bytes"]
        - (about["bits_per_index"] + about["bits_per_value"]) * about["nnz"] / 8
        - about["bits_per_factor"] * about["factors"] / 8
        - about["head_bytes"]
        - about["metadata_bytes"]
    ),
}


def _size_and_score(axes: Axes, known: dict[str, Any], scores: dict[str, float | None]) -> None:
    for name, score in scores.items():
        if score is not None:
            size = known[name]["file_bytes"] / 1000
            axes.scatter(size, score, color=_COLOURS[0], s=60, zorder=3)
            axes.annotate(name, (size, score), xytext=(8, 4), textcoords="offset points")
    axes.grid(alpha=0.3)
    axes.margins(x=0.25, y=0.3)
    axes.set_xlabel("KB a file")
    axes.set_ylabel("score")


def _switching(axes: Axes, measured: Results) -> None:
    switches, starts = measured["switches"], measured["starts"]
    bars = {
        f"switch, {switches['mode']} mode": switches["switch"],
        "a session made anew": switches["session"],
        "a plain session started": starts["session"],
    }
    values = [each["p50_ms"] for each in bars.values()]
    drawn = axes.barh(list(bars), values, color=[_COLOURS[0], _COLOURS[-1], _COLOURS[-1]])
    axes.bar_label(drawn, fmt=" %.2f ms")
    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.invert_yaxis()
    axes.set_xlabel("ms, on a logarithmic scale")


def _latency(axes: Axes, measured: Results) -> None:
    lengths = next(found for key, found in measured.items() if key.startswith("runs on "))
    places, width = np.arange(len(lengths)), 0.38
    for side, colour, key, label in (
        (-0.5, _COLOURS[0], "task", "open base"),
        (0.5, _COLOURS[-1], "dedicated", "dedicated session"),
    ):
        median = np.array([found[key]["p50_ms"] for found in lengths.values()])
        high = np.array([found[key]["p95_ms"] for found in lengths.values()])
        above = np.maximum(high - median, 0)
        errors = np.stack([np.zeros_like(above), above])
        axes.bar(places + side * width, median, width, yerr=errors, color=colour, label=label, ecolor="#555")
    axes.set_xticks(places, list(lengths))
    axes.set_xlabel("tokens")
    axes.set_ylabel("ms (line: 95 % below)")
    axes.legend(frameon=False)


def _layers(axes: Axes, known: dict[str, Any]) -> None:
    layers: dict[str, dict[str, int]] = {}
    for name, about in known.items():
        numbers = [(tensor["name"], tensor["nnz"]) for tensor in about["tensors"]]
        numbers += [(product["name"], product["size"]) for product in about["products"]]
        for parameter, count in numbers:
            counts = layers.setdefault(layer_of(parameter), dict.fromkeys(known, 0))
            counts[name] += count
    shares = np.array([[counts[name] for counts in layers.values()] for name in known], float)
    shares = 100 * shares / np.maximum(shares.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, aspect="auto", cmap="Blues", vmin=0)
    axes.set_xticks(range(len(layers)), list(layers), rotation=30, ha="right")
    axes.set_yticks(range(len(known)), list(known))
    for row, column in np.ndindex(*shares.shape):
        dark = shares[row, column] > shares.max() / 2
        text = f"{shares[row, column]:.0f} %"
        axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black")
    axes.spines[:].set_visible(False)
