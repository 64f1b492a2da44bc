"""Session mode: a stock `InferenceSession` of the base with one task's diff added to its weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.diff import Base, Diff, Task
from edgediff.errors import BaseMismatchError
from edgediff.format import read_dpf, read_header
from edgediff.format.bundle import (
    MODEL_FILE,
    Manifest,
    map_weights,
    read_manifest,
    read_parameter,
)
from edgediff.runtime.asking import asking


@dataclass(frozen=True)
class SessionTask:
    """A task as a session needs it.

    Attributes:
        definition: what the `.dpf` file says of the task.
        feeds: the head tensors by graph input; pass them with the tokens at every run. The head that the task
            does not use has zero rows and costs nothing.
    """

    definition: Task
    feeds: dict[str, NDArray[np.float32]]

    @property
    def name(self) -> str:
        """The task's name."""
        return self.definition.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names in the order of the logits; empty for regression."""
        return self.definition.labels

    @property
    def output(self) -> str:
        """The graph output that carries this task's logits."""
        return _output(self.definition)


def load_session(
    base: str | Path,
    dpf: str | Path | Diff,
    *,
    session_options: onnxruntime.SessionOptions | None = None,
    providers: Sequence[Any] = ("CPUExecutionProvider",),
) -> tuple[onnxruntime.InferenceSession, SessionTask]:
    """Open a session of the base bundle `base` that answers for the task of `dpf`, a file or a `Diff`.

    Only the tensors that the diff touches are copied; onnxruntime maps the others from the bundle. Feed the
    session its token inputs and `task.feeds`:

        session, task = load_session("base/", "sst2.dpf")
        (logits,) = session.run([task.output], {**tokens, **task.feeds})

    `session_options` is used as given and gains the patched weights: use it for one session.

    Raises:
        BundleError: the bundle is missing, damaged or of another version.
        FormatError: the `.dpf` file is missing or breaks a rule of its format.
        BaseMismatchError: the diff was made for another base.
    """
    manifest = read_manifest(base)
    if isinstance(dpf, Diff):
        diff = dpf
        check_base(manifest, diff.base, diff.shapes, where=f"{base}", dpf="the diff")
    else:
        diff = read_fitting(manifest, dpf, where=f"{base}")
    patches = _patched_initializers(Path(base), manifest, diff)
    options = session_options or onnxruntime.SessionOptions()
    # Unlike add_initializer, this way checks names and shapes and acts before the optimiser folds a weight.
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in patches.values()]
    if values:
        options.add_external_initializers(list(patches), values)
    model = Path(base) / MODEL_FILE
    with asking(f"open {model}"):
        session = onnxruntime.InferenceSession(model, options, providers=list(providers))
    return session, SessionTask(diff.task, head_feeds(diff))


def read_fitting(manifest: Manifest, dpf: str | Path, where: str) -> Diff:
    """The diff of a file that was made for the base of `manifest`, the bundle `where`.

    Of any other only the header is read, so that what is decoded takes memory as the base does.

    Raises:
        FormatError, BaseMismatchError: as `load_session`.
    """
    header = read_header(dpf)
    check_base(manifest, header.base, header.shapes, where, f"{dpf}")
    diff = read_dpf(dpf)
    check_base(manifest, diff.base, diff.shapes, where, f"{dpf}")  # it may be another file by now
    return diff


def check_base(
    manifest: Manifest, base: Base, shapes: Mapping[str, tuple[int, ...]], where: str, dpf: str
) -> None:
    """Check that a diff of `base` that changes parameters of `shapes` fits the base of `manifest`.

    Raises:
        BaseMismatchError: another base (the text holds both fingerprints), or a parameter that it lacks or
            has in another shape.
    """
    own = manifest.base
    if base.fingerprint != own.fingerprint:
        raise BaseMismatchError(
            f"{dpf} was made for the base {base.name} with fingerprint {base.fingerprint},"
            f" but {where} holds {own.name} with fingerprint {own.fingerprint}"
        )
    if base.width != own.width:
        raise BaseMismatchError(f"{dpf} has a head of width {base.width}, the base {where} has {own.width}")
    parameters = {parameter.name: parameter for parameter in manifest.parameters}
    for name, shape in shapes.items():
        parameter = parameters.get(name)
        if parameter is None:
            raise BaseMismatchError(f"{dpf} changes {name!r}, which the base {where} does not have")
        if parameter.shape != shape:
            raise BaseMismatchError(
                f"{dpf} changes {name!r} of shape {shape}, the base {where} has {parameter.shape}"
            )


def run_session(
    session: onnxruntime.InferenceSession,
    task: Task,
    tokens: Mapping[str, NDArray[np.int64]],
    head: Mapping[str, NDArray[np.float32]],
) -> NDArray[np.float32]:
    """The logits of a task for one batch of token inputs, with the `head_feeds` of its diff.

    Raises:
        BundleError: onnxruntime cannot run the base with these.
    """
    with asking("run the base"):
        (logits,) = session.run([_output(task)], {**tokens, **head})
    return np.asarray(logits)


def head_feeds(diff: Diff) -> dict[str, NDArray[np.float32]]:
    """The four head inputs of the graph: the task's head, and zero rows for the one it does not use."""
    used, unused = ("token_head", "head") if diff.task.per_token else ("head", "token_head")
    return {
        f"{used}.weight": diff.head.weight,
        f"{used}.bias": diff.head.bias,
        f"{unused}.weight": np.zeros((0, diff.base.width), np.float32),
        f"{unused}.bias": np.zeros(0, np.float32),
    }


def _output(task: Task) -> str:
    """The graph output that carries the task's logits."""
    return "token_logits" if task.per_token else "logits"


def _patched_initializers(base: Path, manifest: Manifest, diff: Diff) -> dict[str, NDArray[np.float32]]:
    """The initializers that the diff touches, patched, in the graph's orientation."""
    parameters = {parameter.name: parameter for parameter in manifest.parameters}
    weights = map_weights(base)
    patched = {}
    for name in diff.shapes:
        parameter = parameters[name]
        array = diff.patch(name, read_parameter(weights, parameter))
        patched[parameter.initializer] = np.ascontiguousarray(array.T if parameter.transposed else array)
    return patched
