"""Scores by the field's libraries: scikit-learn and scipy, the metrics that GLUE reports."""

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Kind, Metric, Task
from edgediff.extras import require

Scores = dict[str, float]
"""The metrics by name, from 0 (or -1) to 1; `task.metric` is always among them."""


def predictions(task: Task, logits: NDArray[np.float32]) -> NDArray[Any]:
    """What `(rows, outputs)` logits say: `(rows,)` label positions, or numbers for regression."""
    return logits[:, 0] if task.kind is Kind.REGRESSION else logits.argmax(-1)


def score(task: Task, predicted: NDArray[Any], targets: NDArray[Any]) -> Scores:
    """Every metric that GLUE reports for a task of this kind, and the task's own.

    Both arrays have shape `(rows,)`: label positions, or numbers for regression.
    """
    require("eval", "scoring")
    if task.kind is Kind.REGRESSION:
        return _correlations(predicted, targets)
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    scores = {Metric.ACCURACY.value: float(accuracy_score(targets, predicted))}
    if task.metric is Metric.F1:
        average = "binary" if len(task.labels) == 2 else "macro"
        scores[Metric.F1.value] = float(f1_score(targets, predicted, average=average, zero_division=0.0))
    if task.metric is Metric.MATTHEWS_CORRELATION:
        scores[Metric.MATTHEWS_CORRELATION.value] = float(matthews_corrcoef(targets, predicted))
    return scores


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
