"""The example program, run as its own first line says."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from edgediff import read_dpf
from edgediff.format import write_dpf
from edgediff.pack import pack

EXAMPLE = Path(__file__).parents[1] / "examples" / "two_tasks.py"


def test_two_tasks_answer_each_line_in_turn(tiny_base, tiny_run, tmp_path):
    first, second = tmp_path / "first.dpf", tmp_path / "second.dpf"
    pack(tiny_run, first)
    diff = read_dpf(first)
    write_dpf(second, replace(diff, task=replace(diff.task, name="other", labels=("none", "some"))))
    command = [sys.executable, "-W", "error", str(EXAMPLE), str(tiny_base), str(first), str(second)]
    environment = {"EDGEDIFF_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        command, input="a red lamp\ntwo big\n", capture_output=True, text=True, check=True, env=environment
    )
    mode, *answers = done.stdout.splitlines()
    assert mode == "live mode, tasks colours, other"
    assert [line.split(":")[0] for line in answers] == ["colours", "other"] * 2
    assert {line.split()[1] for line in answers} <= {"no", "yes", "none", "some"}


def test_the_example_has_at_most_forty_lines():
    assert len(EXAMPLE.read_text().splitlines()) <= 40
