"""The parts of a file, laid out as docs/format.md states them, so that each of them can be made wrong.

What is not said is that of the document's "A file by hand".
"""

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from edgediff import Base, Diff, Head, Product, Task, TensorDiff
from edgediff.diff import Kind

MAGIC = b"\x89DPF\r\n\x1a\n"
NAMES = ("META", "INDX", "VALS", "HEAD")
TASK = Task("toy", Kind.CLASSIFICATION, "text", labels=("no", "yes"))
BASE = Base("b", "0123456789abcdef" * 4, 32, 2)
META_TEXT = (
    '{"base":{"fingerprint":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","name":"b",'
    '"parameters":32,"width":2},"head":2,"provenance":{},"task":{"kind":"classification","label":"label",'
    '"labels":["no","yes"],"max_length":128,"metric":"accuracy","name":"toy","text":"text"},'
    '"tensors":[["w",[4,8],3]]}'
)
TASK_TEXT = META_TEXT[META_TEXT.index('"task":') : META_TEXT.index(',"tensors"')]
TENSORS_TEXT = '[["w",[4,8],3]]'
Shape = tuple[int, ...]


def diff(
    tensors: Mapping[str, tuple[Shape, Sequence[int]]],
    levels: Sequence[float] = (0.25, 0.5),
    task: Task = TASK,
    base: Base = BASE,
    head: Head | None = None,
    provenance: dict[str, str] | None = None,
) -> Diff:
    """A packed diff of (shape, indices) by name; the values take all codes in turn."""
    ascending = np.array(levels, np.float32)
    table = np.concatenate([ascending, -ascending])
    made, code = [], 0
    for name, (shape, indices) in tensors.items():
        values = table[(code + np.arange(len(indices))) % len(table)]
        made.append(TensorDiff(name, shape, np.array(indices, np.int64), values))
        code += len(indices)
    return Diff(base, task, tuple(made), head or _some_head(task, base), provenance or {}, ascending)


def _some_head(task: Task, base: Base) -> Head:
    weight = np.zeros((task.outputs, base.width), np.float32)
    weight[:, 0] = 1 + np.arange(task.outputs) / 64
    return Head(weight, (np.arange(task.outputs) / 4).astype(np.float32))


EXAMPLE = Diff(
    BASE,
    TASK,
    (TensorDiff("w", (4, 8), np.array([3, 4, 20]), np.array([0.5, -0.25, -0.5], np.float32)),),
    Head(np.array([[1, -0.5], [0.25, 0]], np.float32), np.array([0, 1], np.float32)),
    levels=np.array([0.25, 0.5], np.float32),
)


PRODUCT = Product(
    "w",
    (4, 8),
    np.array([[1], [-2], [0], [127]], np.float32),
    np.array([[0.5, -0.25, 0, 31.75, 0.25, 0.25, 0.25, 0.25]], np.float32),
    np.array([0.25], np.float32),
)
"""What `file_with_products` has beside the document's entries."""


def deflate(data: bytes, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    """A raw deflate stream."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return deflater.compress(data) + deflater.flush()


def stored(data: bytes, final: bool = True) -> bytes:
    """A stored block of a deflate stream."""
    return struct.pack("<BHH", final, len(data), len(data) ^ 0xFFFF) + data


def edited(old: str, new: str) -> str:
    """The document's JSON with another text in place of a part that it has once."""
    if META_TEXT.count(old) != 1:
        raise ValueError(f"{old!r} is not once in the document's JSON")
    return META_TEXT.replace(old, new)


def meta(text: str | bytes = META_TEXT) -> bytes:
    """Section META."""
    return deflate(text.encode() if isinstance(text, str) else text)


def indx(
    numbers: bytes = b"\1\1\3",
    quotients: bytes = b"\xd0",
    remainders: bytes = b"\x63\x80",
    deflated: bytes | None = None,
    a: int | None = None,
    b: int | None = None,
) -> bytes:
    """Section INDX; `deflated` is the numbers' stream, `a` and `b` are the lengths that are stated."""
    coded = deflate(numbers) if deflated is None else deflated
    lengths = len(coded) if a is None else a, len(quotients) if b is None else b
    return struct.pack("<II", *lengths) + coded + quotients + remainders


def vals(
    codes: Sequence[int] = (1, 2, 3),
    levels: Sequence[float] = (0.25, 0.5),
    count: int | None = None,
    deflated: bytes | None = None,
) -> bytes:
    """Section VALS; `count` is the L that is stated, `deflated` is the codes' stream."""
    stream = deflate(bytes(codes), zlib.Z_HUFFMAN_ONLY) if deflated is None else deflated
    halves = struct.pack(f"<{len(levels)}e", *levels)
    return bytes([(len(levels) if count is None else count) - 1]) + halves + stream


def prod(
    codes: Sequence[int] = (1, -2, 0, 127, 2, -1, 0, 127, 1, 1, 1, 1),
    steps: Sequence[float] = (0.25,),
    deflated: bytes | None = None,
) -> bytes:
    """Section PROD; `deflated` is the codes' stream."""
    whole = struct.pack(f"<{len(codes)}b", *codes)
    stream = deflate(whole, zlib.Z_HUFFMAN_ONLY) if deflated is None else deflated
    return struct.pack(f"<{len(steps)}f", *steps) + stream


def head(
    exponents: Sequence[int] = (-6, -8),
    codes: Sequence[Sequence[int]] = ((64, -32), (64, 0)),
    bias: Sequence[float] = (0, 1),
) -> bytes:
    """Section HEAD."""
    weight = [code for row in codes for code in row]
    return struct.pack(f"<{len(exponents)}b{len(weight)}b{len(bias)}f", *exponents, *weight, *bias)


def section(name: str, content: bytes, length: int | None = None, crc: int | None = None) -> bytes:
    """A section; `length` and `crc` are those that are stated."""
    stated = len(content) if length is None else length
    return struct.pack("<4sII", name.encode(), stated, zlib.crc32(content) if crc is None else crc) + content


def sealed(body: bytes) -> bytes:
    """A whole file: `body` and its SHA-256."""
    return body + hashlib.sha256(body).digest()


def container(*sections: bytes, magic: bytes = MAGIC, version: int = 1, flags: int = 0) -> bytes:
    """A whole file of these sections."""
    return sealed(magic + struct.pack("<HH", version, flags) + b"".join(sections))


def file(**contents: bytes) -> bytes:
    """The document's file with these contents of sections in place of its own, every checksum right."""
    whole = {"META": meta(), "INDX": indx(), "VALS": vals(), "HEAD": head()} | contents
    return container(*(section(name, content) for name, content in whole.items()))


def meta_with_products(products: str = '[["w",[4,8],1]]', tensors: str = TENSORS_TEXT) -> bytes:
    """Section META of version 2."""
    whole = META_TEXT.replace(TENSORS_TEXT, tensors)
    return meta(whole.replace(',"provenance"', f',"products":{products},"provenance"'))


def file_with_products(**contents: bytes) -> bytes:
    """The document's file with `PRODUCT`, and these contents of sections in place of its own."""
    whole = {"META": meta_with_products(), "INDX": indx(), "VALS": vals(), "PROD": prod(), "HEAD": head()}
    return container(*(section(name, content) for name, content in (whole | contents).items()), version=2)
