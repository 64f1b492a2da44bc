"""The reader under attack: a slice of benchmarks/fuzz.py, and files made to overflow it or to fill memory."""

import json
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from edgediff import FormatError, loads
from edgediff.format.container import join_sections
from edgediff.format.deflate import deflate
from edgediff.format.numbers import encode_numbers
from edgediff.format.rice import decode_gaps

ONE_BIT = b"\x80"  # the quotient 0


def attack(tensors, numbers=(), quotients=b"", remainders=b"", base=(), provenance=()):
    """A file of a regression task with right checksums, its values all 0.25, its head zero."""
    meta = {
        "base": {"fingerprint": "0" * 64, "name": "b", "parameters": 32, "width": 1} | dict(base),
        "head": 1,
        "provenance": dict(provenance),
        "task": {"kind": "regression", "name": "t", "text": "x"},
        "tensors": tensors,
    }
    coded = deflate(encode_numbers(np.array(numbers, np.int64)))
    return join_sections(
        {
            "META": deflate(json.dumps(meta).encode()),
            "INDX": struct.pack("<II", len(coded), len(quotients)) + coded + quotients + remainders,
            "VALS": b"\0\0\x34" + deflate(bytes(sum(nnz for *_, nnz in tensors))),
            "HEAD": bytes(6),
        }
    )


def test_mutated_files_load_or_are_refused_with_a_format_error(tmp_path):
    command = [sys.executable, "-m", "benchmarks.fuzz", "--files", "2000", "--failures", tmp_path]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for outcome in ("loads", "FormatError", "TruncatedError", "VersionError", "ChecksumError"):
        assert outcome in done.stdout


def test_the_file_that_the_attacks_change_loads():
    diff = loads(attack([["w", [1 << 40], 1]], [1, 1, 1], ONE_BIT, b"\xff\xff\xff\xff\xfe"))
    assert diff.tensors[0].indices.tolist() == [(1 << 39) - 1]


@pytest.mark.parametrize("quotient", [1 << 24, 1 << 25])
def test_a_gap_that_overflows_64_bits_is_refused(quotient):
    """Shifted by 39, the first is below zero in 64 bits, the second zero."""
    quotients = bytes(quotient // 8) + ONE_BIT
    with pytest.raises(FormatError, match="quotients, too many for its sets"):
        loads(attack([["w", [1 << 40], 1]], [1, 1, 1], quotients, bytes(5)))
    with pytest.raises(FormatError, match="beyond any universe"):
        decode_gaps(quotients, bytes(5), np.array([39]))


@pytest.mark.parametrize("quotients", [b"\0", b"\xff"])
def test_quotients_of_no_set_take_no_memory(quotients):
    data = attack([], (), quotients * (1 << 20))
    tracemalloc.start()
    with pytest.raises(FormatError, match="quotients, too many for its sets"):
        loads(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * len(data)


def test_quotients_are_counted_before_their_places_are_kept():
    tracemalloc.start()
    with pytest.raises(FormatError, match="holds 8388608 quotients, its sets have 1"):
        decode_gaps(b"\xff" * (1 << 20), b"", np.array([0]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_shape_of_more_entries_than_python_prints_is_refused():
    with pytest.raises(FormatError, match="has more than 1099511627776 entries"):
        loads(attack([["w", [10**4000, 10**4000], 1]]))


@pytest.mark.parametrize(
    "changes",
    [
        {"tensors": [["w\ud800", [8], 1]]},
        {"tensors": [["w", [8], 1]], "base": {"name": "\udfff"}},
        {"tensors": [["w", [8], 1]], "provenance": {"\udfff": "x"}},
        {"tensors": [["w", [8], 1]], "provenance": {"x": "\udfff\ud800"}},
    ],
)
def test_half_a_surrogate_pair_is_no_text(changes):
    with pytest.raises(FormatError, match="surrogates not allowed"):
        loads(attack(numbers=[1, 1, 1], quotients=ONE_BIT, remainders=b"\0", **changes))
