"""Scores by the field's libraries: scikit-learn, scipy and seqeval."""

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Kind, Metric, Task
from edgediff.extras import require
from edgediff.score.rows import Rows
from edgediff.score.squad import squad_scores

Scores = dict[str, float]
"""The metrics by name, from 0 (or -1) to 1; `task.metric` is always among them."""


def score(task: Task, predicted: Any, rows: Rows) -> Scores:
    """Every metric that the field reports for a task of this kind, the task's own among them.

    `predicted` is what `predictions` gives for `rows`.
    """
    require("eval", "scoring")
    match task.kind:
        case Kind.CLASSIFICATION:
            return _classification(task, predicted, rows.targets)
        case Kind.REGRESSION:
            return _correlations(predicted, rows.targets)
        case Kind.MULTI_LABEL:
            return _multi_label(predicted, rows.targets)
        case Kind.TOKEN_CLASSIFICATION:
            return _token_labels(task, predicted, rows.targets)
        case Kind.QUESTION_ANSWERING:
            return squad_scores(predicted, rows.targets)


def _classification(task: Task, predicted: NDArray[np.int64], targets: NDArray[np.int64]) -> Scores:
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    scores = {Metric.ACCURACY.value: float(accuracy_score(targets, predicted))}
    if task.metric is Metric.F1:
        average = "binary" if len(task.labels) == 2 else "macro"
        scores[Metric.F1.value] = float(f1_score(targets, predicted, average=average, zero_division=0.0))
    if task.metric is Metric.MATTHEWS_CORRELATION:
        scores[Metric.MATTHEWS_CORRELATION.value] = float(matthews_corrcoef(targets, predicted))
    return scores


def _multi_label(predicted: NDArray[np.float32], targets: NDArray[np.float32]) -> Scores:
    """F1 over all labels of all rows together, and the share of rows with every label right."""
    from sklearn.metrics import accuracy_score, f1_score

    return {
        Metric.F1.value: float(f1_score(targets, predicted, average="micro", zero_division=0.0)),
        Metric.ACCURACY.value: float(accuracy_score(targets, predicted)),
    }


def _token_labels(task: Task, predicted: list[NDArray[np.int64]], targets: list[NDArray[np.int64]]) -> Scores:
    """Precision, recall and F1 of whole entities as the CoNLL evaluation counts them, accuracy of words."""
    from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

    found, wanted = ([[task.labels[label] for label in row] for row in part] for part in (predicted, targets))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # labels outside the B- and I- scheme are entities of their own to it
        return {
            Metric.F1.value: float(f1_score(wanted, found)),
            "precision": float(precision_score(wanted, found)),
            "recall": float(recall_score(wanted, found)),
            Metric.ACCURACY.value: float(accuracy_score(wanted, found)),
        }


def _correlations(predicted: NDArray[Any], targets: NDArray[Any]) -> Scores:
    from scipy.stats import pearsonr, spearmanr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant predictions have no correlation: scored 0 below
        pearson = float(pearsonr(predicted, targets).statistic) if len(targets) > 1 else math.nan
        spearman = float(spearmanr(predicted, targets).statistic) if len(targets) > 1 else math.nan
    pearson, spearman = (0.0 if math.isnan(value) else value for value in (pearson, spearman))
    return {
        "pearson": pearson,
        "spearman": spearman,
        Metric.PEARSON_SPEARMAN.value: (pearson + spearman) / 2,
    }
