"""What a `.dpf` file holds and where its bytes go, told without decoding it."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgediff.errors import FormatError
from edgediff.format.container import find_sections, read_section
from edgediff.format.dpf import SECTIONS
from edgediff.format.metadata import decode_metadata


def layer_of(name: str) -> str:
    """The numbered layer that a parameter belongs to, or what it is a part of outside of them."""
    layer = re.match(r"(.*?\.\d+)\.", name)
    return layer[1] if layer else name.split(".")[0]


def inspect(path: str | Path) -> dict[str, Any]:
    """A description of the file `path` in plain values, from its headers and section META alone.

    It is quick enough for a catalogue of tasks, and finds a file that was cut; `read_dpf` checks every byte.
    Bits per nonzero count the whole file but the head; bits per index and per value count their sections.

    Raises:
        FormatError: the file is missing or breaks a rule of the format; the text names the file.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            sections = find_sections(file, size, SECTIONS)
            meta = decode_metadata(read_section(file, sections[0]))
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error
    except FormatError as error:
        raise type(error)(f"{path}: {error}") from error
    length = {section.name: section.length for section in sections}
    nnz = sum(entry.nnz for entry in meta.tensors)

    def bits_per_entry(count: int) -> float:
        return round(8 * count / nnz, 3) if nnz else 0.0

    return {
        "file_bytes": size,
        "nnz": nnz,
        "density": nnz / meta.base.parameters,
        "bits_per_nonzero": bits_per_entry(size - length["HEAD"]),
        "bits_per_index": bits_per_entry(length["INDX"]),
        "bits_per_value": bits_per_entry(length["VALS"]),
        "metadata_bytes": length["META"],
        "head_bytes": length["HEAD"],
        "base_name": meta.base.name,
        "base_parameters": meta.base.parameters,
        "base_fingerprint": meta.base.fingerprint,
        "task": meta.task.to_dict(),
        "provenance": meta.provenance,
        "tensors": [asdict(entry) | {"density": entry.nnz / entry.numel} for entry in meta.tensors],
    }
