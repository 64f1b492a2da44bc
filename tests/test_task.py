import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgediff.diff import GLUE_TASKS, Kind, Metric, Task
from edgediff.errors import TaskError
from edgediff.score import load_task

METRICS = {
    Kind.CLASSIFICATION: (Metric.ACCURACY, Metric.F1, Metric.MATTHEWS_CORRELATION),
    Kind.REGRESSION: (Metric.PEARSON_SPEARMAN,),
    Kind.MULTI_LABEL: (Metric.F1, Metric.ACCURACY),
    Kind.TOKEN_CLASSIFICATION: (Metric.F1, Metric.ACCURACY),
    Kind.QUESTION_ANSWERING: (Metric.F1,),
}
NAMED = (Kind.CLASSIFICATION, Kind.MULTI_LABEL, Kind.TOKEN_CLASSIFICATION)
PLAIN = {"name": "t", "kind": "classification", "text": "text", "labels": ["no", "yes"]}
NUMBER = {"name": "t", "kind": "regression", "text": "text"}
TEXTS = st.text(min_size=1, max_size=8)


@st.composite
def _tasks(draw):
    kind = draw(st.sampled_from(Kind))
    answers = kind is Kind.QUESTION_ANSWERING
    labels = draw(st.lists(TEXTS, min_size=2, max_size=5, unique=True)) if kind in NAMED else []
    return Task(
        name=draw(TEXTS),
        kind=kind,
        text=draw(TEXTS),
        text_pair=draw(st.none() | TEXTS),
        label=None if answers else draw(TEXTS),
        labels=tuple(labels),
        metric=draw(st.sampled_from(METRICS[kind])),
        answers=draw(TEXTS) if answers else None,
        max_length=draw(st.integers(3, 65535)),
    )


@given(_tasks())
def test_a_task_comes_back_from_its_json_as_it_was(task):
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))) == task


@pytest.mark.parametrize("name", sorted(GLUE_TASKS))
def test_a_built_in_task_passes_its_own_check_under_its_own_name(name):
    assert Task.from_dict(GLUE_TASKS[name].to_dict()) == GLUE_TASKS[name]
    assert GLUE_TASKS[name].name == name


def test_keys_without_a_value_are_left_out_of_the_plain_form():
    assert Task.from_dict(PLAIN).to_dict() == PLAIN | {
        "label": "label",
        "metric": "accuracy",
        "max_length": 128,
    }


@pytest.mark.parametrize("kind", Kind)
def test_the_metric_left_out_is_the_first_that_fits_the_kind(kind):
    labels = {"labels": ["no", "yes"]} if kind in NAMED else {}
    task = Task.from_dict({"name": "t", "kind": kind.value, "text": "text"} | labels)
    assert task.metric is METRICS[kind][0]


@pytest.mark.parametrize(
    ("kind", "labels", "outputs", "per_token"),
    [
        ("classification", ["a", "b", "c"], 3, False),
        ("regression", None, 1, False),
        ("multi_label", ["a", "b", "c"], 3, False),
        ("token_classification", ["a", "b", "c"], 3, True),
        ("question_answering", None, 2, True),
    ],
)
def test_the_kind_decides_the_rows_of_the_head_and_where_it_is_applied(kind, labels, outputs, per_token):
    plain = {"name": "t", "kind": kind, "text": "text"}
    task = Task.from_dict(plain | ({"labels": labels} if labels else {}))
    assert (task.outputs, task.per_token) == (outputs, per_token)


def test_question_answering_has_answers_in_place_of_labels():
    plain = {"name": "t", "kind": "question_answering", "text": "question", "text_pair": "context"}
    assert (Task.from_dict(plain).answers, Task.from_dict(plain).label) == ("answers", None)
    assert Task.from_dict(plain | {"answers": "spans"}).answers == "spans"


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (
            PLAIN | {"lables": []},
            "unknown key 'lables'; a task has name, kind, text, text_pair, label, metric",
        ),
        ({"kind": "regression", "text": "text"}, "key 'name' is missing"),
        ({"name": "t", "text": "text"}, "key 'kind' is missing"),
        ({"name": "t", "kind": "regression"}, "key 'text' is missing"),
        (PLAIN | {"name": 7}, "name is 7, expected a text"),
        (PLAIN | {"text": ""}, "text is '', expected a text"),
        (PLAIN | {"text_pair": None}, "text_pair is None, expected a text"),
        (PLAIN | {"label": ["label"]}, "label is ['label'], expected a text"),
        (PLAIN | {"metric": 1}, "metric is 1, expected a text"),
        (PLAIN | {"answers": {}}, "answers is {}, expected a text"),
        (PLAIN | {"answers": "spans"}, "a classification task has no key 'answers'"),
        (
            {"name": "t", "kind": "question_answering", "text": "text", "label": "answer"},
            "a question_answering task has no key 'label'",
        ),
        (
            PLAIN | {"kind": "ranking"},
            "kind is 'ranking', expected one of classification, regression, multi_label, "
            "token_classification, question_answering",
        ),
        (
            PLAIN | {"metric": "pearson_spearman"},
            "metric is 'pearson_spearman', a classification task has accuracy, f1, matthews_correlation",
        ),
        (NUMBER | {"metric": "f1"}, "metric is 'f1', a regression task has pearson_spearman"),
        (PLAIN | {"metric": "bleu"}, "metric is 'bleu', a classification task has"),
        (PLAIN | {"labels": "no yes"}, "labels is 'no yes', expected a list of texts"),
        (PLAIN | {"labels": [0, 1]}, "labels is [0, 1], expected a list of texts"),
        (PLAIN | {"labels": ["no"]}, "labels holds 1, a classification task has at least 2"),
        (PLAIN | {"labels": []}, "labels holds 0, a classification task has at least 2"),
        (PLAIN | {"labels": ["no", "yes", "no"]}, "labels holds a name twice"),
        (NUMBER | {"labels": ["no", "yes"]}, "a regression task has no labels"),
        (NUMBER | {"labels": None}, "a regression task has no labels"),
        (PLAIN | {"labels": None}, "labels is None, expected a list of texts"),
        (PLAIN | {"max_length": 2}, "max_length is 2, expected a whole number from 3 to 65535"),
        (PLAIN | {"max_length": 65536}, "max_length is 65536, expected"),
        (PLAIN | {"max_length": 64.0}, "max_length is 64.0, expected"),
        (PLAIN | {"max_length": "64"}, "max_length is '64', expected"),
    ],
)
def test_a_definition_that_cannot_be_used_is_refused_by_key(plain, message):
    with pytest.raises(TaskError, match=f"^{re.escape(f'my.toml: {message}')}") as raised:
        Task.from_dict(plain, "my.toml")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_nested_too_deeply_is_refused(tmp_path):
    (tmp_path / "task.json").write_text("[" * 100_000)
    with pytest.raises(TaskError, match=r"task\.json cannot be read"):
        load_task(tmp_path / "task.json")


@pytest.mark.parametrize("key", ["name", "text"])
def test_a_text_that_no_utf_8_file_can_hold_is_refused(key):
    """JSON can name half a surrogate pair; the results of a training could not be written with it."""
    with pytest.raises(TaskError, match=f"{key} is "):
        Task.from_dict(PLAIN | json.loads(f'{{"{key}": "\\ud800"}}'))


@pytest.mark.parametrize("length", [3, 65535])
def test_the_ends_of_max_length_are_included(length):
    assert Task.from_dict(PLAIN | {"max_length": length}).max_length == length
