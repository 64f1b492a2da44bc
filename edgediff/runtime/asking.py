"""What onnxruntime is asked for: its errors have no common class, and many lines."""

from collections.abc import Iterator
from contextlib import contextmanager

from edgediff.errors import BundleError


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn what onnxruntime raises in the block into one sentence; `what` says what it was to do.

    Raises:
        BundleError: onnxruntime cannot do it.
    """
    try:
        yield
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise BundleError(f"onnxruntime cannot {what}: {reason}") from error
