"""How near a `.dpf` file comes to what its content must cost, and how long it takes to write and to read.

    python -m benchmarks.format RUN ...            # RUN folders of `edgediff train`
    python -m benchmarks.format --scale            # random diffs of 1e5, 1e6 and 1e7 entries

The limits are for ideal coders that know what the table says, and are told counts at their empirical entropy.
"""

import math
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.special import gammaln

from edgediff.diff import Diff, TensorDiff, as_matrix
from edgediff.format import dumps, loads, read_run
from edgediff.format.classes import find_classes
from edgediff.format.container import split_sections
from edgediff.format.numbers import encode_numbers
from edgediff.format.positions import decode_positions, encode_positions
from edgediff.format.rice import gaps_of
from edgediff.pack import quantise

Values = NDArray[np.float64]


def main(runs: Annotated[list[Path] | None, typer.Argument()] = None, scale: bool = False) -> None:
    """Print the tables for RUN folders, or the times for random diffs of growing size."""
    diffs = {run.name: read_run(run) for run in runs or []}
    if diffs:
        _print_columns(diffs, "file", _sizes)
        _print_columns(diffs, "positions, bits an index", _position_costs)
        _print_columns(diffs, "values: bits a value (entropy) / dB", _value_costs)
        _print_columns(diffs, "its values on whole rows and columns, bits a nonzero in all", _whole_lines)
        _print_columns(diffs, "time (minimum of 20)", _times)
    if scale:
        print("\n| random positions, density 0.5 % | encode, s | decode, ns a nonzero |\n|---|---|---|")
        for count in (10**5, 10**6, 10**7):
            print(_scale_row(count))


def _print_columns(diffs: dict[str, Diff], title: str, measure: Callable[[Diff], dict[str, str]]) -> None:
    columns = [measure(diff) for diff in diffs.values()]
    print(f"\n| {title} | {' | '.join(diffs)} |\n|{'---|' * (len(diffs) + 1)}")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(column[name] for column in columns)} |")


def _sizes(diff: Diff) -> dict[str, str]:
    packed = quantise(diff)
    data = dumps(packed)
    length = {name: len(content) for name, content in split_sections(data).items()}
    others = len(data) - length["HEAD"] - length["INDX"] - length["VALS"]

    def bits(size: int) -> str:
        return f"{8 * size / packed.nnz:.2f}"

    best = min(
        _limits(diff)[name] for name in ("tensor", "rows", "columns", "best of the three, tensor by tensor")
    )
    return {
        "changed parameters": f"{packed.nnz:,}",
        "tensors": str(len(packed.tensors)),
        "bytes": f"{len(data):,}",
        "head, bytes": f"{length['HEAD']:,}",
        "container and names, bytes": f"{others:,}",
        "**bits a nonzero, all but the head**": f"**{bits(len(data) - length['HEAD'])}**",
        "bits an index": bits(length["INDX"]),
        "against the best limit of rows and columns": f"{8 * length['INDX'] / packed.nnz / best - 1:+.1%}",
        "bits a value": bits(length["VALS"]),
    }


def _position_costs(diff: Diff) -> dict[str, str]:
    limits = _limits(diff)
    shown = {f"limit: {name}": f"{value:.2f}" for name, value in limits.items()}
    rice = 8 * sum(_rice_bytes(tensor.indices) for tensor in diff.tensors) / diff.nnz
    plain = _huffman_gaps(diff)
    ours = 8 * len(encode_positions([(t.shape, t.indices) for t in diff.tensors])) / diff.nnz
    return shown | {
        "Rice, a parameter a tensor": f"{rice:.2f}",
        "deflate of the gaps as LEB128": f"{plain:.2f}",
        "**blocks of row and column classes (this format)**": f"**{ours:.2f}**",
    }


def _limits(diff: Diff) -> dict[str, float]:
    """Ideal costs in bits an index; tensors that are no matrices cost their own limit everywhere."""
    totals = dict.fromkeys(
        (
            "one density for all",
            "tensor",
            "rows",
            "columns",
            "best of the three, tensor by tensor",
            "rows times columns, counts for free",
            "classes, without the Rice code's loss",
        ),
        0.0,
    )
    totals["one density for all"] = _choose(diff.base.parameters, diff.nnz)
    for tensor in diff.tensors:
        rows, columns = as_matrix(tensor.shape)
        row, column = np.divmod(tensor.indices, columns)
        of_rows, of_columns = np.bincount(row, minlength=rows), np.bincount(column, minlength=columns)
        whole = _choose(tensor.numel, tensor.nnz)
        by_row = float(_choose(columns, of_rows).sum()) + _entropy(of_rows)
        by_column = float(_choose(rows, of_columns).sum()) + _entropy(of_columns)
        best = min(whole, by_row, by_column)
        product = _product(of_rows, of_columns, row, column) if len(tensor.shape) > 1 else whole
        costs = (whole, by_row, by_column, best, min(product, best), _class_limit(tensor))
        for name, cost in zip(list(totals)[1:], costs, strict=True):
            totals[name] += cost
    return {name: total / diff.nnz for name, total in totals.items()}


def _choose(whole: Any, part: Any) -> Any:
    """The binary logarithm of the binomial coefficient."""
    return (gammaln(whole + 1) - gammaln(part + 1) - gammaln(whole - part + 1)) / math.log(2)


def _entropy(numbers: NDArray[np.int64]) -> float:
    """What it costs to send all of `numbers`, each at its empirical probability."""
    _, counts = np.unique(numbers, return_counts=True)
    return float(-(counts * np.log2(counts / counts.sum())).sum())


def _product(
    of_rows: NDArray[np.int64],
    of_columns: NDArray[np.int64],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
) -> float:
    """The cost if each cell's probability were known to be its row's count times its column's, scaled."""
    share = np.clip(np.outer(of_rows, of_columns) / len(row), 1e-9, 1 - 1e-6)
    unset = np.log2(1 - share)
    return float(-(np.log2(share[row, column]) - unset[row, column]).sum() - unset.sum())


def _class_limit(tensor: TensorDiff) -> float:
    rows, columns = as_matrix(tensor.shape)
    classes = find_classes(tensor.indices, (rows, columns))
    row, column = np.divmod(tensor.indices, columns)
    block = classes.rows[row] * classes.column_count + classes.columns[column]
    cells = np.outer(np.bincount(classes.rows), np.bincount(classes.columns)).reshape(-1)
    counts = np.bincount(block, minlength=len(cells))
    return float(_choose(cells, counts).sum()) + _entropy(classes.rows) + _entropy(classes.columns)


def _rice_bytes(indices: NDArray[np.int64]) -> float:
    gaps = gaps_of(indices)
    return min(len(gaps) * (k + 1) + int((gaps >> k).sum()) for k in range(32)) / 8


def _huffman_gaps(diff: Diff) -> float:
    coded = b"".join(encode_numbers(gaps_of(tensor.indices)) for tensor in diff.tensors)
    return 8 * len(zlib.compress(coded, 9)) / diff.nnz


def _value_costs(diff: Diff) -> dict[str, str]:
    values = np.concatenate([t.values for t in diff.tensors]).astype(np.float64)
    values = values[values != 0]
    found = {}
    for bits in (3, 4, 5):
        levels = 1 << (bits - 1)
        for name, rule in (
            ("uniform with a hole", _uniform),
            ("Lloyd-Max", _lloyd_max),
            ("intervals", _intervals),
        ):
            codes, decoded = rule(np.abs(values), levels)
            cost = _entropy(codes * 2 + (values < 0)) / len(values)
            noise = np.square(np.abs(values) - decoded).sum()
            strong = "**" if name == "intervals" else ""
            shown = f"{cost:.2f} / {10 * math.log10(np.square(values).sum() / noise):.1f}"
            found[f"{strong}{name}, {levels} levels{strong}"] = f"{strong}{shown}{strong}"
    return found


def _uniform(magnitudes: Values, levels: int) -> tuple[NDArray[np.int64], Values]:
    low, high = magnitudes.min(), magnitudes.max()
    codes = np.rint((magnitudes - low) / (high - low) * (levels - 1)).astype(np.int64)
    return codes, low + (high - low) * codes / (levels - 1)


def _intervals(magnitudes: Values, levels: int) -> tuple[NDArray[np.int64], Values]:
    codes = np.minimum((magnitudes / magnitudes.max() * levels).astype(np.int64), levels - 1)
    means = np.bincount(codes, magnitudes, minlength=levels) / np.maximum(
        np.bincount(codes, minlength=levels), 1
    )
    return codes, means[codes]


def _lloyd_max(magnitudes: Values, levels: int) -> tuple[NDArray[np.int64], Values]:
    centres = np.quantile(magnitudes, (np.arange(levels) + 0.5) / levels)
    for _ in range(100):
        codes = np.searchsorted((centres[1:] + centres[:-1]) / 2, magnitudes)
        counts = np.maximum(np.bincount(codes, minlength=levels), 1)
        centres = np.bincount(codes, magnitudes, minlength=levels) / counts
    return codes, centres[codes]


def _whole_lines(diff: Diff) -> dict[str, str]:
    """A mask of whole rows and columns, drawn at random in every matrix, with the diff's own values on it."""
    generator = np.random.default_rng(0)
    values = np.concatenate([tensor.values for tensor in diff.tensors])
    tensors = []
    for tensor in diff.tensors:
        mask = np.zeros(as_matrix(tensor.shape), np.bool_)
        if min(mask.shape) > 1:
            lines = max(round(tensor.nnz / max(mask.shape)), 1)
            mask[generator.choice(len(mask), min(lines // 2 + 1, len(mask)), replace=False)] = True
            mask[:, generator.choice(mask.shape[1], min(lines // 2 + 1, mask.shape[1]), replace=False)] = True
        indices = np.flatnonzero(mask)
        drawn = generator.choice(values, len(indices)).astype(np.float32)
        tensors.append(replace(tensor, indices=indices, values=drawn))
    shown = {}
    for name, bits in (("the bits that pack picks", None), ("3 bits", 3)):
        packed = quantise(replace(diff, tensors=tuple(tensors)), bits)
        data = dumps(packed)
        length = {key: len(content) for key, content in split_sections(data).items()}
        index = 8 * length["INDX"] / packed.nnz
        shown[name] = f"{8 * (len(data) - length['HEAD']) / packed.nnz:.2f}, index {index:.3f}"
    return shown


def _times(diff: Diff) -> dict[str, str]:
    packed = quantise(diff)
    data = dumps(packed)
    tensors = [(t.shape, t.indices) for t in packed.tensors]
    coded, shapes = encode_positions(tensors), [(t.shape, t.nnz) for t in packed.tensors]
    gaps = np.concatenate([gaps_of(t.indices) for t in packed.tensors]).astype("<i4").tobytes()
    per_entry = 1e9 / packed.nnz
    base = _fastest(lambda: np.cumsum(np.frombuffer(gaps, "<i4"))) * per_entry
    positions = _fastest(lambda: decode_positions(coded, shapes)) * per_entry
    whole = _fastest(lambda: loads(data)) * per_entry
    return {
        "encode the file, s": f"{_fastest(lambda: dumps(packed), 3):.2f}",
        "decode positions, ns a nonzero": f"{positions:.0f}",
        "decode the whole file, ns a nonzero": f"{whole:.0f}",
        "the same as a multiple of np.frombuffer + np.cumsum": f"{whole / base:.0f} ({base:.2f} ns)",
    }


def _fastest(work: Callable[[], Any], times: int = 20) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def _scale_row(count: int) -> str:
    generator = np.random.default_rng(0)
    side = math.isqrt(count * 200 // 100)
    tensors = []
    for _ in range(100):  # a model of 100 square matrices
        flat = np.unique(generator.integers(0, side * side, count // 100))
        tensors.append(((side, side), flat))
    total = sum(len(indices) for _, indices in tensors)
    encode = _fastest(lambda: encode_positions(tensors), 1)
    coded = encode_positions(tensors)
    decode = _fastest(lambda: decode_positions(coded, [(s, len(i)) for s, i in tensors]), 3)
    bits = 8 * len(coded) / total
    return f"| {total:,}: {bits:.2f} bits an index | {encode:.2f} | {decode / total * 1e9:.0f} |"


if __name__ == "__main__":
    typer.run(main)
