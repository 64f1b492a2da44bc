"""What a `.dpf` file holds and where its bytes go."""

from pathlib import Path
from typing import Any

from edgediff.errors import FormatError
from edgediff.format.container import split_sections
from edgediff.format.dpf import SECTIONS, loads, read_bytes


def inspect(path: str | Path) -> dict[str, Any]:
    """A description of the file `path` in plain values.

    Bits per nonzero count the whole file but the head; bits per index and per value count their sections.

    Raises:
        FormatError: the file is missing or breaks a rule of the format.
    """
    data = read_bytes(path)
    try:
        diff, sections = loads(data), split_sections(data, SECTIONS)
    except FormatError as error:
        raise type(error)(f"{path}: {error}") from error
    head_bytes = len(sections["HEAD"])

    def bits_per_entry(size: int) -> float:
        return round(8 * size / diff.nnz, 3) if diff.nnz else 0.0

    return {
        "file_bytes": len(data),
        "nnz": diff.nnz,
        "density": diff.density,
        "bits_per_nonzero": bits_per_entry(len(data) - head_bytes),
        "bits_per_index": bits_per_entry(len(sections["INDX"])),
        "bits_per_value": bits_per_entry(len(sections["VALS"])),
        "metadata_bytes": len(sections["META"]),
        "head_bytes": head_bytes,
        "base_name": diff.base.name,
        "base_parameters": diff.base.parameters,
        "base_fingerprint": diff.base.fingerprint,
        "task": diff.task.to_dict(),
        "provenance": diff.provenance,
        "tensors": [
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "nnz": tensor.nnz,
                "density": tensor.nnz / tensor.numel,
                "bits": tensor.grid.bits if tensor.grid else None,
            }
            for tensor in diff.tensors
        ],
    }
