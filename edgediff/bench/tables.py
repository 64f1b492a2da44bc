"""The results of a benchmark as tables."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

Results = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A table with its heading and what a reader has to know of it."""

    title: str
    text: str
    frame: pd.DataFrame

    def markdown(self) -> str:
        """As GitHub shows it."""
        escaped = self.frame.map(lambda cell: str(cell).replace("|", r"\|"))
        return str(escaped.to_markdown(index=False, disable_numparse=True))

    def html(self) -> str:
        """As a browser shows it."""
        return str(self.frame.to_html(index=False, border=0, justify="left"))


def tables(results: Results) -> list[Table]:
    """Every table that the results allow, in the order of the report."""
    made = (_tasks(results), _switches(results), _runs(results), _starts(results))
    return [table for table in made if not table.frame.empty]


def _tasks(results: Results) -> Table:
    rows = []
    for name, task in results["tasks"].items():
        about = task["about"]
        if about is None:
            rows.append({"task": name, "note": task["refused"]})
            continue
        measured = results["measured"]
        score = measured.get(f"score of {name}", {})
        rows.append(
            {
                "task": name,
                "file, KB": f"{about['file_bytes'] / 1000:.1f}",
                "of it head, KB": f"{about['head_bytes'] / 1000:.1f}",
                "changed parameters": f"{about['nnz']:,}",
                "density": f"{about['density']:.2%}",
                "bits each": f"{about['bits_per_nonzero']:.2f}",
                "of it index": f"{about['bits_per_index']:.2f}",
                "of it value": f"{about['bits_per_value']:.2f}",
                "changed as a whole": f"{len(about['products']):,}" if about["products"] else "",
                "by numbers": f"{about['factors']:,}" if about["products"] else "",
                "bits a number": f"{about['bits_per_factor']:.2f}" if about["products"] else "",
                "pages": f"{measured[f'patch of {name}']['pages']:,}",
                "patch, ms": f"{measured[f'patch of {name}']['p50_ms']:.2f}",
                "first use, ms": f"{measured[f'first use of {name}']['p50_ms']:.1f}",
                "score": f"{score['score']:.4f}" if "score" in score else "",
                "metric": score.get("metric", ""),
                "rows": f"{score['rows']:,}" if "rows" in score else "",
                "note": score.get("refused", "") or _equality(measured, name),
            }
        )
    text = (
        "Bits are those of the whole file but head and products, for each changed parameter. Pages are those"
        " of the base's weights that hold a changed one, 4 KB each; a patch is from the base to the task,"
        " first use from a file of which the header was read to a task that is active."
    )
    frame = pd.DataFrame(rows).fillna("")
    return Table("Tasks", text, frame.loc[:, (frame != "").any()])  # without scores, say, no such columns


def _equality(measured: Results, name: str) -> str:
    equal = measured.get("equality", {}).get("bit_equal", {}).get(name, True)
    return "" if equal else "logits are not those of a session of its own"


def _switches(results: Results) -> Table:
    found = results["measured"]["switches"]
    names = {"switch": f"switch in {found['mode']} mode", "session": "a session of its own, made anew"}
    rows = [
        {
            "": text,
            "median, ms": f"{found[key]['p50_ms']:.2f}",
            "95 % below, ms": f"{found[key]['p95_ms']:.2f}",
        }
        for key, text in names.items()
    ]
    text = "From one task to the next in an open base, against the quickest documented way; one thread."
    return Table("Switching", text, pd.DataFrame(rows))


def _runs(results: Results) -> Table:
    rows = []
    for key, lengths in results["measured"].items():
        if not key.startswith("runs on "):
            continue
        threads = key.split()[2]
        for tokens, found in lengths.items():
            task, dedicated = found["task"], found["dedicated"]
            rows.append(
                {
                    "threads": threads,
                    "tokens": tokens,
                    "median, ms": f"{task['p50_ms']:.2f}",
                    "95 % below, ms": f"{task['p95_ms']:.2f}",
                    "dedicated: median, ms": f"{dedicated['p50_ms']:.2f}",
                    "dedicated: 95 % below, ms": f"{dedicated['p95_ms']:.2f}",
                    "ratio of medians": f"{task['p50_ms'] / dedicated['p50_ms']:.3f}",
                }
            )
    text = "One row, against an ordinary session that holds one task alone; the two take turns."
    return Table("Runs", text, pd.DataFrame(rows))


def _starts(results: Results) -> Table:
    measured = results["measured"]
    rows = []
    for key, text in (
        ("starts", "start, files in the system's cache"),
        ("cold starts", "start, files not in it"),
    ):
        own, other = (measured[key][what]["p50_ms"] for what in ("open_base", "session"))
        rows.append(_against(f"{text}, ms", own, other))
    for key, text in (("memory", "a short run each"), ("memory in full use", "every word used")):
        found = measured[key]
        rows.append(_against(f"memory of ten tasks, {text}, MB", found["tasks_mb"], found["session_mb"]))
    text = (
        "Medians of processes of their own, after the imports, against one ordinary session of the base."
        " Memory is the proportional set size."
    )
    return Table("Start and memory", text, pd.DataFrame(rows))


def _against(what: str, own: float, other: float) -> dict[str, str]:
    return {
        "": what,
        "open base": f"{own:.1f}",
        "plain session": f"{other:.1f}",
        "ratio": f"{own / other:.2f}",
    }
