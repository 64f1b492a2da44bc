import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from diffs import made_diff, made_task
from typer.testing import CliRunner

from edgediff import read_dpf, write_dpf
from edgediff.diff import Base, Kind, Metric, Task
from edgediff.format import read_run
from edgediff_cli.main import app

COMMANDS = ("demo", "doctor", "eval", "export", "extract", "inspect", "pack", "run", "train")


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
    code, stdout, _ = call(
        "train", tiny_model("bert"), run, *files, "--density", 0.05, "--epochs", 1, "--rows", 64
    )
    assert code == 0
    assert re.search(
        r"[\d,]+ of [\d,]+ parameters changed, products of [\d,]+ numbers$", stdout, re.MULTILINE
    )
    assert call("pack", run, dpf)[0] == 0
    code, stdout, _ = call("inspect", dpf)
    assert code == 0
    assert re.search(r"^changed +[\d,]+ parameters, density [45]\.\d+%$", stdout, re.MULTILINE)
    assert re.search(r"^low rank +13 parameters changed as a whole, rank 1$", stdout, re.MULTILINE)
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


@pytest.mark.parametrize("encoding", ["utf-8:surrogateescape", "utf-8:strict"])
def test_lines_that_are_no_utf_8_are_refused(encoding, tiny_base, colours):
    command = [sys.executable, "-m", "edgediff_cli", "run", tiny_base, colours]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, input=b"red\ncaf\xe9\n", capture_output=True, env=environment)
    expected = {
        "utf-8:strict": b"standard input is not utf-8: ",
        "utf-8:surrogateescape": b"text 2 has a char",
    }
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"edgediff: " + expected[encoding])
    assert done.stderr.count(b"\n") == 1


def test_a_result_that_cannot_be_written_is_one_sentence(tiny_base, colours):
    command = [sys.executable, "-m", "edgediff_cli", "run", tiny_base, colours, "red"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (
        1,
        "edgediff: cannot write the result: No space left on device\n",
    )


def test_names_in_a_file_do_not_reach_the_terminal_as_commands(tiny_base, tmp_path):
    diff = made_diff(tiny_base, Task("t", Kind.CLASSIFICATION, "text", labels=("\x1b[2J", "\x9bno")))
    diff = replace(diff, base=replace(diff.base, name="b\nfingerprint  000"))
    write_dpf(tmp_path / "t.dpf", diff)
    code, stdout, _ = call("inspect", tmp_path / "t.dpf")
    assert code == 0
    assert r"labels       \x1b[2J, \x9bno" in stdout
    assert r"base         b\nfingerprint  000," in stdout
    assert all(character.isprintable() for character in stdout.replace("\n", ""))
    assert call("run", tiny_base, tmp_path / "t.dpf", "red")[1].startswith("\\x")


def test_run_prints_words_spans_numbers_and_labels(tiny_base, tmp_path):
    several = Task("m", Kind.MULTI_LABEL, "text", labels=("a", "b"), metric=Metric.F1)
    number = Task("n", Kind.REGRESSION, "text", metric=Metric.PEARSON_SPEARMAN)
    words = Task("w", Kind.TOKEN_CLASSIFICATION, "words", labels=("A", "B"), metric=Metric.F1, max_length=4)
    asked = Task("q", Kind.QUESTION_ANSWERING, "q", "c", None, (), Metric.F1, "answers")
    for task in (several, number, words, asked):
        write_dpf(tmp_path / f"{task.name}.dpf", made_diff(tiny_base, task))

    def ask(name, *more, stdin=None):
        code, stdout, stderr = call("run", tiny_base, tmp_path / f"{name}.dpf", *more, stdin=stdin)
        assert code == 0, stderr
        return stdout

    words_of_two = ask("w", stdin="one red lamp\ntwo\n")
    rows = [line.split("\t") for line in words_of_two.splitlines()]
    assert [row[0] for row in rows] == ["one", "red", "lamp", "", "two", ""]
    assert [len(row) for row in rows] == [3, 3, 3, 1, 3, 1]
    assert rows[2] == ["lamp", "-", "0.000"]
    found = json.loads(ask("w", "one red lamp", "--json"))["words"]
    assert [word["word"] for word in found] == ["one", "red", "lamp"]
    assert found[2] == {"word": "lamp", "label": None, "probability": 0.0}
    found = json.loads(ask("q", "two", "one red lamp", "--json"))
    assert "one red lamp"[found["start"] :].startswith(found["text"])
    assert ask("q", "two", "one red lamp") == f"{found['text']}\t{found['score']:.3f}\n"
    found = json.loads(ask("q", "--json", stdin="two\t\n"))  # no context, no answer
    assert (found["text"], found["start"]) == ("", 0)
    assert ask("n", "red") == f"{json.loads(ask('n', 'red', '--json'))['label']:.3f}\n"
    found = json.loads(ask("m", "red", "--json"))
    assert found["label"] == [name for name, share in found["scores"].items() if share > 0.5]


@pytest.fixture
def two_files(tiny_base, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path / "cache"))
    for seed, name in enumerate(("first", "second")):
        write_dpf(tmp_path / f"{name}.dpf", made_diff(tiny_base, made_task(name), seed))
    return tmp_path / "first.dpf", "--file", tmp_path / "second.dpf"


def test_one_of_several_tasks_answers_or_all_together(tiny_base, two_files):
    first, _, second = two_files
    for task, alone in (("first", first), ("second", second)):
        found = call("run", tiny_base, *two_files, "--task", task, "--json", stdin="red lamp\none\n")
        assert found == call("run", tiny_base, alone, "--json", stdin="red lamp\none\n")
        assert found[0] == 0
    both = ("--task", "first", "--task", "second")
    code, stdout, _ = call("run", tiny_base, *two_files, *both, "red lamp", "--json")
    assert code == 0
    assert stdout != call("run", tiny_base, second, "red lamp", "--json")[1]


def test_each_line_names_its_task_where_several_answer(tiny_base, two_files):
    lines = "second\tred lamp\nfirst\tred lamp\nfirst\tone\nsecond\ttwo\n"
    code, stdout, _ = call("run", tiny_base, *two_files, stdin=lines)
    found = [line.split("\t") for line in stdout.splitlines()]
    assert code == 0
    first, _, second = two_files
    for position, file, text in ((0, second, "red lamp"), (1, first, "red lamp"), (2, first, "one")):
        label, share = call("run", tiny_base, file, text)[1].strip().split("\t")
        assert found[position][0] == label
        assert float(found[position][1]) == pytest.approx(float(share), abs=0.002)
    assert len(found) == 4


@pytest.mark.parametrize(
    ("arguments", "stdin", "parts"),
    [
        (("red lamp",), None, ("several tasks", "--task NAME")),
        ((), "third\tred\n", ("no task 'third'", "first, second")),
        ((), "first\n", ("lines of 1 parts, expected a task's name, a tab and a text",)),
        ((), "", ("no line",)),
        (("--task", "third", "red"), None, ("no task 'third'",)),
        (("--task", "first", "red", "lamp"), None, ("takes one text, found two",)),
    ],
)
def test_a_question_for_several_tasks_that_none_can_answer(arguments, stdin, parts, tiny_base, two_files):
    code, stdout, stderr = call("run", tiny_base, *two_files, *arguments, stdin=stdin)
    errors = [line for line in stderr.splitlines() if not line.startswith("note: ")]
    assert_one_sentence((code, stdout, "\n".join(errors)), *parts)


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


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (("--method", "best"), ("method is 'best'", "expected one of early-low-rank, low-rank, early")),
        (("--components", "bias,heads"), ("components is 'heads'", "expected one of embeddings")),
        (("--precision", "fp16"), ("precision is 'fp16'", "auto, fp32, bf16")),
        (("--bits", 9), ("bits is 9", "from 2 to 8")),
        (("--patience", 0), ("patience is 0", "at least 1")),
        (("--accumulation", -1), ("accumulation is -1", "at least 1")),
        (("--batch-size", 0), ("batch_size is 0", "at least 1")),
        (("--epochs", "inf"), ("epochs is inf", "above 0")),
        (("--size", "100"), ("size is 100 bytes", "products of rank 1 need about")),
        (("--size", "100", "--method", "early"), ("size is 100 bytes", "a file without any entry needs")),
        (("--exclude", "*"), ("leave no parameter",)),
    ],
)
def test_a_value_that_cannot_be_used_is_one_sentence_and_leaves_no_run_folder(
    flags, parts, tiny_model, tiny_task, tmp_path
):
    files = ("--task", tiny_task / "task.json", "--train", tiny_task / "train.jsonl")
    dev = ("--dev", tiny_task / "dev.jsonl")
    outcome = call("train", tiny_model("bert"), tmp_path / "run", *files, *dev, *flags)
    assert_one_sentence(outcome, *parts)
    assert not (tmp_path / "run").exists()


def test_what_is_no_number_or_no_size_ends_in_2(tiny_model, tmp_path):
    for flags in (("--size", "big"), ("--bits", "few"), ("--epochs", "many"), ("--workers", "all")):
        code, stdout, stderr = call("train", tiny_model("bert"), tmp_path / "run", "--task", "sst2", *flags)
        assert (code, stdout) == (2, "")
        assert flags[0] in stderr
    assert list(tmp_path.iterdir()) == []


def test_one_task_or_a_file_of_tasks_is_asked_for(tiny_model, tmp_path):
    both = ("--task", "sst2", "--tasks", tmp_path / "tasks.toml")
    for flags in ((), both):
        outcome = call("train", tiny_model("bert"), tmp_path / "run", *flags)
        assert_one_sentence(outcome, "give --task NAME or --tasks FILE")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            ("--task", "sst2", "--workers", 2),
            "--workers is how many of --tasks are trained at once: --task is",
        ),
        (("--tasks", "tasks.toml", "--resume"), "--tasks takes no --resume: given again, it goes on with"),
        (
            ("--task", "sst2", "--density", 0.01, "--size", "60KB"),
            "density is 0.01 and size 60000, expected one of the two",
        ),
    ],
)
def test_flags_of_which_one_would_say_nothing_are_refused(flags, sentence, tiny_model, tmp_path):
    assert_one_sentence(call("train", tiny_model("bert"), tmp_path / "run", *flags), sentence)
    assert list(tmp_path.iterdir()) == []


def test_an_extracted_diff_has_a_density_or_a_size(tiny_model, tmp_path):
    arguments = (tiny_model("bert"), tmp_path, tmp_path / "run", "--task", "sst2", "--density", 0.01)
    outcome = call("extract", *arguments, "--size", "60KB")
    assert_one_sentence(outcome, "density is 0.01 and size 60000, expected one of the two")


def test_flags_reach_the_record_and_the_run_is_packed_to_its_size_and_bits(tiny_model, tiny_task, tmp_path):
    files = ("--task", tiny_task / "task.json", "--train", tiny_task / "train.jsonl")
    flags = ("--method", "early", "--size", "1.5KB", "--bits", 3, "--epochs", 1, "--batch-size", 16)
    names = ("--components", "attention, ffn", "--exclude", "*.0.*", "--exclude", "pooler.*")
    more = ("--accumulation", 2, "--seed", 7, "--patience", 2, "--precision", "fp32")
    arguments = (*files, "--dev", tiny_task / "dev.jsonl", *flags, *names, *more)
    code, stdout, _ = call("train", tiny_model("bert"), tmp_path / "run", *arguments)
    assert code == 0
    assert stdout.startswith(f"{tmp_path / 'run'}: colours, dev accuracy ")
    settings = json.loads((tmp_path / "run" / "train.json").read_text())["settings"]
    wanted = {"method": "early", "size": 1500, "bits": 3, "epochs": 1, "batch_size": 16, "accumulation": 2}
    wanted |= {"components": ["attention", "ffn"], "exclude": ["*.0.*", "pooler.*"], "seed": 7, "patience": 2}
    assert settings.items() >= (wanted | {"precision": "fp32"}).items()
    assert call("pack", tmp_path / "run", tmp_path / "x.dpf")[0] == 0
    assert 1100 < (tmp_path / "x.dpf").stat().st_size <= 1500
    assert len(read_dpf(tmp_path / "x.dpf").levels) <= 4
    assert call("pack", tmp_path / "run", tmp_path / "y.dpf", "--max-bytes", "1KB", "--bits", 2)[0] == 0
    assert (tmp_path / "y.dpf").stat().st_size <= 1000
    assert len(read_dpf(tmp_path / "y.dpf").levels) <= 2


def test_a_dense_method_has_a_score_and_nothing_to_pack(tiny_model, tiny_task, tmp_path):
    files = ("--task", tiny_task / "task.json", "--train", tiny_task / "train.jsonl")
    more = ("--dev", tiny_task / "dev.jsonl", "--method", "last-layer", "--epochs", 1, "--rows", 64)
    code, stdout, _ = call("train", tiny_model("bert"), tmp_path / "run", *files, *more)
    assert code == 0
    assert stdout.startswith(f"{tmp_path / 'run'}: colours, dev accuracy ")
    assert "changed" not in stdout
    outcome = call("pack", tmp_path / "run", tmp_path / "x.dpf")
    assert_one_sentence(outcome, "the method 'last-layer' gives no diff")


def test_extract_cuts_or_tunes_and_refuses_what_is_no_checkpoint(tiny_model, tiny_task, tmp_path):
    model = transformers.BertForSequenceClassification.from_pretrained(tiny_model("bert"), num_labels=2)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator)
    model.save_pretrained(tmp_path / "tuned")
    task = ("--task", tiny_task / "task.json")
    rows = ("--train", tiny_task / "train.jsonl", "--dev", tiny_task / "dev.jsonl", "--epochs", 1)
    for name, more, told in (("cut", (), "cut, not tuned"), ("run", rows, "dev accuracy ")):
        arguments = (tiny_model("bert"), tmp_path / "tuned", tmp_path / name, *task, *more)
        code, stdout, _ = call("extract", *arguments, "--density", 0.01)
        assert code == 0
        assert stdout.startswith(f"{tmp_path / name}: colours, {told}")
        nnz = read_run(tmp_path / name).nnz
        assert f", {nnz:,} of " in stdout
        assert call("pack", tmp_path / name, tmp_path / f"{name}.dpf")[0] == 0
    outcome = call("extract", tiny_model("bert"), tmp_path / "cut", tmp_path / "no", *task)
    assert_one_sentence(outcome, "is no checkpoint folder")
    assert not (tmp_path / "no").exists()


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
    assert_one_sentence(call("pack", "n" * 300, tmp_path / "x.dpf"), "nnn: File name too long")
    assert_one_sentence(call("pack", tmp_path, tmp_path / "x.dpf"), "or its training is not finished")
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
