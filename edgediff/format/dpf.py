"""`.dpf` files: a `Diff` to bytes and back. The bytes are specified in docs/format.md."""

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Diff, Grid, Head, TensorDiff
from edgediff.errors import FormatError, LimitError, SettingError, TruncatedError
from edgediff.files import write_atomic
from edgediff.format import rice
from edgediff.format.container import MAX_FILE_BYTES, join_sections, split_sections
from edgediff.format.metadata import Metadata, TensorEntry, decode_metadata, encode_metadata
from edgediff.format.values import check_grid, decode_codes, deflate, encode_codes, inflate

SECTIONS = ("META", "INDX", "VALS", "HEAD")
_UNARY_LENGTH = struct.Struct("<I")


def dumps(diff: Diff) -> bytes:
    """The `.dpf` file of a packed diff; equal diffs give equal bytes.

    Raises:
        SettingError: a tensor's values are not on its grid (`edgediff.pack.quantise` puts them there).
        LimitError: the file would be larger than the format allows.
    """
    tensors = sorted((t for t in diff.tensors if t.nnz), key=lambda tensor: tensor.name)
    grids = [_grid_of(tensor) for tensor in tensors]
    gaps = [rice.gaps_of(tensor.indices) for tensor in tensors]
    parameters = [rice.best_rice_parameter(g) for g in gaps]
    entries = [
        TensorEntry(t.name, t.shape, t.nnz, k, grid)
        for t, k, grid in zip(tensors, parameters, grids, strict=True)
    ]
    codes = [encode_codes(t.values, grid) for t, grid in zip(tensors, grids, strict=True)]
    return join_sections(
        {
            "META": encode_metadata(diff, entries),
            "INDX": _encode_positions(gaps, parameters),
            "VALS": deflate(b"".join(c.tobytes() for c in codes), huffman_only=True),
            "HEAD": _encode_head(diff.head),
        }
    )


def loads(data: bytes) -> Diff:
    """The diff in the bytes of a `.dpf` file.

    Raises:
        FormatError: the bytes break a rule of the format; the kind and the text say which.
    """
    sections = split_sections(data, SECTIONS)
    meta = decode_metadata(sections["META"])
    nnz = sum(entry.nnz for entry in meta.tensors)
    if nnz > 8 * len(sections["INDX"]):
        raise TruncatedError(f"section INDX has {len(sections['INDX'])} bytes, too few for {nnz} entries")
    positions = _decode_positions(sections["INDX"], meta.tensors)
    values = _decode_values(sections["VALS"], meta.tensors, nnz)
    tensors = tuple(
        TensorDiff(entry.name, entry.shape, indices, value, entry.grid)
        for entry, indices, value in zip(meta.tensors, positions, values, strict=True)
    )
    return Diff(meta.base, meta.task, tensors, _decode_head(sections["HEAD"], meta), meta.provenance)


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
    data = read_bytes(path)
    try:
        return loads(data)
    except FormatError as error:
        raise type(error)(f"{path}: {error}") from error


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a `.dpf` file, once its size is known to be within the limit."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise LimitError(
                f"{path} has {path.stat().st_size} bytes, a .dpf file has at most {MAX_FILE_BYTES}"
            )
        return path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error


def _grid_of(tensor: TensorDiff) -> Grid:
    if tensor.grid is None:
        raise SettingError(f"tensor {tensor.name!r} is not quantised: pack the diff before writing it")
    check_grid(tensor.grid, tensor.name)
    codes = encode_codes(tensor.values, tensor.grid)
    if not np.array_equal(decode_codes(codes, tensor.grid), tensor.values):
        raise SettingError(f"tensor {tensor.name!r} has values off its grid: pack the diff before writing it")
    return tensor.grid


def _encode_positions(gaps: list[NDArray[np.int64]], parameters: list[int]) -> bytes:
    pairs = list(zip(gaps, parameters, strict=True))
    quotients = [g >> k for g, k in pairs]
    unary = rice.encode_unary(np.concatenate([np.empty(0, np.int64), *quotients]))
    remainders = (rice.encode_remainders(g, k) for g, k in pairs)
    return _UNARY_LENGTH.pack(len(unary)) + unary + b"".join(remainders)


def _decode_positions(data: bytes, entries: Iterable[TensorEntry]) -> list[NDArray[np.int64]]:
    if len(data) < _UNARY_LENGTH.size:
        raise TruncatedError(f"section INDX has {len(data)} bytes, its first field alone has 4")
    (unary_bytes,) = _UNARY_LENGTH.unpack_from(data)
    position = _UNARY_LENGTH.size + unary_bytes
    if position > len(data):
        raise TruncatedError(f"section INDX has {len(data)} bytes, its unary stream claims {unary_bytes}")
    entries = list(entries)
    quotients = rice.decode_unary(data[_UNARY_LENGTH.size : position], sum(entry.nnz for entry in entries))
    decoded, first = [], 0
    for entry in entries:
        end = position + rice.remainder_bytes(entry.nnz, entry.rice_parameter)
        remainders = rice.decode_remainders(data[position:end], entry.nnz, entry.rice_parameter)
        gaps = (quotients[first : first + entry.nnz] << entry.rice_parameter) + remainders
        indices = rice.indices_of(gaps)
        if indices[-1] >= np.prod(entry.shape, dtype=np.int64):
            raise FormatError(
                f"tensor {entry.name!r}: index {indices[-1]} lies outside its shape {entry.shape}"
            )
        decoded.append(indices)
        position, first = end, first + entry.nnz
    if position != len(data):
        raise TruncatedError(f"section INDX has {len(data) - position} bytes after its last remainder")
    return decoded


def _decode_values(data: bytes, entries: Iterable[TensorEntry], nnz: int) -> list[NDArray[np.float32]]:
    codes = np.frombuffer(inflate(data, nnz, "VALS"), np.uint8)
    if len(codes) != nnz:
        raise TruncatedError(f"section VALS holds {len(codes)} codes, the tensors have {nnz} entries")
    decoded, first = [], 0
    for entry in entries:
        decoded.append(decode_codes(codes[first : first + entry.nnz], entry.grid))
        first += entry.nnz
    return decoded


def _encode_head(head: Head) -> bytes:
    values = np.concatenate([head.weight.reshape(-1), head.bias])
    halves = values.astype("<f2")
    if not np.array_equal(halves.astype(np.float32), values):
        raise SettingError("the head is not in half precision: pack the diff before writing it")
    return halves.tobytes()


def _decode_head(data: bytes, meta: Metadata) -> Head:
    outputs, width = meta.head_outputs, meta.base.width
    expected = 2 * outputs * (width + 1)
    if len(data) != expected:
        raise FormatError(f"section HEAD has {len(data)} bytes, {outputs} rows of {width} need {expected}")
    values = np.frombuffer(data, "<f2").astype(np.float32)
    if not np.isfinite(values).all():
        raise FormatError("section HEAD holds a value that is not finite")
    return Head(values[: outputs * width].reshape(outputs, width), values[outputs * width :])
