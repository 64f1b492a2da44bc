"""Write `docs/results.md` with its plot, and README's tables of results, from the files of the runs.

python -m benchmarks.results
"""

import json
import re
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader

from benchmarks import tables
from benchmarks.frontier import frontier
from benchmarks.runs import RESULTS
from benchmarks.stored import best_rates, of_earlier_trainer
from edgediff.files import write_atomic

ROOT = Path(__file__).parents[1]
PAGE, README = ROOT / "docs" / "results.md", ROOT / "README.md"
PLOT = PAGE.with_name("frontier.svg")
TABLE = re.compile(r"(<!-- (results|peers) -->\n).*?(\n<!-- end of \2 -->)", re.DOTALL)
PEERS = RESULTS.parent / "peers.json"
PEERS_IN_README = (
    "edgediff, the default",
    "edgediff, 0.5 %",
    "fine-tuned, whole",
    "fine-tuned, whole, int8",
    "LoRA, rank 1, as a .dpf file",
    "LoRA, rank 1, merged",
    "LoRA, rank 1, .onnx_adapter in one session",
    "IA3, .onnx_adapter in one session",
)
TEMPLATES = Path(__file__).parent / "templates"


def main() -> None:
    """Write all."""
    contents = {path: text.encode() for path, text in pages().items()}
    contents[PLOT] = frontier(best_rates(), tables.TASKS)
    for path, content in contents.items():
        write_atomic(path, content)
        print(f"wrote {path}")


def pages() -> dict[Path, str]:
    """What the two documents say, by file."""
    runs = best_rates()
    peers = tables.peers(json.loads(PEERS.read_text()))
    page = Environment(loader=FileSystemLoader(TEMPLATES), trim_blocks=True).get_template(PAGE.name)  # noqa: S701
    results = page.render(
        methods=_markdown(tables.methods(runs)),
        densities=_markdown(tables.densities(runs)),
        sizes=_markdown(tables.sizes(runs)),
        by_bytes=_markdown(tables.by_bytes(runs)),
        peers=_markdown(peers),
        runs=_markdown(tables.every_run(runs)),
        earlier=", ".join(f"`{name}`" for name in of_earlier_trainer()),
    )
    shown = {"results": tables.headline(runs), "peers": peers[peers[""].isin(PEERS_IN_README)]}
    readme = TABLE.sub(
        lambda found: f"{found[1]}\n{_markdown(shown[found[2]])}\n{found[3]}", README.read_text("utf-8")
    )
    return {PAGE: results + "\n", README: readme}


def _markdown(table: pd.DataFrame) -> str:
    return str(table.to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
