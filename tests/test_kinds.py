"""Every other kind of task, on rows of the shape that real ones have, to a packed file on onnxruntime."""

import pytest
from conftest import score_on_onnxruntime, train_on

from edgediff.format import read_run
from edgediff.pack import pack
from edgediff.runtime import eval
from edgediff.train import Method, Precision, Settings

LEARNT = {
    "regression": (14, 0.8),
    "multi_label": (40, 0.75),
    "token_classification": (14, 0.6),
    "question_answering": (14, 0.6),
}
"""Epochs and the least score; the same answer for all rows scores at most 0.55."""


@pytest.mark.parametrize("kind", LEARNT)
def test_a_task_of_each_kind_is_learnt_and_answered_on_onnxruntime(
    kind, tiny_model, tiny_base, kind_task, tmp_path
):
    files, (epochs, least) = kind_task(kind), LEARNT[kind]
    settings = Settings(
        method=Method.EARLY,
        density=0.3,
        epochs=epochs,
        batch_size=16,
        precision=Precision.FP32,
        dense_rate=2e-3,
        mask_rate=5e-3,
        head_rate=5e-3,
    )
    record = train_on(tiny_model("bert"), tmp_path / "run", files, settings)
    in_training = record["scores"]["dev"][record["metric"]]
    assert in_training > least
    # Rows of equal text differ in the last bit in one runtime and not in the other: their ranks say nothing.
    metric = "pearson" if kind == "regression" else record["metric"]
    exact = score_on_onnxruntime(tiny_base, read_run(tmp_path / "run"), files / "dev.jsonl", metric)
    assert exact == pytest.approx(record["scores"]["dev"][metric], abs=1e-4)
    pack(tmp_path / "run", tmp_path / "x.dpf", bits=8)
    assert eval(tiny_base, tmp_path / "x.dpf", files / "dev.jsonl").score == pytest.approx(
        in_training, abs=0.04
    )
