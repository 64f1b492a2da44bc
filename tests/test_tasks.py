"""Many tasks over one encoder from one file."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import replace

import pytest
from children import LIMIT
from test_cli import call

from edgediff.errors import DataError, RunError, SettingError, StoppedError, TaskError
from edgediff.format import read_run
from edgediff.train import Job, Method, Settings, read_tasks, train_tasks

THREE = """
[defaults]
density = 0.05
epochs = 1
batch_size = 16
train = "train.jsonl"
dev = "dev.jsonl"

[[tasks]]
task = "task.json"
name = "one"

[[tasks]]
task = "task.json"
name = "two"
method = "random"
seed = 1
rows = 64

[[tasks]]
task = "task.json"
name = "bad"
train = "missing.jsonl"
"""


@pytest.fixture
def three(tiny_task, tmp_path):
    """A file of two tasks that can be trained and one that cannot, beside its rows."""
    for name in ("task.json", "train.jsonl", "dev.jsonl"):
        shutil.copy(tiny_task / name, tmp_path)
    (tmp_path / "tasks.toml").write_text(THREE)
    return tmp_path / "tasks.toml"


def test_a_file_says_what_is_trained_with_defaults_for_all(three):
    folder, settings = three.parent, Settings(density=0.05, epochs=1, batch_size=16)
    task, train, dev = str(folder / "task.json"), folder / "train.jsonl", folder / "dev.jsonl"
    random = replace(settings, method=Method.RANDOM, seed=1)
    assert read_tasks(three) == [
        Job("one", task, train, dev, settings, None),
        Job("two", task, train, dev, random, 64),
        Job("bad", task, folder / "missing.jsonl", dev, settings, None),
    ]


def test_what_is_given_is_stronger_than_the_file(three):
    jobs = read_tasks(three, {"method": "random", "rows": 32, "components": ["bias"]})
    assert {job.settings.method for job in jobs} == {Method.RANDOM}
    assert {job.settings.components for job in jobs} == {("bias",)}
    assert {job.rows for job in jobs} == {32}


def test_a_density_takes_the_place_of_a_size_and_a_size_that_of_a_density(tmp_path):
    text = '[defaults]\nsize = 60000\n[[tasks]]\ntask = "sst2"\n[[tasks]]\ntask = "mrpc"\ndensity = 0.01\n'
    (tmp_path / "tasks.toml").write_text(text)

    def amounts(given=None):
        return [
            (job.settings.density, job.settings.size) for job in read_tasks(tmp_path / "tasks.toml", given)
        ]

    assert amounts() == [(None, 60000), (0.01, None)]
    assert amounts({"density": 0.02}) == [(0.02, None)] * 2
    assert amounts({"size": 9000}) == [(None, 9000)] * 2


def test_a_task_without_a_name_has_its_own_and_files_lie_beside_the_list(tmp_path):
    text = '[[tasks]]\ntask = "sst2"\n[[tasks]]\ntask = "sub/mine.toml"\ndev = "/data/dev.csv"\n'
    (tmp_path / "tasks.toml").write_text(text)
    first, second = read_tasks(tmp_path / "tasks.toml")
    assert (first.name, first.task, first.train, first.settings) == ("sst2", "sst2", None, Settings())
    assert (second.name, second.task) == ("mine", str(tmp_path / "sub" / "mine.toml"))
    assert str(second.dev) == "/data/dev.csv"


ONE = '[[tasks]]\ntask = "sst2"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[tasks", "tasks.toml cannot be read"),
        ("", r"holds no \[\[tasks\]\] tables"),
        ("tasks = []", r"holds no \[\[tasks\]\] tables"),
        ("tasks = [1]", r"holds no \[\[tasks\]\] tables"),
        ("defaults = 1\n" + ONE, "defaults is 1, expected a table"),
        ('[[tasks]]\nname = "x"', "task 1: task is None, expected a text"),
        ("[[tasks]]\ntask = 1", "task 1: task is 1, expected a text"),
        (ONE + "train = 5", "task 1: train is 5, expected a text"),
        (ONE + ONE + 'dev = ["a"]', "task 2: dev is .'a'., expected a text"),
        (ONE + 'name = ""', "task 1: name is '', expected the name of a folder"),
        (ONE + 'name = "a/b"', "task 1: name is 'a/b', expected the name of a folder"),
        (ONE + 'name = ".."', "task 1: name is '..', expected the name of a folder"),
        (ONE + "name = 3", "task 1: name is 3, expected the name of a folder"),
        (ONE + "rows = 1.5", "task 1: rows is 1.5, expected a whole number"),
        (ONE + "rows = true", "task 1: rows is True, expected a whole number"),
        ("[default]\nseed = 7\n" + ONE, r"unknown key 'default'; there are \[\[tasks\]\] and \[defaults\]"),
        (ONE + ONE, "two tasks have the name 'sst2', expected one each: give a `name`"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_place(text, message, tmp_path):
    (tmp_path / "tasks.toml").write_text(text)
    with pytest.raises(TaskError, match=message):
        read_tasks(tmp_path / "tasks.toml")


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(TaskError, match=r"gone\.toml cannot be read"):
        read_tasks(tmp_path / "gone.toml")
    (tmp_path / "tasks.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TaskError, match="cannot be read"):
        read_tasks(tmp_path / "tasks.toml")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("densty = 0.1", "task 1: unknown setting 'densty'"),
        ('method = "best"', "task 1: method is 'best', expected one of early"),
        ("density = 2.0", "density is 2.0, expected a number above 0 and at most 1"),
        ('size = "100KB"', "size is '100KB', expected a whole number"),
    ],
)
def test_a_setting_in_the_file_that_cannot_be_used_is_refused(line, message, tmp_path):
    (tmp_path / "tasks.toml").write_text(ONE + line)
    with pytest.raises(SettingError, match=message):
        read_tasks(tmp_path / "tasks.toml")


def test_two_workers_train_all_but_the_bad_and_a_second_time_nothing(three, tiny_model, tmp_path):
    folder, jobs = tmp_path / "runs" / "all", read_tasks(three)
    outcomes = dict(train_tasks(tiny_model("bert"), folder, jobs, workers=2))
    assert sorted(outcomes) == ["bad", "one", "two"]
    assert isinstance(outcomes["bad"], DataError)
    assert "missing.jsonl does not exist" in str(outcomes["bad"])
    assert not (folder / "bad").exists()
    for name, method, rows in (("one", "early-low-rank", 160), ("two", "random", 64)):
        record = json.loads((folder / name / "train.json").read_text())
        assert outcomes[name]["scores"] == record["scores"]
        assert (record["method"], record["rows"]["train"]) == (method, rows)
        assert read_run(folder / name).nnz == record["nnz"] == round(0.05 * record["base"]["parameters"])
    written = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    shutil.copy(three.parent / "train.jsonl", three.parent / "missing.jsonl")
    again = dict(train_tasks(tiny_model("bert"), folder, jobs, workers=2))
    assert again["bad"]["nnz"] == again["one"]["nnz"]
    assert again["one"]["scores"] == outcomes["one"]["scores"]
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_fewer_than_one_worker_is_refused(three, tiny_model, tmp_path):
    with pytest.raises(RunError, match="workers is 0, expected at least 1"):
        next(train_tasks(tiny_model("bert"), tmp_path / "runs", read_tasks(three), workers=0))
    assert not (tmp_path / "runs").exists()


def test_the_command_prints_a_line_for_each_task_and_ends_in_1_if_one_failed(three, tiny_model, tmp_path):
    arguments = ("train", tiny_model("bert"), tmp_path / "runs", "--tasks", three, "--method", "random")
    code, stdout, stderr = call(*arguments)
    line = r"{}/{}: colours, dev accuracy [01]\.\d{{4}}, 1,\d{{3}} of [\d,]+ parameters changed"
    lines = sorted(stdout.splitlines())
    assert code == 1
    assert len(lines) == 2
    for text, name in zip(lines, ("one", "two"), strict=True):
        assert re.fullmatch(line.format(re.escape(str(tmp_path / "runs")), name), text), text
    failures = [text for text in stderr.splitlines() if text.startswith("edgediff: ")]
    assert len(failures) == 1
    assert failures[0].startswith("edgediff: bad: ")
    assert "missing.jsonl does not exist" in failures[0]
    assert "Traceback" not in stderr
    shutil.copy(three.parent / "train.jsonl", three.parent / "missing.jsonl")
    code, stdout, _ = call(*arguments)
    assert (code, len(stdout.splitlines())) == (0, 3)
    assert set(lines) < set(stdout.splitlines())


@pytest.mark.parametrize("option", ["--train", "--dev"])
def test_the_command_refuses_rows_for_all_tasks(option, three, tiny_model, tmp_path):
    rows = three.parent / "train.jsonl"
    code, _, stderr = call("train", tiny_model("bert"), tmp_path / "runs", "--tasks", three, option, rows)
    assert code == 1
    assert stderr == "edgediff: --tasks takes no --train, --dev or --tensorboard: the file names the rows\n"
    assert not (tmp_path / "runs").exists()


LONG = """
[defaults]
method = "random"
density = 0.05
epochs = 20
batch_size = 16
precision = "fp32"
task = "task.json"
train = "train.jsonl"
dev = "dev.jsonl"

[[tasks]]
name = "one"
[[tasks]]
name = "two"
[[tasks]]
name = "three"
epochs = 1
"""


@pytest.fixture
def long(three):
    """A file of two tasks of 200 steps and one of 10."""
    three.write_text(LONG)
    return three


def first_is_short(jobs):
    return [replace(jobs[0], settings=replace(jobs[0].settings, epochs=1)), *jobs[1:]]


def press_ctrl_c_when(there, *command):
    """Start the command, press Ctrl-C, as a terminal does in all its processes, once `there` exists."""
    arguments = [sys.executable, "-m", "edgediff_cli", *map(str, command)]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        end = time.monotonic() + LIMIT
        while not there.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGINT)
        try:
            return process.communicate(timeout=LIMIT), process.returncode
        finally:
            process.kill()


def test_ctrl_c_stops_the_task_under_way_and_begins_no_other(long, tiny_model, tmp_path):
    runs = tmp_path / "runs"
    command = ("train", tiny_model("bert"), runs, "--tasks", long)
    (stdout, stderr), code = press_ctrl_c_when(runs / "one" / ".lock", *command)
    assert (code, stdout) == (130, "")
    assert stderr == (
        "edgediff: stopped before all of the 3 tasks were finished, nothing is lost:"
        f" the same command goes on with {runs}\n"
    )
    assert [path.name for path in runs.iterdir()] == ["one"]
    assert [path.name for path in (runs / "one").iterdir()] == ["checkpoint.safetensors"]
    code, stdout, _ = call(*command)
    assert (code, len(stdout.splitlines())) == (0, 3)


def test_ctrl_c_while_the_workers_begin_leaves_nothing_but_the_sentence(long, tiny_model, tmp_path):
    runs = tmp_path / "runs"
    command = ("train", tiny_model("bert"), runs, "--tasks", long, "--workers", 2)
    (stdout, stderr), code = press_ctrl_c_when(runs, *command)
    assert (code, stdout) == (130, "")
    assert len(stderr.splitlines()) == 1
    assert stderr.startswith("edgediff: stopped before all of the 3 tasks were finished")
    assert list(runs.iterdir()) == []


def test_whoever_wants_no_more_outcomes_stops_the_tasks_under_way(long, tiny_model, tmp_path):
    runs, jobs = tmp_path / "runs", first_is_short(read_tasks(long))
    with closing(train_tasks(tiny_model("bert"), runs, jobs)) as outcomes:
        assert next(outcomes)[0] == "one"
    assert not (runs / "two" / "train.json").exists()
    assert not (runs / "three").exists()


def test_a_task_that_is_stopped_alone_stops_all(long, tiny_model, tmp_path):
    runs, jobs = tmp_path / "runs", first_is_short(read_tasks(long))
    jobs[1] = replace(jobs[1], settings=replace(jobs[1].settings, epochs=1000))
    with closing(train_tasks(tiny_model("bert"), runs, jobs)) as outcomes:
        next(outcomes)
        while not (runs / "two" / "checkpoint.safetensors").exists():
            time.sleep(0.1)
        time.sleep(0.5)  # it is written just before the first step
        (worker,) = multiprocessing.active_children()
        worker.terminate()
        with pytest.raises(StoppedError, match="stopped before all of the 3 tasks were finished"):
            next(outcomes)
    assert not (runs / "three").exists()


def test_a_worker_that_is_killed_is_the_outcome_of_all_tasks_left(long, tiny_model, tmp_path):
    jobs = first_is_short(read_tasks(long))
    with closing(train_tasks(tiny_model("bert"), tmp_path / "runs", jobs)) as outcomes:
        next(outcomes)
        (worker,) = multiprocessing.active_children()
        worker.kill()
        left = dict(outcomes)
    assert sorted(left) == ["three", "two"]
    assert all(isinstance(outcome, BrokenProcessPool) for outcome in left.values())
