"""Two processes that train one run, started by torchrun, on the processor."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import COLOURS, WORDS, write_rows
from safetensors.numpy import load_file

from edgediff.train import make_settings, train

LIMIT = 100
"""Seconds after which a process ends by itself."""
QUICK = {"method": "structured", "density": 0.05, "epochs": 1, "batch_size": 16, "precision": "fp32"}
ENVIRONMENT = {
    "ACCELERATE_USE_CPU": "true",
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4",  # of somebody's `accelerate config`: not for our steps
    "OMP_NUM_THREADS": "1",
}
JOBS = {
    "structured": ("colours", QUICK),
    "early": ("colours", QUICK | {"method": "early"}),
    "accumulated": ("colours", QUICK | {"method": "early", "accumulation": 2}),
    "low-rank": ("colours", QUICK | {"method": "low-rank", "density": None}),
    "early-low-rank": ("colours", QUICK | {"method": "early-low-rank"}),
    "tokens": ("words", QUICK | {"method": "early", "batch_size": 6}),
    "patient": ("colours", QUICK | {"epochs": 3, "patience": 1}),
    "stopped": ("colours", QUICK | {"epochs": 3, "patience": 1}),
}


@pytest.fixture(scope="module")
def calm_model(tiny_model, tmp_path_factory):
    """The tiny BERT without dropout, whose draws depend on how a batch is divided."""
    folder = shutil.copytree(tiny_model("bert"), tmp_path_factory.mktemp("calm") / "tiny-bert")
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders of two tasks: `colours`, whose 161 rows leave one for an epoch's last batch, and `words`."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "colours").mkdir()
    task = {"name": "colours", "kind": "classification", "text": "text", "labels": ["no", "yes"]}
    (folder / "colours" / "task.json").write_text(json.dumps(task))
    write_rows(folder / "colours" / "train.jsonl", 161, seed=0)
    write_rows(folder / "colours" / "dev.jsonl", 90, seed=1)
    (folder / "words").mkdir()
    task = {"name": "words", "kind": "token_classification", "text": "words", "label": "tags"}
    (folder / "words" / "task.json").write_text(json.dumps(task | {"labels": ["O", "B-colour"]}))
    for name, count in (("train", 61), ("dev", 20)):
        (folder / "words" / f"{name}.jsonl").write_text(tagged_rows(count, name))
    return folder


def tagged_rows(count, seed):
    """Sentences of 1 to 12 words with a tag each, so that parts of a batch differ in the number of labels."""
    choose, lines = random.Random(seed), []
    for _ in range(count):
        words = choose.choices(WORDS, k=choose.randint(1, 12))
        tags = ["B-colour" if word in COLOURS else "O" for word in words]
        lines.append(json.dumps({"words": words, "tags": tags}))
    return "\n".join(lines)


@pytest.fixture(scope="module")
def alone(calm_model, data, tmp_path_factory):
    """The RUN folders of all jobs but the stopped one, by this process alone."""
    folder = tmp_path_factory.mktemp("alone")
    for name, (task, settings) in JOBS.items():
        if name != "stopped":
            files = {key: data / task / f"{key}.jsonl" for key in ("train", "dev")}
            given = make_settings(settings, name)
            train(calm_model, folder / name, task=data / task / "task.json", **files, settings=given)
    return folder


@pytest.fixture(scope="module")
def together(calm_model, data, tmp_path_factory):
    """The RUN folders of all jobs by two processes, and what these left beside them."""
    folder = tmp_path_factory.mktemp("together")
    jobs = [
        {"run": str(folder / name), "model": str(calm_model), "files": str(data / task), "settings": settings}
        | ({"stop": 7} if name == "stopped" else {})
        for name, (task, settings) in JOBS.items()
    ]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    script = Path(__file__).with_name("two_processes.py")
    code, output = torchrun(str(script), str(folder / "jobs.json"), str(LIMIT))
    assert code == 0, output
    return folder


def torchrun(*command):
    """Start two processes, at a free port; give the exit code and all they said."""
    launch = ("-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1")
    environment = os.environ | ENVIRONMENT
    process = subprocess.Popen(
        [sys.executable, *launch, "--nproc-per-node", "2", *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=LIMIT + 20)
        except subprocess.TimeoutExpired:
            process.terminate()  # torchrun ends its own processes then
            output, _ = process.communicate(timeout=40)
    return process.returncode, output


def diff_of(folder):
    return load_file(folder / "diff.safetensors")


def record_of(folder):
    return json.loads((folder / "train.json").read_text())


@pytest.mark.parametrize("name", [name for name in JOBS if name != "stopped"])
def test_two_processes_learn_what_one_learns(name, alone, together):
    """Sums are taken in another order, so an entry at the very threshold of the cut may differ.

    At least 99.5 % of the entries are the same. If all are, values agree within 1e-4 of the largest, else (an
    entry more or less moves the others a little) within 1e-2. Factors of products agree within 1e-4.
    """
    one, two = diff_of(alone / name), diff_of(together / name)
    indices = [key for key in one.keys() | two.keys() if key.endswith(".indices")]
    none = np.empty(0, np.int64)
    same = {key: np.intersect1d(one.get(key, none), two.get(key, none)) for key in indices}
    count, total = sum(map(len, same.values())), sum(len(one.get(key, none)) for key in indices)
    assert count >= 0.995 * total
    for key in indices:
        values = key.replace(".indices", ".values")
        ours, theirs = (
            part[values][np.isin(part[key], same[key])] if key in part else np.empty(0, np.float32)
            for part in (one, two)
        )
        tolerance = 1e-4 if count == total else 1e-2
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=tolerance * np.abs(ours).max(initial=0))
    for key in one.keys() | two.keys():
        if key.endswith((".left", ".right")):
            np.testing.assert_allclose(two[key], one[key], rtol=0, atol=1e-4 * np.abs(one[key]).max())
    records = [record_of(folder / name) for folder in (alone, together)]
    assert [record["processes"] for record in records] == [1, 2]
    for ours, theirs in zip(*(record["history"] for record in records), strict=True):
        assert ours.pop("stage") == theirs.pop("stage")
        assert ours == pytest.approx(theirs, rel=1e-4 if count == total else 1e-2)


def test_a_run_of_two_processes_that_was_stopped_resumes_to_the_same_bits(together):
    for rank in (0, 1):
        text = (together / f"stopped-stopped-{rank}").read_text()
        assert text.startswith("stopped after step 7 of 16 of stage gates, nothing is lost"), text
    assert (together / "stopped" / "diff.safetensors").read_bytes() == (
        together / "patient" / "diff.safetensors"
    ).read_bytes()
    assert record_of(together / "stopped")["history"] == record_of(together / "patient")["history"]


def test_only_the_first_process_writes(together):
    first, second = (json.loads((together / f"written-{rank}.json").read_text()) for rank in (0, 1))
    assert {str(together / name) for name in JOBS} <= set(first)
    assert not [folder for folder in second if together in Path(folder).parents]
    assert all(
        sorted(p.name for p in (together / name).iterdir()) == ["diff.safetensors", "task.json", "train.json"]
        for name in JOBS
    )
