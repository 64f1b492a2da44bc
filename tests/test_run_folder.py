import json
import pickle
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load_file, save_file

from edgediff.diff import GLUE_TASKS, Base, Diff, Head, Kind, Task, TensorDiff
from edgediff.errors import OutputError, RunError
from edgediff.format import read_run
from edgediff.format.run_folder import DIFF_FILE, TASK_FILE, TRAIN_FILE, read_record, write_run

BASE = Base("base", "0" * 64, 100, 4)
TASK = Task("t", Kind.CLASSIFICATION, "text", labels=("no", "naïve ☕"))
HEAD = Head(np.arange(8, dtype=np.float32).reshape(2, 4), np.array([0.5, -0.5], np.float32))
TENSOR = TensorDiff("layer.weight", (2, 3), np.array([1, 4]), np.array([0.1, -2], np.float32))
DIFF = Diff(BASE, TASK, (TENSOR,), HEAD, {"method": "structured"})
RECORD = {"method": "structured", "scores": {"accuracy": 0.5}}
FILES = (DIFF_FILE, TASK_FILE, TRAIN_FILE)


@st.composite
def _tensors(draw):
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=3, max_side=5))
    indices = sorted(draw(st.sets(st.integers(0, int(np.prod(shape)) - 1))))
    values = draw(arrays.arrays(np.float32, len(indices), elements=st.floats(width=32)))
    return TensorDiff(draw(st.text(max_size=8)), shape, np.array(indices, np.int64), values)


@st.composite
def _diffs(draw):
    task = draw(st.sampled_from([TASK, *GLUE_TASKS.values()]))
    base = Base(draw(st.text()), "f" * 64, draw(st.integers(1)), draw(st.integers(1, 5)))
    weight = draw(
        arrays.arrays(np.float32, (task.outputs, base.width), elements=st.floats(width=32, allow_nan=False))
    )
    tensors = draw(st.lists(_tensors(), max_size=4, unique_by=lambda tensor: tensor.name))
    provenance = draw(st.dictionaries(st.text(), st.text(), max_size=3))
    return Diff(base, task, tuple(tensors), Head(weight, weight[:, 0].copy()), provenance)


def _bits(array):
    return array.dtype.name, array.shape, array.tobytes()


def _content(diff):
    """All that a diff holds, in a form that `==` compares; tensors by name, their order means nothing."""
    tensors = {t.name: (t.shape, _bits(t.indices), _bits(t.values)) for t in diff.tensors}
    head = _bits(diff.head.weight), _bits(diff.head.bias)
    return diff.base, diff.task, tensors, head, diff.provenance


def _refusal(folder):
    """The text with which `read_run` refuses `folder`, checked to be one line."""
    with pytest.raises(RunError) as raised:
        read_run(folder)
    text = str(raised.value)
    assert str(folder) in text
    assert len(text.splitlines()) == 1
    return text


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    """A folder that hypothesis may write a run into again and again."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture
def run(tmp_path) -> Path:
    write_run(tmp_path, DIFF, TASK, RECORD)
    return tmp_path


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(diff=_diffs())
def test_a_diff_comes_back_from_its_run_folder_bit_for_bit(scratch, diff):
    write_run(scratch, diff, diff.task, RECORD)
    assert _content(read_run(scratch)) == _content(diff)
    assert read_record(scratch) == RECORD


def test_a_run_folder_is_plain_safetensors_and_json(run):
    assert sorted(path.name for path in run.iterdir()) == sorted(FILES)
    stored = load_file(run / DIFF_FILE)
    wanted = {"head.weight", "head.bias", "layer.weight.indices", "layer.weight.values"}
    assert stored.keys() == wanted
    assert _bits(stored["layer.weight.values"]) == _bits(TENSOR.values)
    assert Task.from_dict(json.loads((run / TASK_FILE).read_text("utf-8"))) == TASK
    assert json.loads((run / TRAIN_FILE).read_text("utf-8")) == RECORD


def test_a_run_is_not_finished_until_all_its_files_are_written(tmp_path):
    (tmp_path / TASK_FILE).mkdir()
    with pytest.raises(OutputError, match=f"cannot write .*{TASK_FILE}: Is a directory"):
        write_run(tmp_path, DIFF, TASK, RECORD)
    assert f"has no {TRAIN_FILE}: it is no RUN folder, or its training is not finished" in _refusal(tmp_path)


def test_a_folder_that_is_missing_is_no_run(tmp_path):
    assert "is no folder" in _refusal(tmp_path / "missing")
    with pytest.raises(OutputError, match=r"cannot write .*: No such file or directory"):
        write_run(tmp_path / "missing", DIFF, TASK, RECORD)


def test_a_method_without_a_diff_is_named(tmp_path):
    write_run(tmp_path, None, TASK, RECORD | {"method": "full"}, {"head.bias": np.zeros(2, np.float32)})
    assert read_record(tmp_path)["method"] == "full"
    assert f"has no {DIFF_FILE}: the method 'full' gives no diff" in _refusal(tmp_path)


def test_a_diff_that_is_gone_is_told_from_a_method_without_one(run):
    (run / DIFF_FILE).unlink()
    assert f"has no {DIFF_FILE} any more: train it again" in _refusal(run)


@pytest.mark.parametrize("name", FILES)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_anywhere_is_refused(scratch, name, share):
    write_run(scratch, DIFF, TASK, RECORD)
    whole = (scratch / name).read_bytes().rstrip(b"\n")
    (scratch / name).write_bytes(whole[: int(share * len(whole))])
    _refusal(scratch)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"\xff\xfe", b"[]", b"[7]", b"null", b'"text"', b"{} {}"])
def test_a_file_with_another_content_is_refused(run, name, content):
    (run / name).write_bytes(content)
    _refusal(run)


def test_a_task_that_is_none_is_named_with_its_file(run):
    (run / TASK_FILE).write_text('{"name": "t", "kind": "classification"}')
    assert f"{run / TASK_FILE}: key 'text' is missing" in _refusal(run)


@pytest.mark.parametrize(
    "change",
    [
        {"base": {"name": "base"}},
        {"base": None},
        {"shapes": {"other": [2, 3]}},
        {"shapes": {"layer.weight": 6}},
        {"shapes": ["layer.weight"]},
    ],
    ids=str,
)
def test_a_diff_whose_own_record_is_wrong_is_refused(run, change):
    plain = {"base": asdict(BASE), "shapes": {"layer.weight": [2, 3]}, "provenance": {}} | change
    save_file(load_file(run / DIFF_FILE), run / DIFF_FILE, {"edgediff": json.dumps(plain)})
    _refusal(run)


@pytest.mark.parametrize("metadata", [None, {}, {"edgediff": ""}, {"edgediff": "[]"}], ids=str)
def test_a_safetensors_file_of_another_kind_is_refused(run, metadata):
    save_file(load_file(run / DIFF_FILE), run / DIFF_FILE, metadata)
    _refusal(run)


@pytest.mark.parametrize(
    ("key", "array"),
    [
        ("layer.weight.indices", np.array([1, 6])),
        ("layer.weight.indices", np.array([-1, 4])),
        ("layer.weight.indices", np.array([4, 1])),
        ("layer.weight.indices", np.array([1.0, 4.0], np.float32)),
        ("layer.weight.values", np.array([1.0], np.float32)),
        ("head.weight", np.zeros((2, 5), np.float32)),
        ("head.bias", np.zeros(3, np.float32)),
    ],
    ids=["outside", "negative", "unsorted", "fractions", "few-values", "wide-head", "long-bias"],
)
def test_a_diff_whose_arrays_do_not_fit_one_another_is_refused(run, key, array):
    plain = {"base": asdict(BASE), "shapes": {"layer.weight": [2, 3]}, "provenance": {}}
    changed = load_file(run / DIFF_FILE) | {key: array}
    save_file(changed, run / DIFF_FILE, {"edgediff": json.dumps(plain)})
    _refusal(run)


class _Trap:
    """An object that leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", FILES)
def test_a_pickle_in_the_place_of_a_file_is_refused_and_never_run(run, name):
    trap = pickle.dumps(_Trap(run / "sprung"))
    (run / name).write_bytes(trap)
    _refusal(run)
    assert not (run / "sprung").exists()
    pickle.loads(trap)
    assert (run / "sprung").exists()
