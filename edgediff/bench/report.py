"""The reports of a benchmark: one for people who read text, one for people who look at pictures."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from edgediff.bench.plots import plots
from edgediff.bench.tables import tables
from edgediff.files import write_atomic

MARKDOWN_FILE, HTML_FILE = "report.md", "report.html"


def write_reports(results: dict[str, Any], folder: Path) -> None:
    """Write `report.md` and `report.html`, which needs no other file and no network, into `folder`.

    Raises:
        OutputError: they cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("edgediff.bench", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    content = {"results": results, "tables": tables(results), "plots": plots(results)}
    for name in (MARKDOWN_FILE, HTML_FILE):
        text = environment.get_template(name).render(content)
        write_atomic(folder / name, text.encode())
