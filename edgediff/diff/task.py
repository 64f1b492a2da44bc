"""What a task is: its kind, the fields of its rows, its labels and its metric."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from edgediff.errors import TaskError


class Kind(StrEnum):
    """What is predicted from a text or a pair of texts."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    MULTI_LABEL = "multi_label"
    TOKEN_CLASSIFICATION = "token_classification"  # noqa: S105 (a kind of task, no secret)
    QUESTION_ANSWERING = "question_answering"


class Metric(StrEnum):
    """How predictions are scored, by scikit-learn's names; every score is better when higher."""

    ACCURACY = "accuracy"
    F1 = "f1"
    MATTHEWS_CORRELATION = "matthews_correlation"
    PEARSON_SPEARMAN = "pearson_spearman"


_METRICS = {
    Kind.CLASSIFICATION: (Metric.ACCURACY, Metric.F1, Metric.MATTHEWS_CORRELATION),
    Kind.REGRESSION: (Metric.PEARSON_SPEARMAN,),
    Kind.MULTI_LABEL: (Metric.F1, Metric.ACCURACY),
    Kind.TOKEN_CLASSIFICATION: (Metric.F1, Metric.ACCURACY),
    Kind.QUESTION_ANSWERING: (Metric.F1,),
}
_NAMED = (Kind.CLASSIFICATION, Kind.MULTI_LABEL, Kind.TOKEN_CLASSIFICATION)


@dataclass(frozen=True)
class Task:
    """A task's definition; `Task.from_dict` checks it.

    Attributes:
        name: for people and for the switch between tasks.
        kind: what is predicted.
        text: the field of a row that holds the (first) text; the list of words for token classification, the
            question for question answering.
        text_pair: the field that holds the second text, or None; the context for question answering.
        label: the field that holds the label (the list of labels for token classification and multi-label
            tasks), or None for question answering.
        labels: the label names in the order of the integer labels; empty for regression and answers.
        metric: what `score` means.
        answers: the field that holds the answers, for question answering.
        max_length: texts are cut to this many tokens, special tokens included.
    """

    name: str
    kind: Kind
    text: str
    text_pair: str | None = None
    label: str | None = "label"
    labels: tuple[str, ...] = ()
    metric: Metric = Metric.ACCURACY
    answers: str | None = None
    max_length: int = 128

    @property
    def outputs(self) -> int:
        """How many rows the head's weight has."""
        return {Kind.REGRESSION: 1, Kind.QUESTION_ANSWERING: 2}.get(self.kind, len(self.labels))

    @property
    def per_token(self) -> bool:
        """Whether the head is applied to every token, not to the pooled feature."""
        return self.kind in (Kind.TOKEN_CLASSIFICATION, Kind.QUESTION_ANSWERING)

    def to_dict(self) -> dict[str, Any]:
        """The definition as plain values; keys without a value are left out."""
        plain = {key: value for key, value in asdict(self).items() if value not in (None, ())}
        return plain | ({"labels": list(self.labels)} if self.labels else {})

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], where: str = "task") -> "Task":
        """Read a definition as found in a task file; `where` names the file in errors.

        Raises:
            TaskError: a key is missing, unknown, of the wrong type, or does not fit the kind.
        """
        plain = _checked_keys(dict(plain), where)
        found = plain.pop("kind")
        try:
            kind = Kind(found)
        except ValueError as error:
            raise TaskError(f"{where}: kind is {found!r:.80}, expected one of {', '.join(Kind)}") from error
        allowed = _METRICS[kind]
        metric = plain.pop("metric", allowed[0])
        if metric not in allowed:
            raise TaskError(f"{where}: metric is {metric!r:.80}, a {kind} task has {', '.join(allowed)}")
        if "labels" in plain and kind not in _NAMED:
            raise TaskError(f"{where}: a {kind} task has no labels")
        labels = _checked_labels(plain.pop("labels", ()), kind, where)
        other = "label" if kind is Kind.QUESTION_ANSWERING else "answers"
        if other in plain:
            raise TaskError(f"{where}: a {kind} task has no key {other!r}")
        if kind is Kind.QUESTION_ANSWERING:
            plain |= {"answers": plain.get("answers", "answers"), "label": None}
        return cls(kind=kind, metric=Metric(metric), labels=labels, **plain)


_TEXT_KEYS = ("name", "kind", "text", "text_pair", "label", "metric", "answers")
_KEYS = (*_TEXT_KEYS, "labels", "max_length")


def _checked_keys(plain: dict[str, Any], where: str) -> dict[str, Any]:
    if unknown := sorted(set(plain) - set(_KEYS)):
        raise TaskError(f"{where}: unknown key {unknown[0]!r:.80}; a task has {', '.join(_KEYS)}")
    for key in ("name", "kind", "text"):
        if key not in plain:
            raise TaskError(f"{where}: key {key!r} is missing")
    for key in _TEXT_KEYS:
        if key in plain and not (_is_text(plain[key]) and plain[key]):
            raise TaskError(f"{where}: {key} is {plain[key]!r:.80}, expected a text")
    length = plain.get("max_length", 128)
    if type(length) is not int or not 3 <= length <= 65535:
        raise TaskError(f"{where}: max_length is {length!r:.80}, expected a whole number from 3 to 65535")
    return plain


def _is_text(value: Any) -> bool:
    """Whether `value` is a text that UTF-8 can hold (JSON can name half a surrogate pair)."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _checked_labels(labels: Any, kind: Kind, where: str) -> tuple[str, ...]:
    if not isinstance(labels, list | tuple) or not all(_is_text(name) for name in labels):
        raise TaskError(f"{where}: labels is {labels!r:.80}, expected a list of texts")
    if len(set(labels)) != len(labels):
        raise TaskError(f"{where}: labels holds a name twice")
    if kind in _NAMED and len(labels) < 2:
        raise TaskError(f"{where}: labels holds {len(labels)}, a {kind} task has at least 2")
    return tuple(labels)
