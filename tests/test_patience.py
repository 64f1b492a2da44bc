"""Patience keeps the best epoch; accumulation takes a batch in parts."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import QUICK, score_on_onnxruntime, train_on

from edgediff.format import read_run
from edgediff.train import Method


def test_patience_keeps_the_best_epoch_and_stops_early(tiny_model, tiny_base, tiny_task, tmp_path):
    settings = replace(QUICK, method=Method.EARLY, epochs=40, mask_rate=0.2, head_rate=1e-2, patience=4)
    record = train_on(tiny_model("bert"), tmp_path / "run", tiny_task, settings)
    seen = [point for point in record["history"] if "score" in point]
    scores = [point["score"] for point in seen]
    best = scores.index(max(scores))
    assert len(scores) == best + 1 + 4
    assert scores[best] == record["scores"]["dev"]["accuracy"]
    assert [stage["steps"] for stage in record["stages"]] == [80, seen[-1]["step"] - 80]
    assert seen[-1]["step"] < 400
    assert score_on_onnxruntime(tiny_base, read_run(tmp_path / "run"), tiny_task / "dev.jsonl") == max(scores)


def test_without_patience_no_epoch_is_scored(tiny_run):
    record = json.loads((tiny_run / "train.json").read_text())
    assert not [point for point in record["history"] if "score" in point]


@pytest.mark.parametrize("kind", ["classification", "token_classification"])
def test_a_batch_in_four_parts_teaches_what_it_teaches_whole(
    kind, tiny_model, tiny_task, kind_task, tmp_path
):
    """Of token labels the parts have unlike numbers, and 60 rows make a last batch of 12."""
    shutil.copytree(tiny_model("bert"), tmp_path / "plain")
    config = json.loads((tmp_path / "plain" / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (tmp_path / "plain" / "config.json").write_text(json.dumps(config))
    files = tiny_task if kind == "classification" else kind_task(kind)
    # The loss does not depend on the bias of the keys: its gradient is rounding errors alone.
    settings = replace(QUICK, method=Method.RANDOM, epochs=1, exclude=("*.key.bias",))
    diffs = []
    for parts in (1, 4, 3):
        train_on(
            tmp_path / "plain",
            tmp_path / f"run{parts}",
            files,
            replace(settings, accumulation=parts),
            rows=60,
        )
        diffs.append(read_run(tmp_path / f"run{parts}"))
    for other in diffs[1:]:
        for one, two in zip(diffs[0].tensors, other.tensors, strict=True):
            np.testing.assert_allclose(two.values, one.values, rtol=0, atol=1e-5, err_msg=one.name)
        np.testing.assert_allclose(other.head.weight, diffs[0].head.weight, rtol=0, atol=1e-5)
    assert max(np.abs(tensor.values).max() for tensor in diffs[0].tensors) > 1e-3
