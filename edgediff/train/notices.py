"""What a person should know of the rows before training on them."""

from edgediff.diff import Kind, Task
from edgediff.encoder import Adapter, Tuned
from edgediff.errors import DataError
from edgediff.score import Rows
from edgediff.train.batches import TokenRows

_RARE = 0.2
"""A label is rare if it has less than this share of what it would have were all alike."""


def check_rows(rows: Rows, task: Task) -> None:
    """Check that there is something to learn.

    Raises:
        DataError: all training rows have one label.
    """
    counts = rows.label_counts(task)
    present = [label for label, count in counts.items() if count]
    if task.kind is Kind.CLASSIFICATION and len(present) == 1:
        raise DataError(
            f"all {len(rows)} training rows have the label {present[0]!r}: there is nothing to learn"
        )


def notices(tokens: TokenRows, task: Task, what: str) -> list[str]:
    """A sentence each: rows that were cut, empty texts, rare or missing labels. `what` names the rows."""
    found = []
    rows = tokens.rows
    if tokens.cut:
        found.append(
            f"{tokens.cut:,} of {len(rows):,} {what} rows were cut: they have more than"
            f" {tokens.max_length} tokens"
        )
    if rows.empty:
        found.append(f"{rows.empty:,} texts of the {what} rows are empty")
    counts = rows.label_counts(task)
    total = sum(counts.values())
    rare = [f"{label} {n:,}" for label, n in counts.items() if n * len(counts) < _RARE * total]
    if rare and task.kind is not Kind.TOKEN_CLASSIFICATION:  # most words have no label of interest
        found.append(f"labels are uneven: {total:,} in the {what} rows, among them only {', '.join(rare)}")
    return found


def given_notices(where: str, given: Tuned | Adapter, task: Task) -> list[str]:
    """A sentence each: what a fine-tuned checkpoint or adapter lacks, has in vain, or does not say."""
    found = []
    missing, extra = (given.missing if isinstance(given, Tuned) else ()), given.extra
    if missing:
        found.append(
            f"{where} lacks {len(missing)} tensors of the base, which stay as they are: {_some(missing)}"
        )
    if extra:
        found.append(f"{where} has {len(extra)} tensors that the base has not, left out: {_some(extra)}")
    if given.trusted:
        found.append(
            f"{where} names no labels, so the rows of its head are taken in the task's order:"
            f" {_some(task.labels)}"
        )
    return found


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
