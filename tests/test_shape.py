"""Diffs of whole rows and columns: what they hold, what they cost, and where they are refused."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import LEARNING, LEARNT, ONE_ROW, QUICK, train_on

from edgediff import read_dpf
from edgediff.diff import as_matrix
from edgediff.errors import SettingError
from edgediff.format import read_run
from edgediff.pack import pack
from edgediff.runtime import eval
from edgediff.train import Method, Shape, make_settings

ROWS = replace(QUICK, method=Method.EARLY, shape=Shape.ROW)


@pytest.mark.parametrize("method", ["early", "early-low-rank", "magnitude", "diff", "structured"])
def test_what_is_kept_is_whole_rows_and_columns(method, tiny_model, tiny_base, tiny_task, tmp_path):
    settings = replace(ROWS, method=Method(method), density=0.1, **LEARNING)
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    diff = read_run(tmp_path / "run")
    assert 0.08 * diff.base.parameters < diff.nnz <= 0.1 * diff.base.parameters
    for tensor in diff.tensors:
        changed = np.zeros(as_matrix(tensor.shape), np.bool_)
        changed.reshape(-1)[tensor.indices] = True
        assert np.array_equal(changed, np.logical_or.outer(changed.all(1), changed.all(0)))
    pack(tmp_path / "run", tmp_path / "x.dpf")
    assert read_dpf(tmp_path / "x.dpf").provenance["shape"] == "row"
    found = eval(tiny_base, tmp_path / "x.dpf", tiny_task / "dev.jsonl").score
    assert found == pytest.approx(record["scores"]["dev"]["accuracy"], abs=ONE_ROW)
    assert found > LEARNT


def test_positions_of_rows_and_columns_cost_a_fraction_of_those_of_entries(tiny_model, tiny_task, tmp_path):
    def bits_of_positions(shape):
        folder = tmp_path / shape
        train_on(tiny_model("bert"), folder, tiny_task, replace(ROWS, shape=Shape(shape), density=0.1))
        packed = pack(folder, tmp_path / f"{shape}.dpf")
        data = (tmp_path / f"{shape}.dpf").read_bytes()
        start = data.index(b"INDX") + 4
        return 8 * int.from_bytes(data[start : start + 4], "little") / packed.nnz

    assert bits_of_positions("row") < 0.25 * bits_of_positions("entry")  # a tiny model has short rows


@pytest.mark.parametrize(
    ("shape", "method"),
    [(shape, method) for shape in ("row", "auto") for method in ("fisher", "random", "bitfit", "full")]
    + [("auto", "structured"), ("auto", "diff")],
)
def test_a_method_that_finds_no_rows_is_refused(method, shape):
    with pytest.raises(SettingError, match=f"shape is {shape}, which the method {method} cannot choose"):
        make_settings({"method": method, "shape": shape}, "here")


def test_auto_keeps_whole_lines_where_they_are_worth_it(tiny_model, tiny_base, tiny_task, tmp_path):
    settings = replace(ROWS, shape=Shape.AUTO, density=0.05, **LEARNING | {"epochs": 20})
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    diff = read_run(tmp_path / "run")
    assert 0.04 * diff.base.parameters < diff.nnz <= 0.05 * diff.base.parameters
    whole = 0
    for tensor in diff.tensors:
        changed = np.zeros(as_matrix(tensor.shape), np.bool_)
        changed.reshape(-1)[tensor.indices] = True
        lines = np.logical_or.outer(changed.all(1), changed.all(0))
        whole += int(lines.sum())
    assert whole > 0.5 * diff.nnz  # single entries of a tiny model, all alike, are hardly worth a position
    pack(tmp_path / "run", tmp_path / "x.dpf")
    assert read_dpf(tmp_path / "x.dpf").provenance["shape"] == "auto"
    found = eval(tiny_base, tmp_path / "x.dpf", tiny_task / "dev.jsonl").score
    assert found == pytest.approx(record["scores"]["dev"]["accuracy"], abs=ONE_ROW)
    assert found > LEARNT


def test_a_density_below_any_row_is_refused(tiny_model, tiny_task, tmp_path):
    with pytest.raises(SettingError, match="no row or column that changes has 1 entries or fewer"):
        train_on(tiny_model("bert"), tmp_path / "run", tiny_task, replace(ROWS, density=5e-5))
