"""The GLUE tasks (Wang et al., arXiv 1804.07461), with the fields and label order of Hugging Face's copy."""

from edgediff.diff.task import Kind, Metric, Task


def _pair(name: str, first: str, second: str, labels: tuple[str, ...], metric: Metric) -> Task:
    return Task(name, Kind.CLASSIFICATION, first, second, labels=labels, metric=metric)


_ENTAILMENT = ("entailment", "not_entailment")

GLUE_TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "cola",
            Kind.CLASSIFICATION,
            "sentence",
            labels=("unacceptable", "acceptable"),
            metric=Metric.MATTHEWS_CORRELATION,
        ),
        Task("sst2", Kind.CLASSIFICATION, "sentence", labels=("negative", "positive")),
        _pair("mrpc", "sentence1", "sentence2", ("not_equivalent", "equivalent"), Metric.F1),
        Task("stsb", Kind.REGRESSION, "sentence1", "sentence2", metric=Metric.PEARSON_SPEARMAN),
        _pair("qqp", "question1", "question2", ("not_duplicate", "duplicate"), Metric.F1),
        _pair("mnli", "premise", "hypothesis", ("entailment", "neutral", "contradiction"), Metric.ACCURACY),
        _pair("qnli", "question", "sentence", _ENTAILMENT, Metric.ACCURACY),
        _pair("rte", "sentence1", "sentence2", _ENTAILMENT, Metric.ACCURACY),
        _pair("wnli", "sentence1", "sentence2", ("not_entailment", "entailment"), Metric.ACCURACY),
    )
}
"""Built-in tasks by name."""
