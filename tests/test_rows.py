import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

from edgediff.diff import GLUE_TASKS, Kind, Metric, Task
from edgediff.errors import DataError, TaskError
from edgediff.score import load_task, read_rows
from edgediff.score.rows import download_rows

TASK = Task("t", Kind.CLASSIFICATION, "text", labels=("no", "yes"))
PAIR = replace(TASK, text_pair="other")
NUMBER = Task("n", Kind.REGRESSION, "text", metric=Metric.PEARSON_SPEARMAN)
ROWS = [
    {"text": 'a "quoted", text', "other": "x", "label": "yes"},
    {"text": "naïve — ☕", "other": "y", "label": "no"},
    {"text": "", "other": "z", "label": "yes"},
]


def _write(path, rows):
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines, "utf-8")
    return path


def _write_table(path):
    import pandas

    frame = pandas.DataFrame(ROWS)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        lines = ["\t".join(row.values()) for row in ROWS]
        path.write_text("\n".join(["text\tother\tlabel", *lines]) + "\n", "utf-8")
    return path


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "ROWS.JSONL"])
def test_json_lines_are_read_plain_and_compressed(tmp_path, name):
    rows = read_rows(_write(tmp_path / name, ROWS), PAIR)
    assert rows.texts == [row["text"] for row in ROWS]
    assert rows.pairs == ["x", "y", "z"]
    assert rows.targets.tolist() == [1, 0, 1]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "tsv"])
def test_tables_are_read(tmp_path, suffix):
    rows = read_rows(_write_table(tmp_path / f"rows.{suffix}"), PAIR)
    assert rows.texts == [row["text"] for row in ROWS]
    assert rows.pairs == ["x", "y", "z"]
    assert rows.targets.tolist() == [1, 0, 1]


@pytest.mark.parametrize("word", ["null", "NA", "nan", "12", ""])
def test_a_text_that_looks_like_no_text_stays_one(tmp_path, word):
    (tmp_path / "r.csv").write_text(f"text,label\n{word},1\nother,0\n")
    rows = read_rows(tmp_path / "r.csv", TASK)
    assert rows.texts == [word, "other"]
    assert rows.targets.tolist() == [1, 0]


def test_numbers_in_a_table_of_texts_are_numbers(tmp_path):
    (tmp_path / "r.tsv").write_text("text\tlabel\na\t1.5\nb\t-2\n")
    assert read_rows(tmp_path / "r.tsv", NUMBER).targets.tolist() == [1.5, -2]


def test_whole_number_labels_are_positions(tmp_path):
    rows = read_rows(
        _write(tmp_path / "r.jsonl", [{"text": "a", "label": 1}, {"text": "b", "label": 0}]), TASK
    )
    assert rows.targets.tolist() == [1, 0]
    assert rows.targets.dtype == np.int64


def test_a_file_is_read_again_after_it_has_changed(tmp_path):
    path = tmp_path / "r.jsonl"
    for text in ("first", "second"):
        _write(path, [{"text": text, "label": 0}])
        assert read_rows(path, TASK).texts == [text]


def test_a_sample_is_the_same_every_time_and_keeps_the_order(tmp_path):
    path = _write(tmp_path / "r.jsonl", [{"text": f"{i:03}", "label": i % 2} for i in range(200)])
    sample = read_rows(path, TASK, 50)
    assert sample.texts == read_rows(path, TASK, 50).texts == sorted(set(sample.texts))
    assert len(sample) == len(sample.targets) == 50
    assert [int(text) % 2 for text in sample.texts] == sample.targets.tolist()
    assert len(read_rows(path, TASK, 500)) == 200


@pytest.mark.parametrize(
    ("rows", "task", "message"),
    [
        (
            [{"text": "a", "label": "maybe"}],
            TASK,
            "row 1, field 'label': found 'maybe', expected one of no, yes",
        ),
        ([{"text": "a", "label": 0}, {"text": "b", "label": 2}], TASK, "row 2, field 'label': found 2"),
        ([{"text": "a", "label": -1}], TASK, "found -1, expected one of no, yes or 0 to 1"),
        ([{"text": "a", "label": None}], TASK, "found None"),
        ([{"text": "a", "label": 0.5}], TASK, "found 0.5"),
        ([{"text": "a", "label": True}], TASK, "found True"),
        ([{"text": "a", "label": float("nan")}], NUMBER, "row 1, field 'label': found nan|cannot be read"),
        ([{"text": "a", "label": None}], NUMBER, "found None, expected a finite number"),
        ([{"text": "a", "label": "three"}], NUMBER, "found 'three', expected a finite number"),
        ([{"sentence": "a", "label": 0}], TASK, "has no field 'text'; it has sentence, label"),
        ([{"text": "a", "label": 0}], PAIR, "has no field 'other'"),
        ([{"text": None, "label": 0}], TASK, "row 1, field 'text': found None, expected a text"),
        ([{"text": 7, "label": 0}], TASK, "found 7, expected a text"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path, rows, task, message):
    with pytest.raises(DataError, match=message):
        read_rows(_write(tmp_path / "rows.jsonl", rows), task)


def test_a_nan_in_a_table_is_named(tmp_path):
    (tmp_path / "r.csv").write_text("text,label\na,1.5\nb,nan\n")
    with pytest.raises(DataError, match=r"r\.csv, row 2, field 'label': found 'nan'"):
        read_rows(tmp_path / "r.csv", NUMBER)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.jsonl", None, "does not exist"),
        ("empty.jsonl", b"", "is empty"),
        ("blank.jsonl", b"\n\n", "cannot be read|has no"),
        ("header.csv", b"text,label\n", "has no rows"),
        ("broken.jsonl", b'{"text": "a", "lab', "cannot be read"),
        ("broken.jsonl.gz", b"not gzip at all", "cannot be read"),
        ("broken.parquet", b"not parquet at all", "cannot be read"),
        ("rows.xlsx", b"x", "is none of .jsonl, .jsonl.gz, .csv, .tsv, .parquet"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_rows(tmp_path / name, TASK)


def test_a_task_is_found_by_name_and_by_file(tmp_path):
    assert load_task("sst2") is GLUE_TASKS["sst2"]
    toml = 'name = "t"\nkind = "classification"\ntext = "text"\nlabels = ["no", "yes"]\n'
    (tmp_path / "t.toml").write_text(toml)
    (tmp_path / "t.json").write_text(json.dumps(TASK.to_dict()))
    assert load_task(tmp_path / "t.toml") == load_task(tmp_path / "t.json") == TASK


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("sst3", None, "'sst3' is neither built in .*sst2.* nor a .toml or .json file"),
        ("missing.toml", None, "cannot be read: .*No such file"),
        ("broken.toml", "name = ", "cannot be read"),
        ("broken.json", "[1, 2]", "holds no table of keys"),
    ],
)
def test_a_task_that_is_none_is_refused(tmp_path, monkeypatch, name, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(TaskError, match=message):
        load_task(name)


def test_a_built_in_task_that_cannot_be_fetched_says_so():
    with pytest.raises(DataError, match=r"GLUE's sst2 \(train\) cannot be read"):
        download_rows(GLUE_TASKS["sst2"], "train")


def test_a_task_of_ones_own_needs_its_files():
    with pytest.raises(DataError, match="name its files with --train and --dev"):
        download_rows(TASK, "train")
