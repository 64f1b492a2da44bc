import json
import subprocess
import sys
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from edgediff import read_dpf, write_dpf
from edgediff.diff import Base
from edgediff_cli.main import app

COMMANDS = ("demo", "eval", "export", "inspect", "pack", "run", "train")


def call(*arguments, stdin=None):
    """Run the command line in this process; give (exit code, standard output, standard error)."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def assert_one_sentence(outcome, *parts):
    """An outcome that is one line on standard error, exit code 1 and nothing on standard output."""
    code, stdout, stderr = outcome
    line = [text for text in stderr.splitlines() if not text.endswith("...")]
    assert (code, stdout, len(line)) == (1, "", 1), stderr
    assert line[0].startswith("edgediff: ")
    assert "Traceback" not in stderr
    for part in parts:
        assert part in line[0]


@pytest.fixture(scope="module")
def colours(tiny_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("dpf") / "colours.dpf"
    assert call("pack", tiny_run, path, "--bits", 6)[0] == 0
    return path


def test_every_command_has_help_and_every_option_too():
    code, stdout, _ = call("--help")
    assert code == 0
    for name in COMMANDS:
        assert f"  {name} " in stdout
        code, text, _ = call(name, "--help")
        assert code == 0
        option_lines = [line for line in text.splitlines() if line.startswith("  ")]
        assert all(len(line.split()) > 2 for line in option_lines if line.lstrip().startswith("-")), text


def test_the_road_from_a_checkpoint_to_an_answer(tiny_model, tiny_task, tmp_path):
    base, run, dpf = tmp_path / "base", tmp_path / "run", tmp_path / "colours.dpf"
    files = (
        "--task",
        tiny_task / "task.json",
        "--train",
        tiny_task / "train.jsonl",
        "--dev",
        tiny_task / "dev.jsonl",
    )
    assert call("export", tiny_model("bert"), base)[0] == 0
    assert (
        call("train", tiny_model("bert"), run, *files, "--density", 0.05, "--epochs", 1, "--rows", 64)[0] == 0
    )
    assert call("pack", run, dpf)[0] == 0
    code, stdout, _ = call("run", base, dpf, "one red lamp")
    assert code == 0
    assert stdout.split("\t")[0] in ("no", "yes")


def test_inspect_prints_one_object_with_all_it_knows(colours):
    code, stdout, _ = call("inspect", colours, "--json")
    found = json.loads(stdout)
    keys = "file_bytes nnz density bits_per_nonzero bits_per_index bits_per_value head_bytes base_fingerprint"
    assert code == 0
    assert {*keys.split(), "task", "tensors"} <= found.keys()
    assert found["file_bytes"] == colours.stat().st_size


def test_inspect_prints_a_table_for_people(colours):
    code, stdout, _ = call("inspect", colours)
    assert code == 0
    assert "densest tensors" in stdout
    layers = stdout.split("by layer\n")[1].split("\n\n")[0].splitlines()
    names = [line.split()[0] for line in layers]
    assert {"embeddings", "encoder.layer.0", "encoder.layer.1"} <= set(names)
    assert sum(int(line.split()[1].replace(",", "")) for line in layers) == read_dpf(colours).nnz
    assert read_dpf(colours).base.fingerprint in stdout


def test_eval_prints_one_object(tiny_base, colours, tiny_task):
    code, stdout, _ = call("eval", tiny_base, colours, "--data", tiny_task / "dev.jsonl", "--json")
    found = json.loads(stdout)
    assert code == 0
    assert found.keys() == {"metric", "score", "rows", "seconds", "accuracy"}
    assert (found["metric"], found["rows"]) == ("accuracy", 60)
    assert found["score"] == found["accuracy"]


def test_run_answers_lines_on_standard_input(tiny_base, colours):
    code, stdout, _ = call("run", tiny_base, colours, "--json", stdin="red lamp\none two\n")
    answers = [json.loads(line) for line in stdout.splitlines()]
    assert code == 0
    assert [answer.keys() for answer in answers] == [{"label", "scores"}] * 2
    assert all(answer["label"] in answer["scores"] for answer in answers)


def test_usage_errors_end_in_2(tmp_path):
    assert call("train", "minilm")[0] == 2
    assert call("pack", tmp_path, tmp_path / "x.dpf", "--bits", "many")[0] == 2
    assert "neither auto nor" in call("pack", tmp_path, tmp_path / "x.dpf", "--bits", "many")[2]
    assert call("no-such-command")[0] == 2


@pytest.mark.parametrize("density", ["0", "-1", "1.5", "nan"])
def test_a_density_outside_its_range(density, tiny_model, tiny_task, tmp_path):
    outcome = call("train", tiny_model("bert"), tmp_path / "run", "--task", "sst2", f"--density={density}")
    assert_one_sentence(outcome, "density is", "above 0 and at most 1")
    assert not (tmp_path / "run").exists()


def test_files_that_do_not_fit_leave_no_run_folder(tiny_model, tiny_task, tmp_path):
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"text": "one", "label": "maybe"}\n')
    fieldless = tmp_path / "fieldless.jsonl"
    fieldless.write_text('{"sentence": "one", "label": "yes"}\n')
    (tmp_path / "empty.jsonl").touch()
    for train, part in (
        (wrong, "found 'maybe', expected one of no, yes"),
        (fieldless, "has no field 'text'"),
        (tmp_path / "empty.jsonl", "is empty"),
        (tmp_path / "missing.jsonl", "does not exist"),
    ):
        files = ("--task", tiny_task / "task.json", "--train", train, "--dev", tiny_task / "dev.jsonl")
        assert_one_sentence(call("train", tiny_model("bert"), tmp_path / "run", *files), part, train.name)
    assert not (tmp_path / "run").exists()


def test_a_nan_label_is_named_with_its_row(tiny_model, tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\na,1\nb,nan\n")
    (tmp_path / "task.toml").write_text('name = "n"\nkind = "regression"\ntext = "text"\n')
    rows = tmp_path / "rows.csv"
    files = ("--task", tmp_path / "task.toml", "--train", rows, "--dev", rows)
    assert_one_sentence(call("train", tiny_model("bert"), tmp_path / "run", *files), "row 2", "found 'nan'")


def test_a_run_folder_that_exists(tiny_run, tiny_model, tiny_task):
    files = ("--task", "sst2", "--train", tiny_task / "train.jsonl", "--dev", tiny_task / "dev.jsonl")
    assert_one_sentence(call("train", tiny_model("bert"), tiny_run, *files), "exists already", "--resume")


def test_a_model_of_an_unsupported_architecture(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    outcome = call("export", tmp_path, tmp_path / "base")
    assert_one_sentence(outcome, "architecture 'gpt2'", "supported are")
    assert not (tmp_path / "base").exists()


def test_a_dpf_of_another_base(tiny_base, colours, tmp_path):
    diff = read_dpf(colours)
    other = Base("other", "0" * 64, diff.base.parameters, diff.base.width)
    write_dpf(tmp_path / "other.dpf", replace(diff, base=other))
    outcome = call("run", tiny_base, tmp_path / "other.dpf", "text")
    assert_one_sentence(outcome, "0" * 64, diff.base.fingerprint)


@pytest.mark.parametrize("command", ["inspect", "run", "eval"])
def test_a_truncated_dpf(command, tiny_base, colours, tiny_task, tmp_path):
    cut = tmp_path / "cut.dpf"
    cut.write_bytes(colours.read_bytes()[:-40])
    arguments = {
        "inspect": (cut,),
        "run": (tiny_base, cut, "text"),
        "eval": (tiny_base, cut, "--data", tiny_task / "dev.jsonl"),
    }[command]
    assert_one_sentence(call(command, *arguments), "cut.dpf", "bytes")


def test_a_folder_that_is_no_run(tmp_path):
    assert_one_sentence(call("pack", tmp_path / "none", tmp_path / "x.dpf"), "is no folder")
    assert_one_sentence(call("pack", tmp_path, tmp_path / "x.dpf"), "its training is not finished")
    assert not (tmp_path / "x.dpf").exists()


@pytest.mark.parametrize(("size", "most"), [("1.2KB", 1200), ("1KiB", 1024), ("900", 900)])
def test_pack_keeps_to_a_size(size, most, tiny_run, tmp_path):
    assert call("pack", tiny_run, tmp_path / "x.dpf", "--max-bytes", size)[0] == 0
    assert (tmp_path / "x.dpf").stat().st_size <= most


def test_a_size_that_is_none_or_too_small(tiny_run, tmp_path):
    assert call("pack", tiny_run, tmp_path / "x.dpf", "--max-bytes", "large")[0] == 2
    outcome = call("pack", tiny_run, tmp_path / "x.dpf", "--max-bytes", "100")
    assert_one_sentence(outcome, "bytes without any entry, at most 100 are allowed")
    assert not (tmp_path / "x.dpf").exists()


@pytest.mark.parametrize("bits", [1, 9])
def test_bits_outside_their_range(bits, tiny_run, tmp_path):
    assert_one_sentence(call("pack", tiny_run, tmp_path / "x.dpf", "--bits", bits), f"bits is {bits}")


def test_a_file_in_a_folder_that_is_missing(tiny_run, tmp_path):
    outcome = call("pack", tiny_run, tmp_path / "none" / "x.dpf")
    assert_one_sentence(outcome, "cannot write", "No such file or directory")


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from edgediff_cli.main import app
app(sys.argv[2:])
"""


@pytest.mark.parametrize("command", ["pack", "export"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(command, tiny_run, tiny_model, tmp_path):
    """The kernel really refuses the write: no file of the process may grow beyond 500 bytes."""
    source = tiny_run if command == "pack" else tiny_model("bert")
    arguments = [sys.executable, "-c", FULL_DISK, "500", command, str(source), str(tmp_path / "out")]
    result = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path)
    assert_one_sentence((result.returncode, result.stdout, result.stderr), "cannot write", "out")
    assert list(tmp_path.iterdir()) == []
