"""`.dpf` files: a `Diff` to bytes and back. The bytes are specified in docs/format.md."""

from pathlib import Path

import numpy as np

from edgediff.diff import Diff, TensorDiff
from edgediff.errors import SettingError
from edgediff.files import write_atomic
from edgediff.format.container import MAX_FILE_BYTES, join_sections, split_sections
from edgediff.format.head import decode_head, encode_head
from edgediff.format.header import reading
from edgediff.format.metadata import ProductEntry, TensorEntry, decode_metadata, encode_metadata
from edgediff.format.positions import decode_positions, encode_positions
from edgediff.format.products import decode_products, encode_products
from edgediff.format.values import decode_values, encode_values


def dumps(diff: Diff) -> bytes:
    """The `.dpf` file of a packed diff; equal diffs give equal bytes.

    Raises:
        SettingError: the diff is not packed (`edgediff.pack.quantise` does that), or does not fit together.
        LimitError: the file would be larger than the format allows.
    """
    if diff.levels is None:
        raise SettingError("the diff has no levels: pack it before writing it")
    diff.check()
    tensors = sorted((t for t in diff.tensors if t.nnz), key=lambda tensor: tensor.name)
    values = np.concatenate([np.empty(0, np.float32), *(t.values for t in tensors)])
    products = sorted(diff.products, key=lambda product: product.name)
    meta = encode_metadata(
        diff,
        [TensorEntry(t.name, t.shape, t.nnz) for t in tensors],
        [ProductEntry(p.name, p.shape, p.rank) for p in products],
    )
    indx = encode_positions([(t.shape, t.indices) for t in tensors])
    sections = {"META": meta, "INDX": indx, "VALS": encode_values(values, diff.levels)}
    sections |= {"PROD": encode_products(products)} if products else {}
    return join_sections(sections | {"HEAD": encode_head(diff.head)})


def loads(data: bytes) -> Diff:
    """The diff in the bytes of a `.dpf` file.

    Raises:
        FormatError: the bytes break a rule of the format; the kind and the text say which.
    """
    sections = split_sections(data)
    meta = decode_metadata(sections["META"], products="PROD" in sections)
    counts = [entry.nnz for entry in meta.tensors]
    values, levels = decode_values(sections["VALS"], sum(counts))  # first: it bounds what positions may take
    positions = decode_positions(sections["INDX"], [(entry.shape, entry.nnz) for entry in meta.tensors])
    parts = np.split(values, np.cumsum(counts)[:-1]) if counts else []
    tensors = tuple(
        TensorDiff(entry.name, entry.shape, indices, part)
        for entry, indices, part in zip(meta.tensors, positions, parts, strict=True)
    )
    products = decode_products(sections["PROD"], meta.products) if meta.products else ()
    head = decode_head(sections["HEAD"], meta.task.outputs, meta.base.width)
    return Diff(meta.base, meta.task, tensors, head, meta.provenance, levels, products)


def write_dpf(path: str | Path, diff: Diff) -> None:
    """Write a packed diff; `path` then holds the whole new file, or the old one if this fails.

    Raises:
        SettingError, LimitError: as `dumps`.
        OutputError: the file cannot be written.
    """
    write_atomic(Path(path), dumps(diff))


def read_dpf(path: str | Path) -> Diff:
    """The diff in the file `path`.

    Raises:
        FormatError: the file is missing or breaks a rule of the format; the text names the file.
    """
    path = Path(path)
    with reading(path), path.open("rb") as file:
        return loads(file.read(MAX_FILE_BYTES + 1))  # one more byte is enough to be refused
