"""A manifest is not believed: each field that could lead astray is one sentence, in every mode."""

import json
import shutil

import pytest

from edgediff.errors import BundleError
from edgediff.format.bundle import map_weights, read_manifest
from edgediff.runtime import open_base

GONE = object()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("pooled",), GONE, "the manifest: expected an object with the fields base, "),
        (("note",), "new", "the manifest: expected an object with the fields base, "),
        (("max_length",), "x", "the manifest: max_length is 'x', expected int"),
        (("max_length",), 0, "max_length is 0, expected 1 or more"),
        (("max_length",), True, "the manifest: max_length is True, expected int"),
        (("pooled",), "mean", "pooled is 'mean', expected one of pooler, first_token"),
        (
            ("inputs",),
            ["input_ids", "pixels"],
            "inputs is ['input_ids', 'pixels'], expected a part of input_ids",
        ),
        (("inputs",), ["attention_mask"], "inputs is ['attention_mask'], expected a part of"),
        (("inputs",), ["input_ids", "input_ids"], "inputs is ['input_ids', 'input_ids'], expected a part of"),
        (("base", "fingerprint"), 5, "base: fingerprint is 5, expected str"),
        (("base", "fingerprint"), "5", "base: the fingerprint is not 64 hexadecimal digits"),
        (("base", "parameters"), 7, "numbers, the base 7"),
        (("files", "model.onnx"), GONE, "files lacks model.onnx"),
        (("files", "model.onnx", "sha256"), None, "files, model.onnx: sha256 is None, expected str"),
        (("parameters", 3, "shape"), [7], "parameter 3: length is"),
        (("parameters", 3, "shape"), [], "parameter 3: [] is no shape"),
        (("parameters", 3, "offset"), 1 << 40, "parameter 3: offset is 1099511627776, and weights.bin has"),
        (("parameters", 3, "offset"), 2, "parameter 3: offset is 2, and weights.bin has"),
        (("parameters", 3, "offset"), -4, "parameter 3: offset is -4, and weights.bin has"),
        (("parameters", 3, "name"), "z", "the parameters are not in strictly ascending order"),
        (("parameters", 0, "transposed"), True, "parameter 0: transposed, which only a matrix can be"),
        (("parameters", 3, "initializer"), GONE, "parameter 3: expected an object with the fields name, "),
        (("parameters",), {}, "the manifest: parameters is {}, expected list"),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused(path, value, message, tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "base")
    plain = json.loads((tmp_path / "base" / "base.json").read_text("utf-8"))
    inner = plain
    for key in path[:-1]:
        inner = inner[key]
    if value is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    (tmp_path / "base" / "base.json").write_text(json.dumps(plain))
    with pytest.raises(BundleError) as caught:
        read_manifest(tmp_path / "base")
    assert message in str(caught.value)
    assert str(caught.value).startswith(
        f"{tmp_path / 'base' / 'base.json'} is no manifest that can be read: "
    )
    for mode in ("auto", "session"):
        with pytest.raises(BundleError):
            open_base(tmp_path / "base", mode=mode, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", "[" * 100_000, '{"format_version": 1, "base": NaN}', "\ud800"]
)
def test_what_is_no_manifest_is_refused(text, tiny_base, tmp_path):
    shutil.copytree(tiny_base, tmp_path / "base")
    (tmp_path / "base" / "base.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BundleError, match=r"base\.json is no manifest that can be read: "):
        read_manifest(tmp_path / "base")


def test_weights_that_cannot_be_mapped_are_one_sentence(tmp_path):
    with pytest.raises(BundleError, match=r"weights\.bin cannot be read: No such file or directory"):
        map_weights(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"")
    with pytest.raises(BundleError, match=r"weights\.bin cannot be read: cannot mmap an empty file"):
        map_weights(tmp_path)
