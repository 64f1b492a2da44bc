import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

from edgediff.diff import GLUE_TASKS, Kind, Metric, Task
from edgediff.errors import DataError, TaskError
from edgediff.score import Answers, load_task, read_rows
from edgediff.score.rows import download_rows

TASK = Task("t", Kind.CLASSIFICATION, "text", labels=("no", "yes"))
PAIR = replace(TASK, text_pair="other")
NUMBER = Task("n", Kind.REGRESSION, "text", metric=Metric.PEARSON_SPEARMAN)
ROWS = [
    {"text": 'a "quoted", text', "other": "x", "label": "yes"},
    {"text": "naïve — ☕", "other": "y", "label": "no"},
    {"text": "", "other": "z", "label": "yes"},
]

SEVERAL = Task("s", Kind.MULTI_LABEL, "text", label="moods", labels=("joy", "fear", "calm"))
WORDS = Task("w", Kind.TOKEN_CLASSIFICATION, "words", label="tags", labels=("O", "B-X", "I-X"))
ANSWERS = Task("q", Kind.QUESTION_ANSWERING, "question", "context", None, answers="answers")
LISTS = {
    SEVERAL: [
        {"text": "a", "moods": ["calm", "joy"]},
        {"text": "b", "moods": []},
        {"text": "c", "moods": ["fear"]},
    ],
    WORDS: [
        {"words": ["Ann", "went"], "tags": ["B-X", "O"]},
        {"words": ["a", "b", "naïve"], "tags": ["O", "B-X", "I-X"]},
    ],
    ANSWERS: [
        {
            "question": "who?",
            "context": "Ann met Bob.",
            "answers": {"text": ["Ann", "Bob"], "answer_start": [0, 8]},
        },
        {"question": "why?", "context": "Nobody knows.", "answers": {"text": [], "answer_start": []}},
    ],
}


def _write(path, rows):
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines, "utf-8")
    return path


def _write_table(path, rows=ROWS):
    import pandas

    frame = pandas.DataFrame(rows)
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
        ([{"text": "a", "label": 1e39}], NUMBER, r"found 1e\+39, expected a finite number"),
        ([{"text": "a", "moods": f"[{10**400}]"}], SEVERAL, "found 1000*, expected one of joy"),
        ([{"sentence": "a", "label": 0}], TASK, "has no field 'text'; it has sentence, label"),
        ([{"text": "a", "label": 0}], PAIR, "has no field 'other'"),
        ([{"text": None, "label": 0}], TASK, "row 1, field 'text': found None, expected a text"),
        ([{"text": 7, "label": 0}], TASK, "found 7, expected a text"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path, rows, task, message):
    with pytest.raises(DataError, match=message):
        read_rows(_write(tmp_path / "rows.jsonl", rows), task)


def _write_lists(path, task):
    if path.suffix == ".parquet":
        return _write_table(path, LISTS[task])
    if path.suffix == ".jsonl":
        return _write(path, LISTS[task])
    spelt = [
        {key: cell if isinstance(cell, str) else json.dumps(cell) for key, cell in row.items()}
        for row in LISTS[task]
    ]
    return _write_table(path, spelt)


FORMS = pytest.mark.parametrize("suffix", ["jsonl", "parquet", "csv"])


@FORMS
def test_lists_of_labels_are_read(tmp_path, suffix):
    rows = read_rows(_write_lists(tmp_path / f"r.{suffix}", SEVERAL), SEVERAL)
    assert rows.texts == ["a", "b", "c"]
    assert rows.targets.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert rows.targets.dtype == np.float32
    assert rows.label_counts(SEVERAL) == {"joy": 1, "fear": 1, "calm": 1}


@FORMS
def test_words_with_labels_are_read(tmp_path, suffix):
    rows = read_rows(_write_lists(tmp_path / f"r.{suffix}", WORDS), WORDS)
    assert rows.words == [["Ann", "went"], ["a", "b", "naïve"]]
    assert rows.texts == ["Ann went", "a b naïve"]
    assert [labels.tolist() for labels in rows.targets] == [[1, 0], [0, 1, 2]]
    assert rows.label_counts(WORDS) == {"O": 2, "B-X": 2, "I-X": 1}


@FORMS
def test_questions_with_answers_are_read(tmp_path, suffix):
    rows = read_rows(_write_lists(tmp_path / f"r.{suffix}", ANSWERS), ANSWERS)
    assert (rows.texts, rows.pairs) == (["who?", "why?"], ["Ann met Bob.", "Nobody knows."])
    assert rows.targets == [Answers(("Ann", "Bob"), (0, 8)), Answers((), ())]
    assert rows.label_counts(ANSWERS) == {}


def test_an_answer_may_stand_alone_without_a_list(tmp_path):
    row = {"question": "q", "context": "a red lamp", "answers": {"text": "red", "answer_start": 2}}
    assert read_rows(_write(tmp_path / "r.jsonl", [row]), ANSWERS).targets == [Answers(("red",), (2,))]


def test_labels_in_lists_may_be_positions(tmp_path):
    rows = read_rows(_write(tmp_path / "r.jsonl", [{"words": ["a", "b"], "tags": [2, 0]}]), WORDS)
    assert rows.targets[0].tolist() == [2, 0]


def test_a_sample_keeps_each_list_with_its_row(tmp_path):
    listed = [{"words": [f"w{i:03}"] * (i % 4 + 1), "tags": [i % 3] * (i % 4 + 1)} for i in range(90)]
    rows = read_rows(_write(tmp_path / "r.jsonl", listed), WORDS, 20)
    numbers = [int(words[0][1:]) for words in rows.words]
    assert numbers == sorted(set(numbers))
    assert [labels.tolist() for labels in rows.targets] == [[i % 3] * (i % 4 + 1) for i in numbers]


def _answers(text, start, context="a red lamp"):
    return [{"question": "q", "context": context, "answers": {"text": text, "answer_start": start}}]


@pytest.mark.parametrize(
    ("rows", "task", "message"),
    [
        (
            [{"text": "a", "moods": ["rage"]}],
            SEVERAL,
            "found 'rage', expected one of joy, fear, calm or 0 to 2",
        ),
        ([{"text": "a", "moods": "joy"}], SEVERAL, "found 'joy', expected a list of labels"),
        ([{"text": "a", "moods": 1}], SEVERAL, "found 1, expected a list of labels"),
        ([{"text": "a", "moods": [3]}], SEVERAL, "found 3, expected one of"),
        ([{"words": ["a", "b"], "tags": ["O"]}], WORDS, "found 1 labels for 2 words, expected one a word"),
        ([{"words": ["a"], "tags": ["O", "O"]}], WORDS, "found 2 labels for 1 words, expected one a word"),
        (
            [{"words": ["a"], "tags": ["B-Y"]}],
            WORDS,
            "field 'tags': found 'B-Y', expected one of O, B-X, I-X",
        ),
        (
            [{"words": ["New York"], "tags": ["O"]}],
            WORDS,
            "field 'words': found the word 'New York', expected",
        ),
        ([{"words": ["a\u00a0b"], "tags": ["O"]}], WORDS, "expected one without white space"),
        ([{"words": [""], "tags": ["O"]}], WORDS, "found the word '', expected one without white space"),
        ([{"words": [7], "tags": ["O"]}], WORDS, "found the word 7, expected one without white space"),
        ([{"words": "a b", "tags": ["O"]}], WORDS, "found 'a b', expected a list of words"),
        (_answers(["blue"], [2]), ANSWERS, "the context does not hold 'blue' at character 2"),
        (_answers(["red"], [3]), ANSWERS, "the context does not hold 'red' at character 3"),
        (_answers(["lamp"], [100]), ANSWERS, "the context does not hold 'lamp' at character 100"),
        (_answers(["red", "lamp"], [2]), ANSWERS, "expected the lists text and answer_start"),
        (_answers(["red"], [-1]), ANSWERS, "found 'red' at -1, expected a text and its place"),
        (_answers([""], [0]), ANSWERS, "found '' at 0, expected a text and its place"),
        (_answers(["red"], ["2"]), ANSWERS, "found 'red' at '2', expected a text and its place"),
        (
            [{"question": "q", "context": "c", "answers": "c"}],
            ANSWERS,
            "found 'c', expected the lists text and",
        ),
        (
            [{"question": "q", "context": "c", "answers": None}],
            ANSWERS,
            "found None, expected the lists text",
        ),
        ([{"question": "q", "context": 3, "answers": None}], ANSWERS, "'context': found 3, expected a text"),
        ([{"question": "q", "context": "c"}], ANSWERS, "has no field 'answers'; it has question, context"),
    ],
)
def test_a_list_that_does_not_fit_is_named(tmp_path, rows, task, message):
    with pytest.raises(DataError, match=message):
        read_rows(_write(tmp_path / "rows.jsonl", rows), task)


@pytest.mark.parametrize(
    ("content", "task", "message"),
    [
        ('words,tags\n"[""a"", ""b""]","[""O""]"\n', WORDS, "found 1 labels for 2 words"),
        ('words,tags\n"[""a b""]","[""O""]"\n', WORDS, "found the word 'a b'"),
        ("words,tags\na b,O O\n", WORDS, "found 'a b', expected a list of words"),
        ('text,moods\na,"[""joy"""\n', SEVERAL, "expected a list of labels"),
        (f"text,moods\na,{'[' * 5000}\n", SEVERAL, "expected a list of labels"),
        ('question,context,answers\nq,c,"[""c""]"\n', ANSWERS, "expected the lists text and answer_start"),
    ],
)
def test_a_list_that_is_spelt_wrong_in_a_table_is_named(tmp_path, content, task, message):
    (tmp_path / "r.csv").write_text(content)
    with pytest.raises(DataError, match=rf"r\.csv, row 1, field '.*{message}"):
        read_rows(tmp_path / "r.csv", task)


def test_the_row_of_a_bad_list_is_counted_from_one(tmp_path):
    rows = [*LISTS[WORDS], {"words": ["a"], "tags": []}]
    with pytest.raises(DataError, match=r"r\.jsonl, row 3, field 'tags': found 0 labels for 1 words"):
        read_rows(_write(tmp_path / "r.jsonl", rows), WORDS)


def test_a_task_of_questions_needs_a_context_and_one_of_words_has_no_pair(tmp_path):
    path = _write(tmp_path / "r.jsonl", [{"question": "q", "words": ["a"], "tags": [0], "answers": None}])
    with pytest.raises(
        TaskError, match="'q' answers questions: text_pair must name the field of the context"
    ):
        read_rows(path, replace(ANSWERS, text_pair=None))
    with pytest.raises(TaskError, match="'w' labels words: it has no text_pair"):
        read_rows(path, replace(WORDS, text_pair="question"))


@pytest.mark.parametrize(("ids", "shown"), [(["x", "y", "x"], "'x'"), ([7, 8, 7], "7")])
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_of_the_same_id_are_refused(tmp_path, suffix, ids, shown):
    rows = [{"id": name, "text": "a", "label": 0} for name in ids]
    path = tmp_path / f"r.{suffix}"
    (_write if suffix == "jsonl" else _write_table)(path, rows)
    with pytest.raises(DataError, match=rf"r\.{suffix}: rows 1 and 3 have the same id {shown}$"):
        read_rows(path, TASK)


def test_rows_of_different_ids_or_of_none_are_read(tmp_path):
    rows = [{"id": name, "text": "a", "label": 0} for name in ("x", None, "y", None)]
    assert len(read_rows(_write(tmp_path / "r.jsonl", rows), TASK)) == 4


def test_empty_texts_are_counted_on_both_sides_of_a_pair(tmp_path):
    rows = [
        {"text": "", "other": " \n", "label": 0},
        {"text": "a", "other": "", "label": 0},
        {"text": "a", "other": "b", "label": 1},
    ]
    path = _write(tmp_path / "r.jsonl", rows)
    assert read_rows(path, TASK).empty == 1
    assert read_rows(path, PAIR).empty == 3


def test_a_row_without_words_is_an_empty_text(tmp_path):
    rows = [{"words": ["a"], "tags": ["O"]}, {"words": [], "tags": []}]
    read = read_rows(_write(tmp_path / "r.jsonl", rows), WORDS)
    assert (read.empty, read.words, len(read.targets[1])) == (1, [["a"], []], 0)
    assert read.label_counts(WORDS) == {"O": 1, "B-X": 0, "I-X": 0}


def test_labels_are_counted(tmp_path):
    path = _write(tmp_path / "r.jsonl", [{"text": "a", "label": 1}] * 3)
    assert read_rows(path, TASK).label_counts(TASK) == {"no": 0, "yes": 3}
    assert read_rows(path, NUMBER).label_counts(NUMBER) == {}


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
