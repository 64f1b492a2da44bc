"""Section META: task, base, provenance and the table of tensors. See docs/format.md, "META"."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgediff.diff import Base, Diff, Task, as_matrix
from edgediff.errors import FormatError, LimitError, SettingError, TaskError
from edgediff.format.deflate import deflate, inflate
from edgediff.format.fields import MAX_NUMEL, base_of, check_fields, is_shape

MAX_METADATA_BYTES = 1 << 20
MAX_NNZ = 1 << 26
MAX_TENSORS = 4096
MAX_RANK = 256
MAX_FACTORS = 1 << 26
MAX_NAME_CHARACTERS = 512
MAX_HEAD_VALUES = 1 << 24
MAX_PROVENANCE_KEYS, MAX_PROVENANCE_KEY, MAX_PROVENANCE_VALUE = 64, 64, 1024


@dataclass(frozen=True)
class TensorEntry:
    """One row of the table of tensors: a tensor's name, shape and count of changed entries."""

    name: str
    shape: tuple[int, ...]
    nnz: int

    @property
    def numel(self) -> int:
        """How many entries the tensor has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class ProductEntry:
    """One row of the table of products: the parameter's name and shape, and how many terms are added up."""

    name: str
    shape: tuple[int, ...]
    rank: int

    @property
    def size(self) -> int:
        """How many numbers the two factors have."""
        return self.rank * sum(as_matrix(self.shape))


@dataclass(frozen=True)
class Metadata:
    """The content of META; a file without products is of version 1."""

    base: Base
    task: Task
    provenance: dict[str, str]
    tensors: tuple[TensorEntry, ...]
    products: tuple[ProductEntry, ...] = ()


def encode_metadata(diff: Diff, entries: list[TensorEntry], products: list[ProductEntry]) -> bytes:
    """Section META of `diff`, with the rows of its tables.

    Raises:
        SettingError: a name cannot be written.
        FormatError: something in the diff is not what the format holds.
    """
    tensors = [[entry.name, list(entry.shape), entry.nnz] for entry in entries]
    terms = [[product.name, list(product.shape), product.rank] for product in products]
    plain = {
        "base": asdict(diff.base),
        "head": len(diff.head.bias),
        "provenance": diff.provenance,
        "task": diff.task.to_dict(),
        "tensors": tensors,
    } | ({"products": terms} if terms else {})
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise SettingError(f"a name in the diff is no text that UTF-8 can hold: {error}") from error
    if len(encoded) > MAX_METADATA_BYTES:
        raise LimitError(
            f"section META would have {len(encoded)} bytes, the format allows {MAX_METADATA_BYTES}"
        )
    section = deflate(encoded)
    decode_metadata(section, products=bool(products))  # what no reader takes is not written
    return section


def decode_metadata(data: bytes, products: bool) -> Metadata:
    """The inverse of `encode_metadata`, every field checked; of a file that must have `products`, or none.

    Raises:
        FormatError: of the kind that says what is wrong.
    """
    text = inflate(data, MAX_METADATA_BYTES, "META")
    try:
        plain = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
        json.dumps(plain, ensure_ascii=False).encode()  # fails on half a surrogate pair, which JSON can name
    except (ValueError, RecursionError) as error:
        raise FormatError(f"section META is not UTF-8 JSON: {error}") from error
    fields = {"base": dict, "head": int, "provenance": dict, "task": dict, "tensors": list}
    fields |= {"products": list} if products else {}
    check_fields(plain, fields, "section META")
    try:
        task = Task.from_dict(plain["task"], "section META, task")
    except TaskError as error:
        raise FormatError(str(error)) from error
    base = base_of(plain["base"], "section META, base")
    if plain["head"] != task.outputs or plain["head"] * base.width > MAX_HEAD_VALUES:
        raise FormatError(
            f"section META: the head has {plain['head']} rows, the task needs {task.outputs},"
            f" the width {base.width} allows {MAX_HEAD_VALUES // base.width}"
        )
    rows = {"tensors": plain["tensors"], "products": plain.get("products", [])}
    for name, table in rows.items():
        if len(table) > MAX_TENSORS:
            raise LimitError(f"section META has {len(table)} {name}, at most {MAX_TENSORS}")
    if products and not rows["products"]:
        raise FormatError("section META names no product: then the file is of version 1")
    entries = tuple(_tensor(row) for row in rows["tensors"])
    terms = tuple(_product(row) for row in rows["products"])
    _check_tables(entries, terms)
    return Metadata(base, task, _provenance(plain["provenance"]), entries, terms)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _provenance(plain: dict[str, Any]) -> dict[str, str]:
    if len(plain) > MAX_PROVENANCE_KEYS:
        raise LimitError(f"section META, provenance: {len(plain)} keys, at most {MAX_PROVENANCE_KEYS}")
    for key, value in plain.items():
        if not isinstance(value, str):
            raise FormatError(f"section META, provenance: {key!r:.80} is not a text")
        if len(key) > MAX_PROVENANCE_KEY or len(value) > MAX_PROVENANCE_VALUE:
            raise LimitError(
                f"section META, provenance: {key!r:.80} has {len(key)} and {len(value)} characters, at most"
                f" {MAX_PROVENANCE_KEY} and {MAX_PROVENANCE_VALUE}"
            )
    return plain


def _check_tables(tensors: Sequence[TensorEntry], products: Sequence[ProductEntry]) -> None:
    for what, table in (("tensors", tensors), ("products", products)):
        names = [entry.name for entry in table]
        if names != sorted(set(names)):
            raise FormatError(f"section META: the {what} are not in strictly ascending order of their names")
    nnz = sum(entry.nnz for entry in tensors)
    if nnz > MAX_NNZ:
        raise LimitError(f"section META: {nnz} entries change, the format allows {MAX_NNZ}")
    factors = sum(product.size for product in products)
    if factors > MAX_FACTORS:
        raise LimitError(f"section META: products of {factors} numbers, the format allows {MAX_FACTORS}")
    shapes = {entry.name: entry.shape for entry in tensors}
    for product in products:
        if shapes.get(product.name, product.shape) != product.shape:
            raise FormatError(f"section META: {product.name!r} has two shapes, {product.shape} for one")


def _tensor(row: Any) -> TensorEntry:
    name, shape, nnz = _row(row, "a tensor is not [name, shape, nnz]")
    numel = math.prod(shape)
    if not 0 < nnz <= numel:
        raise FormatError(f"tensor {name!r}: {nnz} changed of {numel} entries")
    return TensorEntry(name, shape, nnz)


def _product(row: Any) -> ProductEntry:
    name, shape, rank = _row(row, "a product is not [name, shape, rank]")
    if not 0 < rank <= MAX_RANK:
        raise FormatError(f"product {name!r}: rank {rank}, expected 1 to {MAX_RANK}")
    return ProductEntry(name, shape, rank)


def _row(row: Any, wrong: str) -> tuple[str, tuple[int, ...], int]:
    """A row of one of the two tables."""
    kinds = (str, list, int)
    if not isinstance(row, list) or [type(item) for item in row] != list(kinds):
        raise FormatError(f"section META: {wrong}")
    name, shape, count = row
    if not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise FormatError(f"section META: a tensor's name has {len(name)} characters")
    if not is_shape(shape):
        raise FormatError(f"tensor {name!r}: {shape!r:.60} is no shape")
    if math.prod(shape) > MAX_NUMEL:  # without all the digits of any number
        raise FormatError(f"tensor {name!r} has more than {MAX_NUMEL} entries")
    return name, tuple(shape), count
