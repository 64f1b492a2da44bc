"""The `.dpf` format: what is written comes back, and what breaks a rule of docs/format.md is refused."""

import hashlib
import json
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgediff import Base, Diff, Head, Task, TensorDiff, dumps, loads, read_dpf, write_dpf
from edgediff.diff import Kind
from edgediff.errors import (
    ChecksumError,
    EdgeDiffError,
    FormatError,
    LimitError,
    TruncatedError,
    VersionError,
)
from edgediff.format import inspect
from edgediff.format.classes import log2
from edgediff.format.container import join_sections, split_sections
from edgediff.format.deflate import deflate, inflate
from edgediff.format.numbers import decode_numbers, encode_numbers
from edgediff.format.positions import decode_positions, encode_positions
from edgediff.format.rice import Sets, decode_gaps, encode_gaps, gaps_of
from edgediff.pack import quantise

TASK = Task("toy", Kind.CLASSIFICATION, "text", labels=("no", "yes"))
WIDTH = 3


def make_diff(tensors, bits=4, task=TASK):
    """A packed diff of (name, shape, indices) triples with values that differ in size and sign."""
    generator = np.random.default_rng(0)
    made = tuple(
        TensorDiff(
            name,
            shape,
            np.array(indices, np.int64),
            generator.normal(size=len(indices)).astype(np.float32) + np.float32(0.01),
        )
        for name, shape, indices in tensors
    )
    head = Head(generator.normal(size=(task.outputs, WIDTH)), generator.normal(size=task.outputs))
    head = Head(head.weight.astype(np.float32), head.bias.astype(np.float32))
    base = Base("toy base", "0123456789abcdef" * 4, 1000, WIDTH)
    return quantise(Diff(base, task, made, head, {"seed": "0"}), bits)


DIFF = make_diff([("a.weight", (4, 8), [3, 4, 20]), ("b.bias", (300,), [0, 299])])


def assert_equal(found, wanted):
    assert (found.base, found.task, found.provenance) == (wanted.base, wanted.task, wanted.provenance)
    assert np.array_equal(found.head.weight, wanted.head.weight)
    assert np.array_equal(found.head.bias, wanted.head.bias)
    assert np.array_equal(found.levels, wanted.levels)
    by_name = sorted((t for t in wanted.tensors if t.nnz), key=lambda t: t.name)
    assert [(t.name, t.shape) for t in found.tensors] == [(t.name, t.shape) for t in by_name]
    for got, want in zip(found.tensors, by_name, strict=True):
        assert np.array_equal(got.indices, want.indices)
        assert np.array_equal(got.values.view(np.uint32), want.values.view(np.uint32))


@st.composite
def diffs(draw):
    tensors = {}
    for name in draw(st.sets(st.text(min_size=1, max_size=20), max_size=4)):
        shape = tuple(draw(st.lists(st.integers(1, 40), min_size=1, max_size=3)))
        indices = draw(st.sets(st.integers(0, int(np.prod(shape)) - 1), max_size=60))
        tensors[name] = (name, shape, sorted(indices))
    return make_diff(tensors.values(), bits=draw(st.integers(2, 8)))


@given(diffs())
def test_what_is_written_comes_back_to_the_bit(diff):
    data = dumps(diff)
    assert_equal(loads(data), diff)
    assert dumps(loads(data)) == data


def test_the_order_of_tensors_does_not_change_the_bytes():
    assert dumps(replace(DIFF, tensors=DIFF.tensors[::-1])) == dumps(DIFF)


DOCUMENTS_DIFF = Diff(
    Base("b", "0123456789abcdef" * 4, 32, 2),
    TASK,
    (TensorDiff("w", (4, 8), np.array([3, 4, 20]), np.array([0.5, -0.25, -0.5], np.float32)),),
    Head(np.array([[1, -0.5], [0.25, 0]], np.float32), np.array([0, 1], np.float32)),
    {},
    np.array([0.25, 0.5], np.float32),
)


def test_the_documents_file_has_the_documents_bytes():
    document = (Path(__file__).parents[1] / "docs" / "format.md").read_text("utf-8")
    section = document.split("## A file by hand")[1]
    listing, meta = (block.split("```")[0] for block in section.split("```")[1:4:2])
    shown = bytes.fromhex(
        " ".join(" ".join(re.findall(r"\b[0-9A-F]{2}\b", line[:44])) for line in listing.splitlines())
    )
    data = dumps(DOCUMENTS_DIFF)
    sections = split_sections(data)
    assert len(data) == 321
    assert inflate(sections["META"], 1 << 20, "META").decode() == meta.removeprefix("json").strip()
    skipped = data[24:][: len(sections["META"])]
    shortened = data.replace(skipped, skipped[:4] + skipped[-4:])
    assert shown == shortened[:-32] + data[-32:][:4] + data[-32:][-4:]


@st.composite
def blocky(draw):
    """A matrix whose changed entries lie in some rows and columns far more than in others, and its shape."""
    rows, columns = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    generator = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    of_rows = generator.choice(draw(st.lists(st.floats(0, 1), min_size=1, max_size=4)), rows)
    of_columns = generator.choice(draw(st.lists(st.floats(0, 1), min_size=1, max_size=4)), columns)
    return (rows, columns), np.flatnonzero(generator.random((rows, columns)) <= np.outer(of_rows, of_columns))


def test_logarithms_that_are_looked_up_are_those_that_are_computed():
    """Small numbers are looked up if no large one is among them."""
    small = np.arange(1, 1 << 13)
    assert np.array_equal(log2(small), log2(np.append(small, 1 << 40))[:-1])
    assert np.abs(log2(small) - 256 * np.log2(small)).max() <= 2


@given(st.lists(blocky(), max_size=4))
def test_positions_in_classes_come_back(matrices):
    tensors = [(shape, indices) for shape, indices in matrices if len(indices)]
    found = decode_positions(encode_positions(tensors), [(shape, len(indices)) for shape, indices in tensors])
    assert all(np.array_equal(got, want) for got, (_, want) in zip(found, tensors, strict=True))


def test_whole_rows_and_columns_cost_next_to_nothing():
    mask = np.zeros((400, 300), np.bool_)
    mask[::20] = mask[:, ::30] = True
    indices = np.flatnonzero(mask)
    assert 8 * len(encode_positions([(mask.shape, indices)])) < 0.06 * len(indices)


def test_evenly_scattered_positions_cost_no_more_than_a_plain_rice_code():
    generator = np.random.default_rng(0)
    indices = np.sort(generator.choice(1 << 20, 5000, replace=False))
    gaps = gaps_of(indices)
    plain = min(len(gaps) * k + int((gaps >> k).sum()) + len(gaps) for k in range(20))
    assert 8 * len(encode_positions([((1024, 1024), indices)])) < 1.01 * plain + 200


@given(st.integers(1, 1 << 40), st.data())
def test_the_rice_parameter_is_the_largest_that_the_rule_allows(universe, data):
    size = data.draw(st.integers(0, universe))
    (k,) = Sets(np.array([universe]), np.array([size])).rice_parameter.tolist()
    written = min(size, universe - size)
    if written:
        allowed = [0, *(j for j in range(1, 60) if 133 * written * 2**j < 64 * (2 * universe - written))]
        assert k == max(allowed)


@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(14, 39)), max_size=100))
def test_gaps_of_any_parameters_come_back(pairs):
    gaps, parameters = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    assert np.array_equal(decode_gaps(*encode_gaps(gaps, parameters), parameters), gaps)


@given(st.lists(st.integers(0, (1 << 42) - 1)))
def test_numbers_come_back(numbers):
    assert decode_numbers(encode_numbers(np.array(numbers, np.int64)), "INDX").tolist() == numbers


def test_a_diff_that_is_not_packed_is_not_written(tmp_path):
    raw = replace(DIFF, levels=None)
    off_levels = replace(DIFF, tensors=(replace(DIFF.tensors[0], values=DIFF.tensors[0].values * 1.01),))
    no_half = replace(DIFF, levels=DIFF.levels * np.float32(1.0001))
    full_head = replace(DIFF, head=replace(DIFF.head, weight=DIFF.head.weight * np.float32(0.3)))
    misfit = replace(DIFF, tensors=(*DIFF.tensors, DIFF.tensors[0]))
    scalar = replace(DIFF, tensors=(replace(DIFF.tensors[1], shape=()),))
    for diff, message in (
        (raw, "has no levels"),
        (off_levels, "none of its levels"),
        (no_half, "in half precision"),
        (full_head, "head is not"),
        (misfit, "occurs twice"),
        (scalar, "inside"),
        (replace(DIFF, provenance={"seed": "x" * 1025}), "at most 64 and 1024"),
        (replace(DIFF, base=replace(DIFF.base, name="\ud800")), "no text that UTF-8 can hold"),
    ):
        with pytest.raises(EdgeDiffError, match=message):
            write_dpf(tmp_path / "x.dpf", diff)
    assert list(tmp_path.iterdir()) == []


def test_every_shortened_file_is_refused():
    data = dumps(DIFF)
    for size in range(len(data)):
        with pytest.raises(FormatError):
            loads(data[:size])


def test_every_flipped_bit_is_noticed():
    data = dumps(DIFF)
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FormatError):
            loads(bytes(changed))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", TruncatedError, "the file has 0 bytes, a header alone has 12"),
        (b"PK\x03\x04 a zip file", FormatError, "not a .dpf file: it begins with 50 4b"),
        (dumps(DIFF)[:9], TruncatedError, "a header alone has 12"),
        (dumps(DIFF)[:8] + b"\3\0" + dumps(DIFF)[10:], VersionError, "of version 3, this reader knows"),
        (dumps(DIFF)[:10] + b"\0\x80" + dumps(DIFF)[12:], VersionError, "flags is 0x8000"),
        (dumps(DIFF).replace(b"INDX", b"TIER"), VersionError, "section b'TIER' stands where"),
        (dumps(DIFF)[:-32] + b"\0" + dumps(DIFF)[-32:], TruncatedError, "1 bytes stand between"),
        (dumps(DIFF)[:-32] + bytes(32), ChecksumError, "SHA-256"),
    ],
)
def test_a_damaged_container_is_refused(data, error, message):
    with pytest.raises(error, match=message):
        loads(data)


def test_a_length_beyond_the_file_is_refused_before_memory_is_taken():
    data = bytearray(dumps(DIFF))
    data[16:20] = struct.pack("<I", 0xFFFFFFFF)
    with pytest.raises(TruncatedError, match=r"META claims 4294967295 bytes, \d+ are left"):
        loads(bytes(data))


def rebuilt(**changes):
    """A file of DIFF with some sections replaced and all checksums right."""
    return join_sections(split_sections(dumps(DIFF)) | changes)


def with_meta(change):
    """A file whose META has been through `change`, a function of its JSON object."""
    plain = json.loads(zlib.decompress(split_sections(dumps(DIFF))["META"], -15))
    change(plain)
    return rebuilt(META=deflate(json.dumps(plain).encode()))


def indx(numbers):
    """A replaced INDX with these numbers and the quotients and remainders of DIFF."""
    found = split_sections(dumps(DIFF))["INDX"]
    count, unary = struct.unpack_from("<II", found)
    coded = deflate(encode_numbers(np.array(numbers)))
    return {"INDX": struct.pack("<II", len(coded), unary) + coded + found[8 + count :]}


def vals(levels, codes, after=b""):
    """A replaced VALS."""
    return {"VALS": bytes([len(levels) - 1]) + np.array(levels, "<f2").tobytes() + deflate(codes) + after}


def put(*path_and_value):
    """Assign a value at a path inside a plain structure."""
    *path, last, value = path_and_value

    def change(plain):
        for key in path:
            plain = plain[key]
        plain[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("extra", 1), "expected an object with the fields base, head"),
        (put("head", 3), "the head has 3 rows, the task needs 2"),
        (put("head", "2"), "head is '2', expected int"),
        (put("base", "fingerprint", "XYZ"), "not 64 hexadecimal digits"),
        (put("base", "width", 0), "head width 0"),
        (put("task", "kind", "poem"), "kind is 'poem', expected one of"),
        (put("provenance", "seed", 3), "'seed' is not a text"),
        (put("tensors", 0, 0, ""), "name has 0 characters"),
        (put("tensors", 0, 0, "x" * 513), "name has 513 characters"),
        (put("tensors", 0, 0, "b.bias"), "not in strictly ascending order"),
        (put("tensors", 0, 1, []), "is no shape"),
        (put("tensors", 0, 1, [4, -8]), "is no shape"),
        (put("tensors", 0, 1, [1 << 63, 1 << 63]), "has more than 1099511627776 entries"),
        (put("tensors", 0, 1, [4, 4]), "section INDX"),
        (put("tensors", 0, 2, 33), "33 changed of 32"),
        (put("tensors", 0, 2, 0), "0 changed of 32"),
        (put("tensors", 0, 2, 4), "holds 5 codes, the tensors have 6"),
        (put("tensors", 0, 2, 3.0), r"is not \[name, shape, nnz\]"),
        (put("tensors", 0, 2, float("nan")), "not UTF-8 JSON: NaN is not a number"),
        (put("tensors", 1, 1, [1 << 40]), "section INDX"),
    ],
)
def test_metadata_that_breaks_a_rule_is_refused(change, message):
    with pytest.raises(FormatError, match=message):
        loads(with_meta(change))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"META": deflate(b"[" * 100_000)}, FormatError, "not UTF-8 JSON"),
        ({"META": deflate(b"\xff")}, FormatError, "not UTF-8 JSON"),
        ({"META": deflate(bytes(10_000_000))}, FormatError, "inflates to more than the 1048576 bytes"),
        ({"META": b"\xff\xff"}, FormatError, "META is not a deflate stream"),
        ({"INDX": b""}, TruncatedError, "INDX has 0 bytes"),
        ({"INDX": struct.pack("<II", 9, 0)}, TruncatedError, "its numbers claim 9"),
        (indx([1, 1, 3, 1, 1]), TruncatedError, "tensor 1 needs more"),
        (indx([1, 1, 3, 1, 1, 2, 0]), TruncatedError, "1 numbers after"),
        (indx([0, 1, 3, 1, 1, 2]), FormatError, "tensor 0: 0 classes for an axis of 4"),
        (indx([5, 1, 3, 1, 1, 2]), FormatError, "tensor 0: 5 classes for an axis of 4"),
        (indx([2, 1, 4, 0, 3, 1, 1, 2]), FormatError, "a class without a row"),
        (indx([2, 1, 0, 0, 3, 1, 1, 2]), FormatError, "a class without a row"),
        (indx([1, 1, 2, 1, 1, 3]), FormatError, "its blocks hold 2 entries, META states 3"),
        (indx([1, 4, 1, 1, 1, 0, 0, 3, 0, 1, 1, 2]), FormatError, "quotients"),
        (
            indx([4, 8, 1, 1, 1, *[1] * 7, 3, *[0] * 31, 1, 1, 2]),
            FormatError,
            "more entries than it has places",
        ),
        ({"VALS": b""}, TruncatedError, "VALS has 0 bytes"),
        ({"VALS": b"\x80" + bytes(400)}, FormatError, "has 129 levels"),
        (vals([1.0], bytes(4)), TruncatedError, "holds 4 codes, the tensors have 5"),
        (vals([1.0], bytes(6)), FormatError, "inflates to more than the 5 bytes"),
        (vals([1.0], bytes(5), b"\0"), FormatError, "not exactly one whole deflate stream"),
        (vals([1.0, 2.0], b"\4\0\0\0\0"), FormatError, "holds the code 4"),
        (vals([2.0, 1.0], bytes(5)), FormatError, "strictly ascending"),
        (vals([1.0, 1.0], bytes(5)), FormatError, "strictly ascending"),
        (vals([-0.0], bytes(5)), FormatError, "above zero"),
        (vals([float("nan")], bytes(5)), FormatError, "finite"),
        ({"HEAD": bytes(17)}, FormatError, "HEAD has 17 bytes, 2 rows of 3 need 16"),
        ({"HEAD": b"\1\0" + bytes(14)}, FormatError, "not the smallest"),
        ({"HEAD": b"\0\0\x80" + bytes(13)}, FormatError, "code -128"),
        ({"HEAD": b"\x79\0\x7f" + bytes(13)}, FormatError, "exponent outside"),
        ({"HEAD": bytes(12) + b"\0\0\xc0\x7f"}, FormatError, "not finite"),
    ],
)
def test_a_section_that_breaks_a_rule_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        loads(rebuilt(**changes))


def test_more_tensors_than_the_limit_are_refused():
    many = [[f"{number:04}", [1], 1] for number in range(4097)]
    with pytest.raises(LimitError, match="META has 4097 tensors, at most 4096"):
        loads(with_meta(put("tensors", many)))


def test_a_file_larger_than_the_limit_is_not_even_read(tmp_path):
    with (tmp_path / "huge.dpf").open("wb") as file:
        file.truncate(1 << 40)
    for read in (read_dpf, inspect):
        with pytest.raises(LimitError, match=r"bytes, the format allows 67108864"):
            read(tmp_path / "huge.dpf")


def test_errors_name_the_file(tmp_path):
    (tmp_path / "bad.dpf").write_bytes(b"text")
    for read in (read_dpf, inspect):
        with pytest.raises(FormatError, match=r"bad\.dpf: not a \.dpf file"):
            read(tmp_path / "bad.dpf")
    with pytest.raises(FormatError, match=r"cannot read .*missing\.dpf: No such file"):
        read_dpf(tmp_path / "missing.dpf")


def test_inspect_accounts_for_every_byte(tmp_path):
    write_dpf(tmp_path / "toy.dpf", DIFF)
    found = inspect(tmp_path / "toy.dpf")
    data = (tmp_path / "toy.dpf").read_bytes()
    sections = {name: len(content) for name, content in split_sections(data).items()}
    assert found["file_bytes"] == len(data) == 12 + 4 * 12 + sum(sections.values()) + 32
    assert data[-32:] == hashlib.sha256(data[:-32]).digest()
    assert (found["head_bytes"], found["metadata_bytes"]) == (sections["HEAD"], sections["META"])
    assert found["bits_per_index"] == pytest.approx(8 * sections["INDX"] / 5, abs=1e-3)
    assert [t["nnz"] for t in found["tensors"]] == [3, 2]
