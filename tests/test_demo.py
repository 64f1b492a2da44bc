"""The demo, for real: MiniLM learns the shipped voice commands and answers on onnxruntime."""

import subprocess
import sys
from pathlib import Path

import pytest

from edgediff.demo import demo
from edgediff.errors import OutputError
from edgediff.score import load_task, read_rows


def test_the_demo_ends_in_right_answers_and_a_small_file(tmp_path):
    said = []
    result = demo(tmp_path / "demo", say=said.append)
    intents = [answer.label for answer in result.answers]
    assert intents == ["change_brightness", "play_music", "get_weather", "set_alarm", "add_to_shopping_list"]
    assert result.evaluation.score > 0.86
    assert result.file_bytes == result.dpf.stat().st_size <= 40_000
    assert "  11,357 parameters changed, 0.05%; products of 42,240 numbers" in said
    assert [line.split()[2] for line in said if line.startswith("$ edgediff")][:4] == [
        "export",
        "train",
        "pack",
        "eval",
    ]


def test_an_existing_folder_is_left_alone(tmp_path):
    with pytest.raises(OutputError, match="File exists"):
        demo(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_rows_are_those_that_the_script_makes():
    script = Path(__file__).parents[1] / "scripts" / "make_voice_commands.py"
    subprocess.run([sys.executable, script, "--check"], check=True)


def test_held_out_rows_are_no_training_rows_and_every_intent_has_its_share(voice_data):
    task = load_task(voice_data / "task.toml")
    train, dev = (read_rows(voice_data / f"{name}.jsonl", task) for name in ("train", "dev"))
    assert len(train) >= 1500
    assert not set(train.texts) & set(dev.texts)
    for rows in (train, dev):
        counts = [int((rows.targets == label).sum()) for label in range(len(task.labels))]
        assert min(counts) == max(counts)
