"""One base, many tasks: live mode and session mode say the same, bit for bit."""

import numpy as np
import pytest

from edgediff.diff import Diff, Head, Kind, Task, TensorDiff
from edgediff.format import write_dpf
from edgediff.format.bundle import read_manifest
from edgediff.pack import quantise
from edgediff.runtime import open_base
from edgediff.runtime.image import base_values

TOKENS = {
    "input_ids": np.random.default_rng(0).integers(0, 1000, (3, 16)),
    "attention_mask": np.ones((3, 16), np.int64),
    "token_type_ids": np.zeros((3, 16), np.int64),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def files(minilm_base, tmp_path_factory):
    """Three tasks whose diffs touch every parameter of the real base, and partly the same entries."""
    folder = tmp_path_factory.mktemp("files")
    manifest = read_manifest(minilm_base)
    for number, name in enumerate(("first", "second", "third")):
        generator = np.random.default_rng(number)
        tensors = []
        for entry in manifest.parameters:
            numel = int(np.prod(entry.shape))
            indices = np.unique(generator.integers(0, min(numel, 50_000), 500))
            values = generator.normal(scale=0.05, size=len(indices)).astype(np.float32)
            tensors.append(TensorDiff(entry.name, entry.shape, indices, values))
        head = Head(generator.normal(size=(2, 384)).astype(np.float32), np.zeros(2, np.float32))
        task = Task(name, Kind.CLASSIFICATION, "text", labels=("no", "yes"))
        write_dpf(folder / f"{name}.dpf", quantise(Diff(manifest.base, task, tuple(tensors), head)))
    return [folder / f"{name}.dpf" for name in ("first", "second", "third")]


def _opened(base, files, cache, mode):
    opened = open_base(base, mode=mode, threads=1, cache=cache)
    for file in files:
        opened.add(file)
    return opened


def test_live_mode_is_chosen_here_and_equals_session_mode_bit_for_bit(minilm_base, files, cache):
    with (
        _opened(minilm_base, files, cache, "auto") as live,
        _opened(minilm_base, files, cache, "session") as session,
    ):
        assert (live.mode, session.mode) == ("live", "session")
        tasks = ["first", "second", ["first", "second"], ["second", "first"], ["third", "first"], "first"]
        for task in tasks:
            assert np.array_equal(live.logits(task, TOKENS), session.logits(task, TOKENS)), task


def test_after_random_switches_the_image_holds_the_bases_values_bit_for_bit(minilm_base, files, cache):
    generator = np.random.default_rng(3)
    manifest = read_manifest(minilm_base)
    with _opened(minilm_base, files, cache, "live") as live:
        for _ in range(200):
            chosen = generator.choice(["first", "second", "third"], generator.integers(1, 4), replace=False)
            live.activate(list(chosen))
        live.deactivate()
        places, values = live._mode._live.places, base_values(minilm_base, manifest)
        for name, value in values.items():
            held = live._mode._live.read(places.find(name, np.arange(value.size)))
            assert np.array_equal(held.view(np.uint32), value.reshape(-1).view(np.uint32)), name


def test_a_task_answers_texts(minilm_base, files, cache):
    with _opened(minilm_base, files, cache, "live") as live:
        (answer,) = live.run("second", ["a red lamp"])
        assert answer.label in ("no", "yes")
        assert sum(answer.scores.values()) == pytest.approx(1)
        assert live.tasks["second"].uses == 1
        assert live.overlap(["first", "second"]) > 0
