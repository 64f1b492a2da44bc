"""The state of an unfinished run in its RUN folder, written whole or not at all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from edgediff.errors import RunError
from edgediff.files import write_atomic
from edgediff.train.stage import State

CHECKPOINT_FILE = "checkpoint.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """A run after a whole step.

    Attributes:
        identity: what the run is of (model, task, rows, settings); a resumed run must have the same.
        stage: the name of the stage under way.
        step: how many of its steps are done.
        record: what `train.json` will hold of the stages and steps done.
        state: the stage's own state, and the head under `head.weight` and `head.bias`.
    """

    identity: dict[str, Any]
    stage: str
    step: int
    record: dict[str, Any]
    state: State


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the folder's checkpoint.

    Raises:
        OutputError: it cannot be written; the earlier one is still there.
    """
    plain = {key: getattr(checkpoint, key) for key in ("identity", "stage", "step", "record")}
    tensors = {name: tensor.detach().contiguous() for name, tensor in checkpoint.state.items()}
    write_atomic(folder / CHECKPOINT_FILE, save(tensors, metadata={"edgediff": json.dumps(plain)}))


def remove_parts(folder: Path) -> None:
    """Remove what a killed process had begun to write; the folder must be locked."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def read_checkpoint(folder: Path, identity: dict[str, Any]) -> Checkpoint | None:
    """The folder's checkpoint, or None if the run had not got as far as one.

    Raises:
        RunError: the checkpoint is damaged, or of a run with another `identity`.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            plain = json.loads(file.metadata()["edgediff"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        checkpoint = Checkpoint(state=state, **plain)
        differs = difference({**checkpoint.identity}, identity)
    except (OSError, SafetensorError, TypeError, KeyError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error
    if differs is not None:
        name, found, wanted = differs
        raise RunError(f"{folder} was begun with {name} {found!r:.80}, it cannot go on with {wanted!r:.80}")
    return checkpoint


def difference(begun: Mapping[str, Any], identity: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """The first field in which a run that was begun differs from another one, with both values.

    What `begun` lacks is of a time that did not keep it, and no difference.
    """
    for name, wanted in identity.items():
        found = begun.get(name, wanted)
        if isinstance(wanted, Mapping) and isinstance(found, Mapping):
            if (inner := difference(found, wanted)) is not None:
                return inner
        elif found != wanted:
            return name, found, wanted
    return None
