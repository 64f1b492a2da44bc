"""Session mode: a stock `InferenceSession` of the base with one task's diff added to its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.diff import Diff, Task
from edgediff.errors import BaseMismatchError, BundleError
from edgediff.format import read_dpf
from edgediff.format.bundle import (
    MODEL_FILE,
    WEIGHTS_FILE,
    Manifest,
    Parameter,
    read_manifest,
    read_parameter,
)


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
        return "token_logits" if self.definition.per_token else "logits"


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
        (logits,) = session.run(["logits"], {**tokens, **task.feeds})

    `session_options` is used as given and gains the patched weights: use it for one session.

    Raises:
        BundleError: the bundle is missing, damaged or of another version.
        FormatError: the `.dpf` file is missing or breaks a rule of its format.
        BaseMismatchError: the diff was made for another base.
    """
    manifest = read_manifest(base)
    diff = dpf if isinstance(dpf, Diff) else read_dpf(dpf)
    check_base(manifest, diff, where=f"{base}", dpf="the diff" if isinstance(dpf, Diff) else f"{dpf}")
    patches = _patched_initializers(Path(base), manifest, diff)
    options = session_options or onnxruntime.SessionOptions()
    # Unlike add_initializer, this way checks names and shapes and acts before the optimiser folds a weight.
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in patches.values()]
    if values:
        options.add_external_initializers(list(patches), values)
    try:
        session = onnxruntime.InferenceSession(Path(base) / MODEL_FILE, options, providers=list(providers))
    except Exception as error:  # onnxruntime's errors have no common class but this
        reason = str(error).strip().split("\n")[0]
        raise BundleError(f"onnxruntime cannot open {Path(base) / MODEL_FILE}: {reason}") from error
    return session, SessionTask(diff.task, head_feeds(diff))


def check_base(manifest: Manifest, diff: Diff, where: str, dpf: str) -> None:
    """Check that `diff` was made for the base of `manifest`, parameter by parameter.

    Raises: BaseMismatchError: another base (the text holds both fingerprints), or a parameter that it lacks
    or has in another shape.
    """
    if diff.base.fingerprint != manifest.base.fingerprint:
        raise BaseMismatchError(
            f"{dpf} was made for the base {diff.base.name} with fingerprint {diff.base.fingerprint},"
            f" but {where} holds {manifest.base.name} with fingerprint {manifest.base.fingerprint}"
        )
    parameters = {parameter.name: parameter for parameter in manifest.parameters}
    for name, shape in diff.shapes.items():
        _check_parameter(parameters, name, shape, where)


def head_feeds(diff: Diff) -> dict[str, NDArray[np.float32]]:
    """The four head inputs of the graph: the task's head, and zero rows for the one it does not use."""
    used, unused = ("token_head", "head") if diff.task.per_token else ("head", "token_head")
    return {
        f"{used}.weight": diff.head.weight,
        f"{used}.bias": diff.head.bias,
        f"{unused}.weight": np.zeros((0, diff.base.width), np.float32),
        f"{unused}.bias": np.zeros(0, np.float32),
    }


def _patched_initializers(base: Path, manifest: Manifest, diff: Diff) -> dict[str, NDArray[np.float32]]:
    """The initializers that the diff touches, patched, in the graph's orientation."""
    parameters = {parameter.name: parameter for parameter in manifest.parameters}
    weights = np.memmap(base / WEIGHTS_FILE, np.uint8, "r")
    patched = {}
    for name in diff.shapes:
        parameter = parameters[name]
        array = diff.patch(name, read_parameter(weights, parameter))
        patched[parameter.initializer] = np.ascontiguousarray(array.T if parameter.transposed else array)
    return patched


def _check_parameter(parameters: dict[str, Parameter], name: str, shape: tuple[int, ...], base: str) -> None:
    parameter = parameters.get(name)
    if parameter is None:
        raise BaseMismatchError(f"the diff changes {name!r}, which the base {base} does not have")
    if parameter.shape != shape:
        raise BaseMismatchError(
            f"the diff changes {name!r} of shape {shape}, the base {base} has {parameter.shape}"
        )
