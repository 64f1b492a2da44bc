"""What README says, done: its Python runs, its commands exist, its task file loads."""

import json
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
import typer

import edgediff
from edgediff.score import load_task
from edgediff.train import read_tasks
from edgediff_cli.main import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
TRAINING = (ROOT / "docs" / "training.md").read_text("utf-8")


def _blocks(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_python_blocks_run_one_after_another(voice_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(voice_data / "task.toml", tmp_path)
    for name in ("train.jsonl", "dev.jsonl"):  # a few rows: the road is the same
        lines = (voice_data / name).read_text("utf-8").splitlines(keepends=True)
        (tmp_path / name).write_text("".join(lines[:64]), "utf-8")
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path / "cache"))
    library, app_lines, many_tasks = _blocks("python")
    names = {}
    exec(library, names)
    task = edgediff.read_dpf("task.dpf").task
    exec(app_lines, names)
    assert names["logits"].shape == (1, len(task.labels))
    assert names["task"].labels == task.labels
    exec(many_tasks, names)
    assert names["name"] == task.name


def _commands():
    lines = (line for block in _blocks("console", README + TRAINING) for line in block.splitlines())
    return [line.removeprefix("$ edgediff ") for line in lines if line.startswith("$ edgediff ")]


@pytest.mark.parametrize("line", _commands())
def test_every_command_shown_is_one_that_the_command_line_takes(line):
    name, *arguments = shlex.split(line, comments=True)
    group = typer.main.get_command(app)
    group.commands[name].make_context(name, arguments, parent=click.Context(group))


def test_the_task_file_shown_loads(tmp_path):
    (block,) = _blocks("toml")
    (tmp_path / "task.toml").write_text(block)
    task = load_task(tmp_path / "task.toml")
    assert task.labels == ("billing", "outage", "other")


def test_the_list_of_tasks_shown_loads(tmp_path):
    (block,) = _blocks("toml", TRAINING)
    (tmp_path / "tasks.toml").write_text(block)
    assert [
        (job.name, job.settings.epochs, job.settings.size) for job in read_tasks(tmp_path / "tasks.toml")
    ] == [
        ("sst2", 3, None),
        ("tickets", 3, 60_000),
    ]


def test_the_vectors_are_as_many_as_it_says():
    files = [path for path in (ROOT / "tests" / "vectors").glob("*.json") if path.name != "schema.json"]
    valid = [vector["valid"] for path in files for vector in json.loads(path.read_text("utf-8"))]
    told = re.search(r"holds (\d+) files, (\d+) of\s+them to be refused", README)
    assert [int(number) for number in told.groups()] == [len(valid), valid.count(False)]


def test_every_linked_file_exists():
    links = re.findall(r"\]\((?!https:)([^)#]+)\)", README)
    assert links
    assert all((Path(__file__).parents[1] / link).exists() for link in links)
