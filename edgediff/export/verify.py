"""The exported graph against torch, on real sentences, before a bundle gets its name."""

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from torch import Tensor

from edgediff.encoder import Encoder
from edgediff.errors import ModelError
from edgediff.export.graph import OUTPUTS, TaskGraph

TOLERANCE = 1e-4
SENTENCES = (
    "The river froze over in the second week of January, and the ferry stayed in harbour.",
    "ok",
    "Who wrote down that 3.5% of 2,048 is 71.68?",
    "Naïve café owners pay ¥500 — or so they say :-)",
)


class GatherElements(OpRun):
    """Takes the place of the reference implementation's own, which cannot choose among more than 64 elements.

    DeBERTa chooses among twice as many as it has position buckets. The class has its operator's name.
    """

    def _run(self, data: NDArray[Any], indices: NDArray[Any], axis: int) -> tuple[NDArray[Any]]:
        return (np.take_along_axis(data, indices, axis),)


def verify_outputs(model: onnx.ModelProto, encoder: Encoder) -> float:
    """The largest difference between torch's outputs and the graph's, over all sentences and a long text.

    The graph is run by the ONNX project's own reference implementation: operator by operator as the standard
    defines them, without any runtime's optimiser. `model` must still hold its weights.

    Raises:
        ModelError: an output differs by more than `TOLERANCE`.
    """
    evaluator = ReferenceEvaluator(model, new_ops=[GatherElements])
    worst = 0.0
    for tokens in (_sentences(encoder), _longest(encoder)):
        feeds = _feeds(encoder, tokens)
        with torch.inference_mode():
            expected = TaskGraph(encoder).eval()(*(torch.from_numpy(array) for array in feeds.values()))
        # MPNet takes the logarithm of a distance of zero, and then its other branch.
        with np.errstate(divide="ignore", invalid="ignore"):
            found = evaluator.run(list(OUTPUTS), feeds)
        for name, want, got in zip(OUTPUTS, expected, found, strict=True):
            difference = float(np.abs(want.numpy() - got).max())
            if not difference <= TOLERANCE:
                raise ModelError(
                    f"the exported graph of {encoder.name} gives {name} off by {difference:.2e} from torch,"
                    f" at most {TOLERANCE} is accepted"
                )
            worst = max(worst, difference)
    return worst


def _sentences(encoder: Encoder) -> dict[str, Tensor]:
    """The sentences in one padded batch, each alone and with another."""
    first, second = [*SENTENCES, *SENTENCES], [*[""] * len(SENTENCES), *reversed(SENTENCES)]
    return encoder.tokenize(first, second)


def _longest(encoder: Encoder) -> dict[str, Tensor]:
    """One text of as many tokens as the encoder takes: far tokens share positions in some architectures."""
    return encoder.tokenize([" ".join(SENTENCES * encoder.max_length)])


def _feeds(encoder: Encoder, tokens: dict[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Token inputs and two random heads."""
    generator = np.random.default_rng(0)
    scale = encoder.width**-0.5
    heads = {
        "head.weight": generator.normal(0, scale, (3, encoder.width)),
        "head.bias": generator.normal(0, 1, 3),
        "token_head.weight": generator.normal(0, scale, (2, encoder.width)),
        "token_head.bias": generator.normal(0, 1, 2),
    }
    feeds = {name: tensor.numpy() for name, tensor in tokens.items()}
    return feeds | {name: array.astype(np.float32) for name, array in heads.items()}
