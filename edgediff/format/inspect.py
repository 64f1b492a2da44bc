"""What a `.dpf` file holds and where its bytes go, told without decoding it."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgediff.format.header import read_header


def layer_of(name: str) -> str:
    """The numbered layer that a parameter belongs to, or what it is a part of outside of them."""
    layer = re.match(r"(.*?\.\d+)\.", name)
    return layer[1] if layer else name.split(".")[0]


def inspect(path: str | Path) -> dict[str, Any]:
    """A description of the file `path` in plain values, from its headers and section META alone.

    It is quick enough for a catalogue of tasks, and finds a file that was cut; `read_dpf` checks every byte.
    `nnz` counts single entries, `density` is their share of all, `factors` counts the numbers of products.
    Bits per nonzero count the whole file but head and products; the other bits count their sections.

    Raises:
        FormatError: the file is missing or breaks a rule of the format; the text names the file.
    """
    header = read_header(path)
    meta, length, size = header.metadata, header.lengths, header.file_bytes
    nnz = sum(entry.nnz for entry in meta.tensors)
    factors = sum(product.size for product in meta.products)

    def bits_per(count: int, length: int) -> float:
        return round(8 * length / count, 3) if count else 0.0

    return {
        "file_bytes": size,
        "nnz": nnz,
        "factors": factors,
        "density": nnz / meta.base.parameters,
        "bits_per_nonzero": bits_per(nnz, size - length["HEAD"] - length.get("PROD", 0)),
        "bits_per_index": bits_per(nnz, length["INDX"]),
        "bits_per_value": bits_per(nnz, length["VALS"]),
        "bits_per_factor": bits_per(factors, length.get("PROD", 0)),
        "metadata_bytes": length["META"],
        "head_bytes": length["HEAD"],
        "base_name": meta.base.name,
        "base_parameters": meta.base.parameters,
        "base_fingerprint": meta.base.fingerprint,
        "task": meta.task.to_dict(),
        "provenance": meta.provenance,
        "tensors": [asdict(entry) | {"density": entry.nnz / entry.numel} for entry in meta.tensors],
        "products": [asdict(product) | {"size": product.size} for product in meta.products],
    }
