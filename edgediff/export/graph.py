"""The encoder and both heads as one ONNX graph, with the heads' tensors as inputs."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from torch import Tensor, nn

from edgediff.encoder import Encoder
from edgediff.errors import ModelError

HEAD_INPUTS = ("head.weight", "head.bias", "token_head.weight", "token_head.bias")
OUTPUTS = ("logits", "token_logits")
PREFIX = "encoder.model."
"""What the exporter puts before a parameter's name."""

_AXES = {
    "input_ids": ("batch", "tokens"),
    "attention_mask": ("batch", "tokens"),
    "token_type_ids": ("batch", "tokens"),
    "head.weight": ("labels", None),
    "head.bias": ("labels",),
    "token_head.weight": ("token_labels", None),
    "token_head.bias": ("token_labels",),
    "logits": ("batch", "labels"),
    "token_logits": ("batch", "tokens", "token_labels"),
}


class TaskGraph(nn.Module):
    """The encoder with both linear heads; the heads come as inputs because each task brings its own.

    A head that a task does not use is fed with zero rows and gives an empty output.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Token inputs in the order of `encoder.inputs`, then `HEAD_INPUTS`; gives `OUTPUTS`."""
        tokens, (weight, bias, token_weight, token_bias) = inputs[:-4], inputs[-4:]
        pooled, hidden = self.encoder(*tokens)
        return pooled @ weight.T + bias, hidden @ token_weight.T + token_bias


def trace_graph(encoder: Encoder) -> onnx.ModelProto:
    """Export `TaskGraph` with every parameter under its own name and in its own orientation.

    The exporter's optimiser stays off: it renames and transposes weights and merges those of equal value.

    Raises:
        ModelError: torch cannot export this architecture.
    """
    names = [*encoder.inputs, *HEAD_INPUTS]
    free = torch.export.Dim.DYNAMIC
    try:
        with _quiet():
            program = torch.onnx.export(
                TaskGraph(encoder).eval(),
                _example(encoder),
                dynamo=True,
                optimize=False,
                input_names=names,
                output_names=list(OUTPUTS),
                # Keyword for the tuple that *inputs collects; only named axes vary.
                dynamic_shapes=(
                    tuple(
                        {axis: free for axis, label in enumerate(_AXES[name]) if label is not None}
                        for name in names
                    ),
                ),
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # the exporter has no error class of its own
        reason = str(error).strip().split("\n")[0]
        raise ModelError(f"torch cannot export {encoder.name}: {reason}") from error
    assert program is not None
    graph = program.model_proto
    _name_axes(graph)
    _strip_traces(graph)
    return graph


def _example(encoder: Encoder) -> tuple[Tensor, ...]:
    """Inputs whose sizes all differ, so that no two axes are taken for one."""
    tokens = torch.randint(
        0, encoder.model.config.vocab_size, (2, 9), generator=torch.Generator().manual_seed(0)
    )
    token_inputs = {
        "input_ids": tokens,
        "attention_mask": torch.ones_like(tokens),
        "token_type_ids": torch.zeros_like(tokens),
    }
    heads = (torch.zeros(3, encoder.width), torch.zeros(3), torch.zeros(4, encoder.width), torch.zeros(4))
    return (*(token_inputs[name] for name in encoder.inputs), *heads)


def _name_axes(model: onnx.ModelProto) -> None:
    """Give the free axes of inputs and outputs names that mean something to a person."""
    for value in [*model.graph.input, *model.graph.output]:
        for dimension, label in zip(value.type.tensor_type.shape.dim, _AXES[value.name], strict=True):
            if label is not None:
                dimension.dim_param = label
    del model.graph.value_info[:]  # they hold the exporter's names for the same axes


def _strip_traces(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes on each node: stack traces with file names of the exporting machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes about absent packages and its own deprecations from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
