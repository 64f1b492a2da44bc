"""The test vectors of the `.dpf` format: what readers in every language are held to, held to themselves."""

import base64
import json
import re
import subprocess
import sys
import zlib
from dataclasses import asdict
from pathlib import Path

import pytest
import reference_reader
from jsonschema import Draft202012Validator

from edgediff import dumps, loads
from edgediff.errors import FormatError

ROOT = Path(__file__).parents[1]
SCHEMA = json.loads((ROOT / "tests" / "vectors" / "schema.json").read_text("utf-8"))
FILES = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in sorted((ROOT / "tests" / "vectors").glob("*.json"))
    if path.stem != "schema"
}
VECTORS = [vector for vectors in FILES.values() for vector in vectors]
VALID = [vector for vector in VECTORS if vector["valid"]]
INVALID = [vector for vector in VECTORS if not vector["valid"]]

only_zlib = pytest.mark.skipif("ng" in zlib.ZLIB_RUNTIME_VERSION, reason="zlib-ng deflates to other bytes")


def each(vectors):
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector["id"])


def data_of(vector):
    return base64.b64decode(vector["data"], validate=True)


def content_of(diff):
    """A diff as plain values, as the content of a vector is."""
    return {
        "base": asdict(diff.base),
        "task": diff.task.to_dict(),
        "provenance": diff.provenance,
        "levels": diff.levels.tolist(),
        "tensors": [
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "indices": tensor.indices.tolist(),
                "values": tensor.values.tolist(),
            }
            for tensor in diff.tensors
        ],
        **({"products": list(map(product_of, diff.products))} if diff.products else {}),
        "head": {"weight": diff.head.weight.tolist(), "bias": diff.head.bias.tolist()},
    }


def product_of(product):
    factors = {"left": product.left.tolist(), "right": product.right.tolist()}
    return {"name": product.name, "shape": list(product.shape)} | factors


@pytest.mark.parametrize("name", FILES)
def test_a_vector_file_is_as_the_schema_has_it(name):
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(FILES[name])


def test_no_two_vectors_have_one_id_or_the_bytes_of_another():
    assert len({vector["id"] for vector in VECTORS}) == len(VECTORS)
    assert len({vector["data"] for vector in VECTORS}) == len(VECTORS)


def test_at_least_half_of_the_vectors_must_fail():
    assert len(VECTORS) >= 80
    assert 2 * len(INVALID) >= len(VECTORS)


def test_each_clause_is_a_heading_of_the_document():
    headings = re.findall("^## (.+)$", (ROOT / "docs" / "format.md").read_text("utf-8"), re.MULTILINE)
    assert {vector["clause"] for vector in INVALID} <= set(headings)


@only_zlib
def test_the_shipped_vectors_are_those_that_the_script_makes():
    command = [sys.executable, str(ROOT / "scripts" / "make_vectors.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@each(VALID)
def test_a_valid_file_holds_its_content(vector):
    assert content_of(loads(data_of(vector))) == vector["content"]


@each(INVALID)
def test_an_invalid_file_is_refused_with_its_error(vector):
    with pytest.raises(FormatError) as caught:
        loads(data_of(vector))
    assert type(caught.value).__name__ == vector["error"]


@only_zlib
@each(FILES["valid"])
def test_a_file_of_edgediff_is_written_again_byte_for_byte(vector):
    assert dumps(loads(data_of(vector))) == data_of(vector)


@each(VALID)
def test_the_reference_reader_finds_the_same_content(vector):
    assert reference_reader.read(data_of(vector)) == vector["content"]


@each(INVALID)
def test_the_reference_reader_refuses_with_the_same_error(vector):
    with pytest.raises(reference_reader.Refused) as caught:
        reference_reader.read(data_of(vector))
    assert caught.value.kind == vector["error"]
