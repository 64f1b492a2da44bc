"""A run for a size or a number of bits packs to it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import LEARNING, LEARNT, ONE_ROW, QUICK, train_on

from edgediff.diff import Head
from edgediff.encoder import load_encoder
from edgediff.errors import RunError, SettingError
from edgediff.format import read_run
from edgediff.pack import pack
from edgediff.runtime import eval
from edgediff.score import load_task
from edgediff.train import Method, Shape
from edgediff.train.cut import Cut

SIZED = replace(QUICK, density=None)


@pytest.mark.parametrize(
    ("method", "shape", "size"),
    [
        ("structured", "entry", 1500),
        ("early", "entry", 4000),
        ("early", "row", 2500),
        ("early", "auto", 3000),
        ("early-low-rank", "entry", 4000),
        ("early-low-rank", "auto", 4000),
        ("magnitude", "entry", 2500),
        ("magnitude", "row", 4000),
        ("magnitude", "auto", 4000),
        ("fisher", "entry", 2500),
    ],
)
def test_a_run_for_a_size_packs_into_it_and_fills_it(method, shape, size, tiny_model, tiny_task, tmp_path):
    # In a few steps from 0 all values move alike, and take fewer bits than those of a real run.
    settings = replace(SIZED, method=Method(method), shape=Shape(shape), size=size, epochs=10)
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    packed = pack(tmp_path / "run", tmp_path / "given.dpf", max_bytes=size)
    # Rounding differs between processes of one machine, and with it which rows, large steps here, fit in.
    kept, filled = (0.9, 0.75) if settings.shape is Shape.ENTRY else (0.7, 0.6)
    if settings.method is Method.EARLY_LOW_RANK and settings.shape is not Shape.ENTRY:
        kept = 0.6  # fewer rows beside products: an entry out of one leaves it no free positions
    assert packed.nnz >= kept * record["nnz"]  # or the score was that of another diff
    assert filled * size <= (tmp_path / "given.dpf").stat().st_size <= size
    pack(tmp_path / "run", tmp_path / "own.dpf")  # the run's own size
    assert (tmp_path / "own.dpf").read_bytes() == (tmp_path / "given.dpf").read_bytes()
    pack(tmp_path / "run", tmp_path / "less.dpf", max_bytes=size - 300)
    assert (tmp_path / "less.dpf").stat().st_size <= size - 300


def test_a_size_that_does_not_hold_the_head_is_refused_before_anything_is_written(
    tiny_model, tiny_task, tmp_path
):
    with pytest.raises(SettingError, match=r"size is 200 bytes, a file without any entry needs \d+$"):
        train_on(tiny_model("bert"), tmp_path / "run", tiny_task, replace(SIZED, size=200))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def least_size(tiny_model, tiny_task):
    """The least size that is accepted: it holds the head."""
    base, task = load_encoder(tiny_model("bert")).base(), load_task(tiny_task / "task.json")

    def accepted(size):
        try:
            Cut.of(base, task, replace(SIZED, method=Method.EARLY, size=size), {})
        except SettingError:
            return False
        return True

    assert not accepted(300)
    return next(size for size in range(300, 1000) if accepted(size))


def test_a_size_of_little_more_than_the_head_can_be_packed(least_size, tiny_model, tiny_task, tmp_path):
    settings = replace(SIZED, method=Method.EARLY, size=least_size + 100)
    train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings, rows=64)
    assert 0 < read_run(tmp_path / "run").nnz < 100
    pack(tmp_path / "run", tmp_path / "x.dpf")
    assert (tmp_path / "x.dpf").stat().st_size <= settings.size


@pytest.mark.parametrize("shape", Shape)
def test_a_size_that_holds_the_head_and_no_entry_is_refused(shape, least_size, tiny_model, tiny_task):
    encoder, task = load_encoder(tiny_model("bert")), load_task(tiny_task / "task.json")
    size = least_size + 10  # its file names the shape
    settings = replace(SIZED, method=Method.EARLY, size=size, shape=shape)
    found = {name: np.ones(array.shape, np.float32) for name, array in encoder.arrays()}
    head = Head(np.zeros((2, 32), np.float32), np.zeros(2, np.float32))
    with pytest.raises(SettingError, match=f"size is {size} bytes, which hold no entry beside the head"):
        Cut.of(encoder.base(), task, settings, {}).mask(found, None, head)


@pytest.mark.parametrize("shape", Shape)
def test_where_nothing_changed_a_size_is_met_by_the_head_alone(shape, least_size, tiny_model, tiny_task):
    encoder, task = load_encoder(tiny_model("bert")), load_task(tiny_task / "task.json")
    settings = replace(SIZED, method=Method.EARLY, size=least_size + 1000, shape=shape)
    found = {name: np.zeros(array.shape, np.float32) for name, array in encoder.arrays()}
    head = Head(np.ones((2, 32), np.float32), np.zeros(2, np.float32))
    assert Cut.of(encoder.base(), task, settings, {}).mask(found, None, head) == {}


def test_a_run_for_two_bits_packs_to_two_bits_and_keeps_its_score(tiny_model, tiny_base, tiny_task, tmp_path):
    settings = replace(QUICK, method=Method.EARLY, bits=2, **LEARNING)
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    values = np.concatenate([np.abs(tensor.values) for tensor in read_run(tmp_path / "run").tensors])
    assert len(np.unique(values)) > 100  # the run keeps them exact
    packed = pack(tmp_path / "run", tmp_path / "x.dpf")
    assert len(packed.levels) == 2
    found = eval(tiny_base, tmp_path / "x.dpf", tiny_task / "dev.jsonl").score
    assert found == pytest.approx(record["scores"]["dev"]["accuracy"], abs=ONE_ROW)
    assert found > LEARNT
    assert len(pack(tmp_path / "run", tmp_path / "y.dpf", bits=5).levels) > 2  # what is asked for is stronger


def test_a_record_whose_size_is_no_number_is_refused(tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "train.json").read_text())
    record["settings"]["size"] = "100KB"
    (tmp_path / "run" / "train.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="size in the settings of its record is '100KB'"):
        pack(tmp_path / "run", tmp_path / "x.dpf")
