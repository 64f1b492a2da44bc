"""Plain onnxruntime sessions on one thread, for models that are their own."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.peers.peer import Feeds, Logits


def session_of(model: Path) -> onnxruntime.InferenceSession:
    """A session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # it warns of every input that has a default, as adapters need them
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def a_session_each(models: Mapping[str, Path], heads: Mapping[str, Feeds]) -> Callable[[list[str]], Logits]:
    """Opens a session for each task."""

    def opened(tasks: list[str]) -> Logits:
        sessions = {task: session_of(models[task]) for task in tasks}
        return lambda task, feeds: np.asarray(sessions[task].run(["logits"], {**feeds, **heads[task]})[0])

    return opened
