"""The `.dpf` format: what is written comes back, and what breaks a rule of docs/format.md is refused."""

import hashlib
import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgediff import Base, Diff, Head, Task, TensorDiff, dumps, loads, read_dpf, write_dpf
from edgediff.diff import Kind
from edgediff.errors import (
    ChecksumError,
    FormatError,
    LimitError,
    SettingError,
    TruncatedError,
    VersionError,
)
from edgediff.format import inspect, rice
from edgediff.format.container import join_sections, split_sections
from edgediff.format.dpf import SECTIONS
from edgediff.format.values import deflate
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
    by_name = sorted((t for t in wanted.tensors if t.nnz), key=lambda t: t.name)
    assert [(t.name, t.shape, t.grid) for t in found.tensors] == [(t.name, t.shape, t.grid) for t in by_name]
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


def test_the_documents_small_file_has_the_documents_bytes():
    diff = make_diff([("a", (4, 8), [3, 4, 20])])
    sections = split_sections(dumps(diff), SECTIONS)
    assert rice.best_rice_parameter(rice.gaps_of(np.array([3, 4, 20]))) == 2
    assert sections["INDX"].hex(" ").upper() == "01 00 00 00 C4 CC"


@given(st.sets(st.integers(0, 1 << 40), min_size=1, max_size=200), st.integers(0, 31))
def test_gaps_survive_any_rice_parameter_that_keeps_quotients_short(positions, k):
    gaps = rice.gaps_of(np.array(sorted(positions)))
    gaps = np.minimum(gaps, (1 << k) * 50)
    quotients = rice.decode_unary(rice.encode_unary(gaps >> k), len(gaps))
    remainders = rice.decode_remainders(rice.encode_remainders(gaps, k), len(gaps), k)
    assert np.array_equal((quotients << k) + remainders, gaps)


@given(st.lists(st.integers(0, 1 << 20), min_size=1, max_size=50))
def test_the_chosen_rice_parameter_is_the_best_of_all(gaps):
    gaps = np.array(gaps)
    sizes = [len(gaps) * k + int((gaps >> k).sum()) for k in range(32)]
    assert sizes[rice.best_rice_parameter(gaps)] == min(sizes)


def test_a_diff_that_is_not_packed_is_not_written(tmp_path):
    raw = replace(DIFF, tensors=(replace(DIFF.tensors[0], grid=None),))
    off_grid = replace(DIFF, tensors=(replace(DIFF.tensors[0], values=DIFF.tensors[0].values * 1.01),))
    full_head = replace(DIFF, head=replace(DIFF.head, bias=np.array([0.1, 1e-3], np.float32)))
    for diff, message in ((raw, "is not quantised"), (off_grid, "off its grid"), (full_head, "head is not")):
        with pytest.raises(SettingError, match=message):
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
        (b"", FormatError, "it begins with nothing"),
        (b"PK\x03\x04 a zip file", FormatError, "not a .dpf file: it begins with 50 4b"),
        (dumps(DIFF)[:9], TruncatedError, "a header alone has 12"),
        (dumps(DIFF)[:8] + b"\2\0" + dumps(DIFF)[10:], VersionError, "of version 2, this reader knows"),
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
    return join_sections(split_sections(dumps(DIFF), SECTIONS) | changes)


def with_meta(change):
    """A file whose META has been through `change`, a function of its JSON object."""
    plain = json.loads(zlib.decompress(split_sections(dumps(DIFF), SECTIONS)["META"], -15))
    change(plain)
    return rebuilt(META=deflate(json.dumps(plain).encode()))


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
        (put("provenance", "seed", 3), "a value is not a text"),
        (put("tensors", 0, 0, ""), "name has 0 characters"),
        (put("tensors", 0, 0, "x" * 513), "name has 513 characters"),
        (put("tensors", 0, 0, "b.bias"), "not in strictly ascending order"),
        (put("tensors", 0, 1, []), "is no shape"),
        (put("tensors", 0, 1, [4, -8]), "is no shape"),
        (put("tensors", 0, 1, [1 << 63, 1 << 63]), "changed of"),
        (put("tensors", 0, 1, [4, 4]), r"index 20 lies outside its shape \(4, 4\)"),
        (put("tensors", 0, 2, 33), "33 changed of 32"),
        (put("tensors", 0, 2, 0), "0 changed of 32"),
        (put("tensors", 1, 2, 300), "too few for 303 entries"),
        (put("tensors", 0, 2, 4), "holds 5 quotients, the tensors have 6"),
        (put("tensors", 0, 3, 32), "rice_parameter is 32"),
        (put("tensors", 0, 4, 9), "bits is 9"),
        (put("tensors", 0, 5, -0.0), "expected 0 < low <= high"),
        (put("tensors", 0, 6, 1e400), "not UTF-8 JSON"),
        (put("tensors", 0, 6, 1), r"is not \[name, shape"),
        (put("tensors", 0, 6, float("nan")), "not UTF-8 JSON: NaN is not a number"),
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
        ({"INDX": b"\xff\xff\xff\xff\0"}, TruncatedError, "unary stream claims 4294967295"),
        ({"INDX": b"\x02\0\0\0\xff\0"}, FormatError, "holds 8 quotients"),
        ({"INDX": b"\x03\0\0\0\xf8\0\0\xcc"}, FormatError, "19 bits after its last quotient"),
        ({"VALS": deflate(bytes(4))}, TruncatedError, "holds 4 codes, the tensors have 5"),
        ({"VALS": deflate(bytes(6))}, FormatError, "inflates to more than the 5 bytes"),
        ({"VALS": deflate(bytes(5)) + b"\0"}, FormatError, "not exactly one whole deflate stream"),
        ({"VALS": deflate(b"\x10\0\0\0\0")}, FormatError, "code 16, a tensor has 4 bits"),
        ({"HEAD": bytes(18)}, FormatError, "HEAD has 18 bytes, 2 rows of 3 need 16"),
        ({"HEAD": bytes(14) + b"\0\x7e"}, FormatError, "not finite"),
    ],
)
def test_a_section_that_breaks_a_rule_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        loads(rebuilt(**changes))


def test_a_file_larger_than_the_limit_is_not_even_read(tmp_path):
    with (tmp_path / "huge.dpf").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(LimitError, match=r"has 1099511627776 bytes, a \.dpf file has at most 67108864"):
        read_dpf(tmp_path / "huge.dpf")


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
    sections = {name: len(content) for name, content in split_sections(data, SECTIONS).items()}
    assert found["file_bytes"] == len(data) == 12 + 4 * 12 + sum(sections.values()) + 32
    assert data[-32:] == hashlib.sha256(data[:-32]).digest()
    assert (found["head_bytes"], found["metadata_bytes"]) == (sections["HEAD"], sections["META"])
    assert found["bits_per_index"] == pytest.approx(8 * sections["INDX"] / 5, abs=1e-3)
    assert [t["nnz"] for t in found["tensors"]] == [3, 2]
