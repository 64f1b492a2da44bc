"""What goes wrong from outside: signals, kills, full disks, damaged checkpoints, rows that cannot serve."""

import json
import random
import shutil
import signal
import struct
from dataclasses import replace

import pytest
from children import Command, Training

from edgediff.errors import DataError, RunError, StoppedError, TrainingError
from edgediff.train import Method, Precision, Settings, train

SETTINGS = Settings(  # 40 steps
    method=Method.STRUCTURED, density=0.05, epochs=4, batch_size=16, precision=Precision.FP32
)
METHODS = {
    "structured": SETTINGS,
    "early": replace(SETTINGS, method=Method.EARLY),
    "patience": replace(SETTINGS, patience=2, mask_rate=1e-2),
    "low-rank": replace(SETTINGS, method=Method.LOW_RANK, density=None),
    "early-low-rank": replace(SETTINGS, method=Method.EARLY_LOW_RANK),
}


def paths(files):
    return {"task": files / "task.json", "train": files / "train.jsonl", "dev": files / "dev.jsonl"}


def options(files, settings=SETTINGS, **more):
    return paths(files) | {"settings": settings, "checkpoint_seconds": 0} | more  # one after every step


def result_of(folder):
    """The diff's bytes, and the history."""
    history = json.loads((folder / "train.json").read_text())["history"]
    return (folder / "diff.safetensors").read_bytes(), history


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


FINISHED = ["diff.safetensors", "task.json", "train.json"]


@pytest.fixture(scope="module")
def unbroken(tiny_model, tiny_task, tmp_path_factory):
    """What an unbroken run of each of `METHODS` gives."""
    folder, results = tmp_path_factory.mktemp("unbroken"), {}
    for name, settings in METHODS.items():
        with Training(tiny_model("bert"), folder / name, **options(tiny_task, settings)) as training:
            assert training.wait() == 0, training.error
        results[name] = result_of(folder / name)
    return results


@pytest.mark.parametrize("name", METHODS)
def test_a_run_that_is_killed_time_and_again_resumes_to_the_same_bits(
    name, tiny_model, tiny_task, unbroken, tmp_path
):
    choose, kills, settings = random.Random(name), 0, METHODS[name]
    for _ in range(4):
        run = Training(tiny_model("bert"), tmp_path / "run", **options(tiny_task, settings, resume=kills > 0))
        with run as training:
            if training.see_steps(choose.randint(2, 8)):
                training.signal(signal.SIGKILL)
                assert training.wait() == -signal.SIGKILL
                kills += 1
    assert kills >= 2
    with Training(
        tiny_model("bert"), tmp_path / "run", **options(tiny_task, settings, resume=True)
    ) as training:
        assert training.wait() == 0, training.error
    assert result_of(tmp_path / "run") == unbroken[name]
    assert names_in(tmp_path / "run") == FINISHED


def test_what_a_killed_process_had_begun_to_write_is_removed(tiny_model, tiny_task, unfinished):
    for name in (".checkpoint.safetensors.abcd.part", ".diff.safetensors.abcd.part"):
        (unfinished / name).write_bytes(b"begun")
    resume(tiny_model("bert"), unfinished, tiny_task)
    assert names_in(unfinished) == FINISHED


def test_a_folder_in_use_is_refused_and_a_killed_holder_does_not_block_it(
    tiny_model, tiny_task, unbroken, tmp_path
):
    run = tmp_path / "run"
    with Training(tiny_model("bert"), run, **options(tiny_task)) as holder:
        assert holder.see_steps(3)
        holder.signal(signal.SIGSTOP)  # it holds the folder for as long as the test takes
        before = names_in(run)
        with Command(tmp_path, *command(tiny_model("bert"), run, tiny_task), "--resume") as second:
            assert second.wait() == 1
        assert sentences(second) == [
            f"edgediff: {run} is in use by another process: wait for it, or name another folder"
        ]
        assert names_in(run) == before
        holder.signal(signal.SIGKILL)
        assert holder.wait() == -signal.SIGKILL
    assert ".lock" in names_in(run)
    train(tiny_model("bert"), run, **options(tiny_task, resume=True))
    assert result_of(run) == unbroken["structured"]
    assert names_in(run) == FINISHED


def command(model, run, files, epochs=4):
    rows = ("--task", files / "task.json", "--train", files / "train.jsonl", "--dev", files / "dev.jsonl")
    how = ("--method", "structured", "--density", 0.05, "--epochs", epochs, "--batch-size", 16)
    return "train", model, run, *rows, *how, "--precision", "fp32"


def sentences(finished):
    """The lines on standard error that are neither progress nor the first "loading ..."."""
    lines = finished.stderr.splitlines()
    return [
        line for line in lines if not line.startswith(("loading ", " gates ", "  mask ", "gates", "mask"))
    ]


@pytest.fixture(scope="module")
def long_run(tiny_model, tiny_task, tmp_path_factory):
    """What 200 steps give that nobody stopped."""
    run = tmp_path_factory.mktemp("long") / "run"
    with Training(
        tiny_model("bert"), run, **paths(tiny_task), settings=replace(SETTINGS, epochs=20)
    ) as training:
        assert training.wait() == 0, training.error
    return result_of(run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command_after_its_step_and_resume_loses_nothing(
    number, tiny_model, tiny_task, long_run, tmp_path
):
    run = tmp_path / "run"
    arguments = command(tiny_model("bert"), run, tiny_task, epochs=20)
    with Command(tmp_path, *arguments) as stopped:
        assert stopped.see(" gates 10/100 ")
        stopped.signal(number)
        assert stopped.wait() == 130
    assert stopped.stdout == ""
    (sentence,) = sentences(stopped)
    assert sentence.startswith("edgediff: stopped after step ")
    assert f"of 100 of stage gates, nothing is lost: the same command with --resume goes on with {run}" in (
        sentence
    )
    assert names_in(run) == ["checkpoint.safetensors"]
    with Command(tmp_path, *arguments, "--resume") as resumed:
        assert resumed.wait() == 0, resumed.stderr
    assert result_of(run) == long_run
    assert names_in(run) == FINISHED


def test_ctrl_c_pressed_twice_ends_the_process_at_once(tiny_model, tiny_task, tmp_path):
    def press_twice(stage, done, total, text):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(
            tiny_model("bert"), tmp_path / "run", **paths(tiny_task), settings=SETTINGS, progress=press_twice
        )
    assert names_in(tmp_path / "run") == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_and_a_request_to_end_at_once_stop_a_run_once(tiny_model, tiny_task, tmp_path):
    with Training(
        tiny_model("bert"), tmp_path / "run", **paths(tiny_task), settings=replace(SETTINGS, epochs=20)
    ) as training:
        assert training.see_steps(3)
        training.signal(signal.SIGSTOP)
        training.signal(signal.SIGTERM)
        training.signal(signal.SIGINT)
        training.signal(signal.SIGCONT)
        assert training.wait() == 3
    assert training.error[0] == "StoppedError"


def test_a_loss_that_is_no_number_names_its_step_and_leaves_the_checkpoint(tiny_model, tiny_task, tmp_path):
    settings = replace(SETTINGS, mask_rate=1e30)
    with pytest.raises(TrainingError, match=r"the loss is nan at step \d+ of stage mask: .*learning rates"):
        train(tiny_model("bert"), tmp_path / "run", **options(tiny_task, settings))
    assert names_in(tmp_path / "run") == ["checkpoint.safetensors"]
    assert checkpoint_in(tmp_path / "run")["stage"] == "mask"


def checkpoint_in(folder):
    """The plain part of the folder's checkpoint."""
    return parts_of(folder / "checkpoint.safetensors")[0]


def parts_of(path):
    """A checkpoint file as its plain part, its header and its tensors' bytes."""
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    return json.loads(header["__metadata__"]["edgediff"]), header, data[8 + size :]


def write_parts(path, plain, header, tensors):
    header["__metadata__"] = {"edgediff": json.dumps(plain)} if plain is not None else {}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + tensors)


def test_a_full_disk_ends_the_run_and_leaves_the_earlier_checkpoint(
    tiny_model, tiny_task, unbroken, tmp_path
):
    run = tmp_path / "run"
    with Training(tiny_model("bert"), run, **options(tiny_task), file_limit_at=6) as training:
        assert training.wait() == 3
    assert training.error == (
        "OutputError",
        f"cannot write {run / 'checkpoint.safetensors'}: File too large",
    )
    assert names_in(run) == ["checkpoint.safetensors"]
    assert (checkpoint_in(run)["stage"], checkpoint_in(run)["step"]) == ("gates", 5)
    train(tiny_model("bert"), run, **options(tiny_task, resume=True))
    assert result_of(run) == unbroken["structured"]


@pytest.fixture(scope="module")
def stopped_run(tiny_model, tiny_task, tmp_path_factory):
    """A run that Ctrl-C stopped after three steps."""
    folder = tmp_path_factory.mktemp("stopped") / "run"

    def press(stage, done, total, text):
        if done == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(StoppedError, match="stopped after step 3 of 20 of stage gates"):
        train(tiny_model("bert"), folder, **options(tiny_task), progress=press)
    return folder


@pytest.fixture
def unfinished(stopped_run, tmp_path):
    """A copy of `stopped_run` of one's own."""
    return shutil.copytree(stopped_run, tmp_path / "run")


def resume(model, run, files, settings=SETTINGS):
    return train(model, run, **options(files, settings, resume=True))


def test_a_run_does_not_go_on_with_other_settings(tiny_model, tiny_task, unfinished):
    with pytest.raises(RunError) as refused:
        resume(tiny_model("bert"), unfinished, tiny_task, replace(SETTINGS, seed=1))
    assert str(refused.value) == f"{unfinished} was begun with seed 0, it cannot go on with 1"


def test_a_run_does_not_go_on_with_another_task(tiny_model, tiny_task, unfinished, tmp_path):
    files = shutil.copytree(tiny_task, tmp_path / "files")
    definition = json.loads((files / "task.json").read_text())
    (files / "task.json").write_text(json.dumps(definition | {"max_length": 8}))
    with pytest.raises(RunError, match="was begun with max_length 128, it cannot go on with 8"):
        resume(tiny_model("bert"), unfinished, files)


@pytest.mark.parametrize(("name", "other"), [("precision", "bf16"), ("processes", 2)])
def test_a_run_does_not_go_on_in_another_precision_or_other_processes(
    name, other, tiny_model, tiny_task, unfinished
):
    plain, header, tensors = parts_of(unfinished / "checkpoint.safetensors")
    plain["identity"][name] = other
    write_parts(unfinished / "checkpoint.safetensors", plain, header, tensors)
    with pytest.raises(RunError, match=f"was begun with {name} {other!r}, it cannot go on with "):
        resume(tiny_model("bert"), unfinished, tiny_task)


def test_a_run_does_not_go_on_with_another_base(tiny_model, tiny_task, unfinished):
    with pytest.raises(RunError, match="was begun with base"):
        resume(tiny_model("electra"), unfinished, tiny_task)


@pytest.mark.parametrize(("file", "what"), [("train", "rows"), ("dev", "dev_rows")])
def test_a_run_does_not_go_on_with_other_rows(file, what, tiny_model, tiny_task, unfinished, tmp_path):
    files = shutil.copytree(tiny_task, tmp_path / "files")
    lines = (files / f"{file}.jsonl").read_text().splitlines()
    (files / f"{file}.jsonl").write_text("\n".join([*lines[1:], lines[0]]))
    with pytest.raises(RunError, match=f"was begun with {what} "):
        resume(tiny_model("bert"), unfinished, files)


def test_a_run_does_not_go_on_with_another_version(tiny_model, tiny_task, unfinished):
    plain, header, tensors = parts_of(unfinished / "checkpoint.safetensors")
    plain["identity"]["edgediff"] = "0.0.9"
    write_parts(unfinished / "checkpoint.safetensors", plain, header, tensors)
    with pytest.raises(RunError, match=r"was begun with edgediff '0\.0\.9', it cannot go on with"):
        resume(tiny_model("bert"), unfinished, tiny_task)


def test_a_checkpoint_taken_apart_and_put_together_is_the_same(tiny_model, tiny_task, unbroken, unfinished):
    write_parts(unfinished / "checkpoint.safetensors", *parts_of(unfinished / "checkpoint.safetensors"))
    resume(tiny_model("bert"), unfinished, tiny_task)
    assert result_of(unfinished) == unbroken["structured"]


DAMAGES = {
    "empty": lambda data: b"",
    "cut short": lambda data: data[:-1],
    "cut in its header": lambda data: data[:100],
    "too long": lambda data: data + b"\0",
    "of another length": lambda data: b"\xff" * 8 + data[8:],
    "not a checkpoint": lambda data: b"\0" * len(data),
    "of broken text": lambda data: data.replace(b"identity", b"\xff\xfeentity", 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_refused(damage, tiny_model, tiny_task, unfinished):
    path = unfinished / "checkpoint.safetensors"
    damaged = DAMAGES[damage](path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(RunError, match=r"checkpoint\.safetensors cannot be read: "):
        resume(tiny_model("bert"), unfinished, tiny_task)
    assert path.read_bytes() == damaged


STRANGE = {
    "no plain part": lambda plain: None,
    "no step": lambda plain: {key: value for key, value in plain.items() if key != "step"},
    "a key too many": lambda plain: plain | {"more": 1},
    "a list": lambda plain: [plain],
    "a list for its identity": lambda plain: plain | {"identity": []},
}


@pytest.mark.parametrize("strange", STRANGE)
def test_a_checkpoint_whose_plain_part_is_strange_is_refused(strange, tiny_model, tiny_task, unfinished):
    plain, header, tensors = parts_of(unfinished / "checkpoint.safetensors")
    write_parts(unfinished / "checkpoint.safetensors", STRANGE[strange](plain), header, tensors)
    with pytest.raises(RunError, match=r"checkpoint\.safetensors cannot be read: "):
        resume(tiny_model("bert"), unfinished, tiny_task)


def with_rows(tiny_task, folder, rows):
    """A copy of the tiny task that trains on `rows`."""
    files = shutil.copytree(tiny_task, folder)
    (files / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return files


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["yes"], r"all 20 training rows have the label 'yes': there is nothing to learn"),
        (["yes", "no", 2], r"train\.jsonl, row 3, field 'label': .*2"),
        (["yes", "no", -1], r"train\.jsonl, row 3, field 'label': .*-1"),
        (["yes", "no", "maybe"], r"train\.jsonl, row 3, field 'label': .*'maybe'"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused_before_anything_is_written(
    labels, sentence, tiny_model, tiny_task, tmp_path
):
    rows = [{"text": "one red lamp", "label": labels[i % len(labels)]} for i in range(20)]
    files = with_rows(tiny_task, tmp_path / "files", rows)
    with pytest.raises(DataError, match=sentence):
        train(tiny_model("bert"), tmp_path / "run", **options(files))
    assert not (tmp_path / "run").exists()


def test_the_command_says_once_which_rows_are_empty_and_which_are_cut(tiny_model, tiny_task, tmp_path):
    texts = ["one red lamp"] * 15 + [""] * 2 + ["  "] + ["big lamp " * 40] * 2
    rows = [{"text": text, "label": "yes" if i % 2 else "no"} for i, text in enumerate(texts)]
    files = with_rows(tiny_task, tmp_path / "files", rows)
    arguments = command(tiny_model("bert"), tmp_path / "run", files, epochs=1)
    with Command(tmp_path, *arguments) as finished:
        assert finished.wait() == 0, finished.stderr
    assert sentences(finished) == [
        "note: 2 of 20 training rows were cut: they have more than 64 tokens",
        "note: 3 texts of the training rows are empty",
    ]
    record = json.loads((tmp_path / "run" / "train.json").read_text())
    assert record["cut_rows"] == {"train": 2, "dev": 0}
    assert finished.stdout.startswith(f"{tmp_path / 'run'}: colours, dev accuracy ")
