import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from diffs import made_diff, made_task
from test_cli import call

from edgediff.diff import Base, Kind, Metric, Task
from edgediff.format import write_dpf
from edgediff.format.bundle import read_manifest
from edgediff.runtime import doctor

TASK = made_task("first")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def bundle(tiny_base, tmp_path):
    return shutil.copytree(tiny_base, tmp_path / "base")


@pytest.fixture
def file(tiny_base, tmp_path):
    write_dpf(tmp_path / "first.dpf", made_diff(tiny_base, TASK))
    return tmp_path / "first.dpf"


@pytest.fixture
def examine(bundle, cache):
    """All verdicts as (level, subject) pairs, and as text."""

    def find(*files):
        verdicts = list(doctor(bundle, files, cache=cache))
        return [(verdict.level, verdict.subject) for verdict in verdicts], "\n".join(map(str, verdicts))

    return find


def test_a_healthy_bundle_and_file_pass_every_check(bundle, file, examine, cache, monkeypatch):
    levels, text = examine(file)
    names = ["model.onnx", "weights.bin", "tokenizer.json", "parameters", "fingerprint", str(file)]
    assert {("ok", name) for name in names} <= set(levels)
    assert {level for level, _ in levels} == {"ok"}
    assert "every entry changes its parameter" in text
    assert "live mode: works" in text
    assert "answers in session and live mode, bit for bit the same" in text
    monkeypatch.setenv("EDGEDIFF_CACHE", str(cache))
    code, stdout, _ = call("doctor", bundle, file)
    assert (code, stdout) == (0, text + "\n")
    assert len(stdout.splitlines()) == len(levels)


def test_one_flipped_bit_in_the_weights_is_found_and_no_image_is_made_of_it(
    bundle, file, tmp_path, tiny_base
):
    data = bytearray((bundle / "weights.bin").read_bytes())
    data[read_manifest(bundle).parameters[2].offset + 2] ^= 4
    (bundle / "weights.bin").write_bytes(data)
    found = list(doctor(bundle, [file], cache=tmp_path / "none"))
    wrong = {verdict.subject: verdict for verdict in found if verdict.level == "wrong"}
    assert wrong.keys() == {"weights.bin", "fingerprint"}
    assert all(verdict.advice == "export the base again" for verdict in wrong.values())
    assert not (tmp_path / "none").exists()
    code, stdout, _ = call("doctor", bundle)
    assert code == 1
    assert "wrong  weights.bin: its bytes are not those of its SHA-256 in base.json; export" in stdout


def test_a_missing_or_shorter_file_of_the_bundle_is_one_verdict(bundle, examine):
    data = (bundle / "weights.bin").read_bytes()
    (bundle / "weights.bin").write_bytes(data[:-4])
    levels, text = examine()
    assert [level for level, _ in levels] == ["wrong"]
    assert f"weights.bin has {len(data) - 4} bytes" in text
    (bundle / "base.json").unlink()
    assert "it has no base.json" in examine()[1]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"offset": 4}, "lies elsewhere in model.onnx than base.json states"),
        ({"initializer": "none"}, "has no initializer 'none'"),
    ],
)
def test_a_manifest_whose_map_is_wrong_is_found(change, part, bundle, examine):
    plain = json.loads((bundle / "base.json").read_text())
    plain["parameters"][3] |= change
    (bundle / "base.json").write_text(json.dumps(plain))
    levels, text = examine()
    assert ("wrong", "parameters") in levels
    assert part in text


def test_a_truncated_file_is_found_and_the_next_one_is_checked(file, examine, tmp_path):
    cut = tmp_path / "cut.dpf"
    cut.write_bytes(file.read_bytes()[:-40])
    levels, text = examine(cut, file)
    assert [level for level, subject in levels if subject == str(cut)] == ["wrong"]
    assert {level for level, subject in levels if subject == str(file)} == {"ok"}
    assert "get or pack the file again" in text


def test_a_task_that_cannot_be_asked_hurts_no_other_verdict(file, examine, tiny_base, tmp_path):
    short = Task("short", Kind.QUESTION_ANSWERING, "question", "context", None, (), Metric.F1, "answers", 12)
    write_dpf(tmp_path / "short.dpf", made_diff(tiny_base, short))
    levels, text = examine(tmp_path / "short.dpf", file)
    assert ("wrong", str(tmp_path / "short.dpf")) in levels
    assert re.search(r"session mode: .*question", text)
    assert {level for level, subject in levels if subject == str(file)} == {"ok"}


def test_a_file_of_another_base_is_found_with_both_fingerprints(tiny_base, examine, tmp_path):
    diff = made_diff(tiny_base, TASK)
    write_dpf(tmp_path / "other.dpf", replace(diff, base=Base("x", "0" * 64, diff.base.parameters, 32)))
    levels, text = examine(tmp_path / "other.dpf")
    assert ("wrong", str(tmp_path / "other.dpf")) in levels
    assert "0" * 64 in text
    assert diff.base.fingerprint in text


def test_a_parameter_that_the_bundle_lacks_or_has_in_another_shape_is_found(tiny_base, examine, tmp_path):
    diff = made_diff(tiny_base, TASK)
    first = diff.tensors[0]
    for name, change in (("lacks", {"name": "no.such"}), ("shape", {"shape": (*first.shape, 2)})):
        tensors = sorted((replace(first, **change), *diff.tensors[1:]), key=lambda tensor: tensor.name)
        write_dpf(tmp_path / f"{name}.dpf", replace(diff, tensors=tuple(tensors)))
    _, text = examine(tmp_path / "lacks.dpf", tmp_path / "shape.dpf")
    assert "changes 'no.such', which the base" in text
    assert f"of shape {(*first.shape, 2)}" in text


def test_entries_that_change_nothing_are_counted_and_do_no_harm(tiny_base, examine, tmp_path):
    diff = made_diff(tiny_base, TASK)
    lost = next(tensor for tensor in diff.tensors if tensor.name.endswith("LayerNorm.weight"))
    least = np.full(lost.nnz, 2**-24, np.float32)  # half of the distance from 1 to the next float32
    tensors = [replace(tensor, values=least) if tensor is lost else tensor for tensor in diff.tensors]
    levels = np.unique(np.abs(np.concatenate([tensor.values for tensor in tensors])))
    write_dpf(tmp_path / "lost.dpf", replace(diff, tensors=tuple(tensors), levels=levels))
    levels, text = examine(tmp_path / "lost.dpf")
    assert ("note", str(tmp_path / "lost.dpf")) in levels
    assert f"{lost.nnz} of {diff.nnz:,} entries change nothing, about " in text
    assert "wrong" not in [level for level, _ in levels]
