import numpy as np
import pytest

from edgediff.diff import GLUE_TASKS, Kind, Metric, Task
from edgediff.score import predictions, score

TRUTH = np.array([0, 1, 1, 0, 1, 1])
GUESS = np.array([0, 1, 0, 0, 1, 1])


@pytest.mark.parametrize("name", sorted(GLUE_TASKS))
def test_each_glue_task_gets_the_metrics_that_glue_reports(name):
    reported = {"mrpc": {"accuracy", "f1"}, "qqp": {"accuracy", "f1"}, "stsb": {"pearson", "spearman"}}
    wanted = reported.get(name, {"accuracy"} if name != "cola" else {"matthews_correlation"})
    task = GLUE_TASKS[name]
    scores = score(task, GUESS.astype(np.float32) if task.kind is Kind.REGRESSION else GUESS, TRUTH)
    assert wanted <= scores.keys()
    assert task.metric in scores


def test_scores_are_those_of_the_textbook():
    assert score(GLUE_TASKS["mrpc"], GUESS, TRUTH) == {
        "accuracy": pytest.approx(5 / 6),
        "f1": pytest.approx(6 / 7),
    }
    matthews = score(GLUE_TASKS["cola"], GUESS, TRUTH)["matthews_correlation"]
    assert matthews == pytest.approx((3 * 2 - 0 * 1) / np.sqrt(3 * 4 * 2 * 3))


def test_a_perfect_regression_scores_one():
    truth = np.array([1.0, 2.0, 4.0])
    scores = score(GLUE_TASKS["stsb"], 2 * truth, truth)
    assert scores == {name: pytest.approx(1) for name in ("pearson", "spearman", "pearson_spearman")}


def test_constant_predictions_score_zero_without_a_warning():
    assert score(GLUE_TASKS["stsb"], np.ones(3), np.array([1.0, 2.0, 3.0]))["pearson_spearman"] == 0


def test_f1_of_more_than_two_labels_is_the_macro_mean():
    task = Task("t", Kind.CLASSIFICATION, "text", labels=("a", "b", "c"), metric=Metric.F1)
    found = score(task, np.array([0, 1, 1]), np.array([0, 1, 2]))["f1"]
    assert found == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_predictions_are_the_largest_logit_or_the_number_itself():
    logits = np.array([[0.1, 2.0], [3.0, -1.0]], np.float32)
    assert predictions(GLUE_TASKS["sst2"], logits).tolist() == [1, 0]
    assert predictions(GLUE_TASKS["stsb"], logits[:, :1]).tolist() == pytest.approx([0.1, 3.0])
