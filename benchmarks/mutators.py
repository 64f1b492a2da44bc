"""How files are broken: taken apart, changed in their bytes or in what these mean, and put together again."""

import json
import random
import struct
import zlib
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np

from edgediff.format.container import join_sections, split_sections
from edgediff.format.deflate import inflate
from edgediff.format.numbers import decode_numbers, encode_numbers

Parts = dict[str, bytes]
"""What a file's sections hold, inflated: meta, numbers, quotients, remainders, levels, codes, head; and steps
and factors, if it has products."""

# A file taken apart, and put together with lengths and checksums that are right.


def split(data: bytes) -> Parts:
    """The parts of a file; raises an exception of any kind if it has none."""
    sections = split_sections(data)
    meta, indx, vals = (sections[name] for name in ("META", "INDX", "VALS"))
    coded, unary = struct.unpack_from("<II", indx)
    levels = 3 + 2 * vals[0]
    parts = {
        "meta": inflate(meta, 1 << 20, "META"),
        "numbers": inflate(indx[8 : 8 + coded], 1 << 20, "INDX"),
        "quotients": indx[8 + coded :][:unary],
        "remainders": indx[8 + coded :][unary:],
        "levels": vals[:levels],
        "codes": inflate(vals[levels:], 1 << 20, "VALS"),
        "head": sections["HEAD"],
    }
    if (prod := sections.get("PROD")) is None:
        return parts
    steps = 4 * sum(rank for *_, rank in json.loads(parts["meta"])["products"])
    return parts | {"steps": prod[:steps], "factors": inflate(prod[steps:], 1 << 20, "PROD")}


def join(parts: Parts) -> bytes:
    """The file of `parts`, whatever they hold."""
    numbers, quotients = _deflate(parts["numbers"]), parts["quotients"]
    indx = struct.pack("<II", len(numbers), len(quotients)) + numbers + quotients + parts["remainders"]
    vals = parts["levels"] + _deflate(parts["codes"])
    prod = {"PROD": parts["steps"] + _deflate(parts["factors"])} if "steps" in parts else {}
    return join_sections(
        {"META": _deflate(parts["meta"]), "INDX": indx, "VALS": vals, **prod, "HEAD": parts["head"]}
    )


def repair(data: bytes) -> bytes:
    """The same bytes with every checksum right that can be found."""
    fixed, at = bytearray(data[:-32]), 12
    while at + 12 <= len(fixed):
        end = at + 12 + int.from_bytes(fixed[at + 4 : at + 8], "little")
        fixed[at + 8 : at + 12] = zlib.crc32(fixed[at + 12 : end]).to_bytes(4, "little")
        at = end
    return bytes(fixed) + sha256(fixed).digest()


def _deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


# Mutations of bytes, and of what they mean.

EXTREMES = [0, 1, 2, 23, 24, 25, 127, 128]
EXTREMES += [(1 << bits) + more for bits in (8, 16, 20, 22, 26, 40, 41) for more in (-1, 0, 1)]
ODDITIES: list[Any] = [
    *EXTREMES,
    -1,
    1 << 63,
    10**4000,
    [10**4000] * 8,
    1.0,
    1e308,
    float("inf"),
    float("nan"),
]
ODDITIES += [True, None, "", "\0", "\ud800", "x" * 2000, [], {}, [[1]], {"a": 1}]
TOKENS = [b'"', b"[", b"]", b"{", b"}", b",", b":", b"-", b"1e400", b"0.5", b"\\ud800", b"\\u0000", b"NaN"]
TOKENS += [b"\xff", b"\xef\xbb\xbf", bytes(8), b"9" * 5000, b"[" * 2000, b'"task":{},']


def change_bytes(rng: random.Random, data: bytes) -> bytes:
    """A few bytes flipped, set, put in, taken out, doubled or reordered."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, other, kind = rng.randint(0, len(changed)), rng.randint(0, len(changed)), rng.randrange(6)
        piece = changed[at : at + rng.choice((1, 1, 2, 8))]
        if kind == 0 and piece:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and piece:
            changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            changed[at:at] = rng.choice(TOKENS) if rng.random() < 0.2 else rng.randbytes(1)
        elif kind == 3:
            del changed[at : at + rng.choice((len(piece), len(changed)))]
        elif kind == 4:
            changed[other:other] = piece
        else:
            rng.shuffle(piece)  # keeps how many bits are set
            changed[at : at + len(piece)] = piece
    return bytes(changed)


def change_node(rng: random.Random, plain: Any) -> None:
    """Something in a tree of lists and objects set to an extreme, moved, taken out or doubled."""
    node, key = plain, rng.choice(_keys(plain))
    while isinstance(node[key], list | dict) and node[key] and rng.random() < 0.8:
        node = node[key]
        key = rng.choice(_keys(node))
    kind, other = rng.randrange(6), rng.choice(_keys(node))
    if kind == 0:
        del node[key]
    elif kind == 1 and type(node[key]) is type(node[other]) is int:
        step = min(node[key], rng.choice((1, 1, node[key])))
        node[key] -= step
        node[other] += step  # so that counts may still add up
    elif kind == 1 and type(node[key]) is int:
        node[key] += rng.choice((-1, 1))
    elif kind == 2:
        node[key], node[other] = node[other], node[key]
    elif kind == 3 and isinstance(node, list):
        node.insert(rng.randint(0, len(node)), node[key])
    elif kind == 3:
        node[rng.choice(("", "x" * 65, "answers", "text_pair", "\udfff"))] = node[key]
    else:
        node[key] = rng.choice(EXTREMES if rng.random() < 0.5 else ODDITIES)


def _keys(node: Any) -> list[Any]:
    return list(node) if isinstance(node, dict) else list(range(len(node)))


def change_meta(rng: random.Random, data: bytes) -> bytes:
    """The JSON of META with a node changed."""
    plain = json.loads(data)
    change_node(rng, plain)
    return json.dumps(plain, ensure_ascii=rng.random() < 0.8).encode(errors="surrogatepass")


def change_numbers(rng: random.Random, data: bytes) -> bytes:
    """The numbers of INDX with one changed."""
    numbers = decode_numbers(data, "INDX").tolist()
    change_node(rng, numbers)
    return encode_numbers(np.array([n for n in numbers if type(n) is int and 0 <= n < 1 << 62], np.int64))


Change = Callable[[random.Random, bytes], bytes]


def mutate(rng: random.Random, data: bytes, change: Change = change_bytes) -> bytes:
    """A file like `data`, most often wrong only in what a section holds; `change` changes bytes."""
    place = rng.random()
    try:
        parts = split(data) if place < 0.85 else None
    except Exception:  # as many kinds as there are ways in which an earlier mutation left it
        parts = None
    if parts is None:
        return change(rng, data) if place > 0.95 else repair(change(rng, data))
    weights = (3, 3, 2, 1, 0.5, 0.5, 0.5, 1, 1)[: len(parts)]
    for name in rng.choices(list(parts), weights, k=rng.choice((0, 1, 1, 1, 2, 3))):
        of_meaning = {"meta": change_meta, "numbers": change_numbers}.get(name, change)
        try:
            parts[name] = (of_meaning if rng.random() < 0.8 else change)(rng, parts[name])
        except (ValueError, TypeError, IndexError, RecursionError):  # no longer JSON or numbers
            parts[name] = change(rng, parts[name])
    return join(parts)
