"""What a device installs: the package alone, without any extra, in a fresh environment."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgediff import extras
from edgediff.errors import MissingExtraError
from edgediff.pack import pack

PROJECT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "edgediff", "cli")


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """The `bin` folder of an environment into which the project was installed without extras."""
    folder = tmp_path_factory.mktemp("bare")
    source = folder / "source"  # a copy: building leaves files beside the sources
    source.mkdir()
    for name in SOURCES:
        path = PROJECT / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, source / name)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    bin_folder = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    install = [bin_folder / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, source], check=True)
    return bin_folder


def _call(bare, *arguments):
    return subprocess.run([bare / "edgediff", *map(str, arguments)], capture_output=True, text=True)


def test_a_bare_install_answers_from_a_bundle_and_a_file(bare, tiny_base, tiny_run, tmp_path):
    pack(tiny_run, tmp_path / "colours.dpf")
    result = _call(bare, "run", tiny_base, tmp_path / "colours.dpf", "one red lamp", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    assert answer["label"] in ("no", "yes")
    assert _call(bare, "inspect", tmp_path / "colours.dpf").returncode == 0


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("train", ("export", "model", "base")),
        ("train", ("train", "model", "run", "--task", "sst2")),
        ("demo", ("demo",)),
        ("eval", ("eval", "base", "x.dpf", "--data", "rows.jsonl")),
    ],
)
def test_a_command_whose_extra_is_missing_prints_the_line_that_installs_it(bare, extra, arguments):
    result = _call(bare, *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    source = (bare.parents[1] / "source").as_uri()
    assert line.endswith(f'run pip install "edgediff[{extra}] @ {source}"')


def test_pip_takes_the_line_of_a_missing_extra(bare):
    line = _call(bare, "eval", "base", "x.dpf", "--data", "rows.jsonl").stderr.strip()
    pip, *arguments = shlex.split(line.split("run ")[1])
    tried = [bare / "python", "-m", pip, *arguments, "--dry-run", "--no-deps", "--report", "-", "--quiet"]
    report = subprocess.run(tried, capture_output=True, text=True, check=True).stdout
    (found,) = json.loads(report)["install"]
    assert (found["metadata"]["name"], found["requested_extras"]) == ("edgediff", ["eval"])


def test_an_editable_install_stays_one(monkeypatch):
    monkeypatch.setitem(extras.PACKAGES, "bench", ("no_such_package",))
    with pytest.raises(MissingExtraError, match="no_such_package") as refused:
        extras.require("bench", "a report")
    assert str(refused.value).endswith(f'run pip install --editable "{PROJECT}[bench]"')


def test_a_bare_install_holds_the_demos_rows_and_type_markers(bare):
    code = "import edgediff, edgediff_cli, pathlib; print(pathlib.Path(edgediff.__file__).parent.parent)"
    site = subprocess.run([bare / "python", "-I", "-c", code], capture_output=True, text=True, check=True)
    site = Path(site.stdout.strip())
    for name in ("edgediff/py.typed", "edgediff_cli/py.typed", "edgediff/demo/voice_commands/train.jsonl"):
        assert (site / name).is_file()
