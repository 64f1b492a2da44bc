"""`edgediff inspect`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from edgediff.format.inspect import layer_of
from edgediff_cli.show import printable, size_text

_BAR = 30
_DENSEST = 8
_ANSWERS = {"regression": "a number", "question_answering": "a span of the context"}


def inspect(
    dpf: Annotated[Path, typer.Argument(metavar="FILE.dpf", help="The file to look into.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what a .dpf file holds and where its bytes go."""
    from edgediff.format import inspect

    found = inspect(dpf)
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else _table(found))


def _layer_bars(parts: list[dict[str, Any]]) -> list[str]:
    """A bar for each numbered layer, and for what stands outside of them, in the order of the names."""
    counts: dict[str, int] = {}
    for part in parts:
        name = layer_of(part["name"])
        counts[name] = counts.get(name, 0) + part["count"]
    most = max(counts.values(), default=1)
    return [
        f"{name:<48} {count:>8,} {'█' * max(round(_BAR * count / most), 1)}" for name, count in counts.items()
    ]


def _table(found: dict[str, Any]) -> str:
    task = found["task"]
    entries = [tensor | {"count": tensor["nnz"]} for tensor in found["tensors"]]
    factors = [product | {"count": product["size"]} for product in found["products"]]
    lines = [
        f"task         {task['name']} ({task['kind']}, {task['metric']})",
        f"labels       {', '.join(task.get('labels', [])) or _ANSWERS[task['kind']]}",
        f"base         {found['base_name']}, {found['base_parameters']:,} parameters",
        f"fingerprint  {found['base_fingerprint']}",
        f"file         {size_text(found['file_bytes'])}, of it the head {size_text(found['head_bytes'])}"
        f" and names {size_text(found['metadata_bytes'])}",
    ]
    if entries or not factors:
        lines += [
            f"changed      {found['nnz']:,} parameters, density {found['density']:.4%}",
            f"bits each    {found['bits_per_nonzero']:.2f}: index {found['bits_per_index']:.2f},"
            f" value {found['bits_per_value']:.2f}, the rest names and checksums",
            "",
            "changed parameters by layer",
            *_layer_bars(entries),
            "",
            "densest tensors",
            *_densest(entries),
        ]
    if factors:
        lines += [""] if entries else []
        lines += [
            f"low rank     {len(factors):,} parameters changed as a whole, rank {_ranks(factors)}",
            f"numbers      {found['factors']:,} at {found['bits_per_factor']:.2f} bits each",
            "",
            "numbers by layer",
            *_layer_bars(factors),
        ]
    return "\n".join(map(printable, lines))


def _densest(tensors: list[dict[str, Any]]) -> list[str]:
    tensors = sorted(tensors, key=lambda tensor: -tensor["density"])
    top = tensors[0]["density"] if tensors else 1.0
    lines = []
    for tensor in tensors[:_DENSEST]:
        bar = "█" * max(round(_BAR * tensor["density"] / top), 1)
        lines.append(f"{tensor['name']:<48} {tensor['nnz']:>8,} {tensor['density']:>8.3%} {bar}")
    if len(tensors) > _DENSEST:
        lines.append(f"and {len(tensors) - _DENSEST} more")
    return lines


def _ranks(products: list[dict[str, Any]]) -> str:
    """The rank, or the least and the highest."""
    ranks = sorted({product["rank"] for product in products})
    return str(ranks[0]) if len(ranks) == 1 else f"{ranks[0]} to {ranks[-1]}"
