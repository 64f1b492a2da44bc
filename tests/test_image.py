"""The image of a base, and where its parameters lie in it."""

import random

import numpy as np
import onnx
import pytest
from conftest import ARCHITECTURES
from hypothesis import given
from hypothesis import strategies as st

from edgediff.errors import BundleError
from edgediff.export import export
from edgediff.format.bundle import MODEL_FILE, read_manifest
from edgediff.runtime.image import IMAGE_FILE, UnsureError, base_values, build_image, read_image
from edgediff.runtime.initializers import read_initializers
from edgediff.runtime.places import find_places


@pytest.fixture(scope="module")
def image(tiny_base, tmp_path_factory):
    return build_image(tiny_base, tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def model(image):
    return (image.folder / MODEL_FILE).read_bytes()


def _as_onnx_reads(model):
    """Name, type, offset, length and packed copies, read with the package onnx."""
    found = []
    for tensor in onnx.load_from_string(model).graph.initializer:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        if entries:
            packed = [
                tuple(int(number) for number in blob.split(";")[:2])
                for key, value in entries.items()
                if key.startswith("prepacked")
                for blob in value.split("|")[1:]
            ]
            stretch = int(entries["offset"]), int(entries["length"])
            found.append((tensor.name, tensor.data_type, *stretch, tuple(packed)))
    return found


def test_initializers_are_those_that_the_package_onnx_reads(model):
    found = [(i.name, i.data_type, i.offset, i.length, i.packed) for i in read_initializers(model)]
    assert found == _as_onnx_reads(model)
    assert any(packed for *_, packed in found)


def test_a_model_without_external_data_has_no_such_initializers():
    assert read_initializers(b"") == []
    tensor = onnx.numpy_helper.from_array(np.ones(3, np.float32), "ones")
    graph = onnx.helper.make_graph([], "graph", [], [], [tensor])
    assert read_initializers(onnx.helper.make_model(graph).SerializeToString()) == []


def _read_or_refuse(data):
    try:
        return read_initializers(data)
    except BundleError:
        return None


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    _read_or_refuse(data)


def test_a_model_cut_short_or_garbled_is_read_or_refused(model):
    choose = random.Random(0)
    for _ in range(100):
        _read_or_refuse(model[: choose.randrange(len(model))])
        garbled = bytearray(model)
        for _ in range(choose.randint(1, 5)):
            garbled[choose.randrange(len(garbled))] = choose.randrange(256)
        _read_or_refuse(bytes(garbled))
    assert _read_or_refuse(model[:-1]) is None


@pytest.mark.parametrize("text", [b"\x3a" + b"\xff" * 100_000, b"\x3a\x05abc", b"\x3b", b"\x3a\x02\x2a\x09"])
def test_a_number_without_end_a_length_beyond_the_end_and_a_strange_field_are_refused(text):
    with pytest.raises(BundleError, match="the optimised model cannot be read"):
        read_initializers(text)


def test_a_base_whose_parameters_the_optimiser_computes_with_beforehand_is_unsure(tiny_model, tmp_path):
    export(tiny_model("deberta-v2"), tmp_path / "base")  # it normalises its table of relative positions
    (tmp_path / "image").mkdir()
    image = build_image(tmp_path / "base", tmp_path / "image")
    with pytest.raises(UnsureError, match="does not hold parameters as they are"):
        find_places(tmp_path / "base", read_manifest(tmp_path / "base"), image)


@pytest.mark.parametrize("architecture", sorted({*ARCHITECTURES} - {"deberta-v2"}))
def test_every_element_of_every_parameter_is_found_once(architecture, tiny_model, tmp_path):
    export(tiny_model(architecture), tmp_path / "base")
    manifest = read_manifest(tmp_path / "base")
    (tmp_path / "image").mkdir()
    image = build_image(tmp_path / "base", tmp_path / "image")
    places = find_places(tmp_path / "base", manifest, image)
    assert sorted(path.name for path in image.folder.iterdir()) == [IMAGE_FILE, MODEL_FILE]
    floats, seen = image.floats(), []
    for name, value in base_values(tmp_path / "base", manifest).items():
        found = places.find(name, np.arange(value.size))
        assert np.array_equal(floats[found].view(np.uint32), value.reshape(-1).view(np.uint32)), name
        seen.append(found)
    together = np.concatenate(seen)
    assert len(np.unique(together)) == len(together) == manifest.base.parameters


def test_an_image_whose_parameters_have_other_values_than_the_base_is_unsure(tiny_base, tmp_path):
    manifest = read_manifest(tiny_base)
    image = build_image(tiny_base, tmp_path)
    held = np.memmap(tmp_path / IMAGE_FILE, "<f4", "r+")
    held[find_places(tiny_base, manifest, image).find(manifest.parameters[0].name, np.array([5]))] += 1
    with pytest.raises(UnsureError, match="has other values in the image than in the base"):
        find_places(tiny_base, manifest, image)


def test_an_image_that_ends_too_early_is_refused(tiny_base, tmp_path):
    build_image(tiny_base, tmp_path)
    size = (tmp_path / IMAGE_FILE).stat().st_size
    with (tmp_path / IMAGE_FILE).open("r+b") as file:
        file.truncate(size - 4096)
    with pytest.raises(BundleError, match=r"image\.bin ends too early"):
        read_image(tmp_path)


def test_an_image_that_is_missing_is_refused(tmp_path):
    with pytest.raises(BundleError, match="holds no image"):
        read_image(tmp_path)
