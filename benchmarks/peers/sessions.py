"""Plain onnxruntime sessions on one thread, for models that are their own."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.peers.peer import Feeds, Logits, Names
from benchmarks.peers.whole import Weights
from edgediff.format.bundle import read_manifest


def session_of(model: Path) -> onnxruntime.InferenceSession:
    """A session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # it warns of every input that has a default, as adapters need them
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def head_inputs(bundle: Path, trained: Weights) -> Feeds:
    """The head that was trained, as inputs of the graph."""
    width = read_manifest(bundle).base.width
    return {
        "token_head.weight": np.zeros((0, width), np.float32),
        "token_head.bias": np.zeros(0, np.float32),
        "head.weight": trained["head.weight"],
        "head.bias": trained["head.bias"],
    }


def a_session_each(models: Mapping[str, Path], heads: Mapping[str, Feeds]) -> Callable[[Names], Logits]:
    """Opens a session for each name, by tasks' models and heads."""

    def opened(names: Names) -> Logits:
        sessions = {name: session_of(models[task]) for name, task in names.items()}
        return lambda name, feeds: np.asarray(
            sessions[name].run(["logits"], {**feeds, **heads[names[name]]})[0]
        )

    return opened
