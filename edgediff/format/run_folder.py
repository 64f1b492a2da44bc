"""RUN folders: what training leaves behind, exact and open to any tool (safetensors and JSON)."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Base, Diff, Head, Product, Task, TensorDiff
from edgediff.errors import RunError
from edgediff.extras import require
from edgediff.files import write_atomic

DIFF_FILE = "diff.safetensors"
WEIGHTS_FILE = "weights.safetensors"
TASK_FILE = "task.json"
TRAIN_FILE = "train.json"


def write_run(
    folder: Path,
    diff: Diff | None,
    task: Task,
    record: dict[str, Any],
    weights: Mapping[str, NDArray[np.float32]] | None = None,
) -> None:
    """Write the result of a training run; `train.json` comes last and marks the run as finished.

    Methods that give no diff have `weights`, all that was trained. `record` is the content of `train.json`.

    Raises:
        OutputError: a file cannot be written.
    """
    if diff is not None:
        write_atomic(folder / DIFF_FILE, _diff_bytes(diff))
    if weights is not None:
        write_atomic(folder / WEIGHTS_FILE, _safetensors(weights))
    write_atomic(folder / TASK_FILE, json_bytes(task.to_dict()))
    write_atomic(folder / TRAIN_FILE, json_bytes(record))


def read_run(folder: str | Path) -> Diff:
    """The exact diff of a finished run, its tensors in the order of their names.

    Raises:
        RunError: the folder is missing, unfinished, damaged, or has no diff.
    """
    require("train", "reading a RUN folder")
    from safetensors import SafetensorError, safe_open

    folder = Path(folder)
    record = read_record(folder)
    if not (folder / DIFF_FILE).is_file():
        if (folder / WEIGHTS_FILE).is_file():
            raise RunError(f"{folder} has no {DIFF_FILE}: the method {record.get('method')!r} gives no diff")
        raise RunError(f"{folder} has no {DIFF_FILE} any more: train it again")
    try:
        task = Task.from_dict(json.loads((folder / TASK_FILE).read_text("utf-8")), str(folder / TASK_FILE))
        with safe_open(folder / DIFF_FILE, framework="numpy") as file:
            plain = json.loads((file.metadata() or {})["edgediff"])
            stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
        tensors = tuple(
            TensorDiff(name, tuple(shape), stored[f"{name}.indices"], stored[f"{name}.values"])
            for name, shape in plain["shapes"].items()
        )
        products = tuple(
            Product(name, tuple(shape), stored[f"{name}.left"], stored[f"{name}.right"])
            for name, shape in plain.get("products", {}).items()
        )
        head = Head(stored["head.weight"], stored["head.bias"])
        base = Base(**plain["base"])
        diff = Diff(base, task, tensors, head, plain["provenance"], products=products)
        diff.check()
        return diff
    except KeyError as error:
        raise RunError(f"{folder} is no readable RUN folder: {DIFF_FILE} has no {error}") from error
    except (OSError, AttributeError, TypeError, ValueError, RecursionError, SafetensorError) as error:
        raise RunError(f"{folder} is no readable RUN folder: {error}") from error


def read_record(folder: Path) -> dict[str, Any]:
    """The content of `train.json`.

    Raises:
        RunError: the run is missing or not finished.
    """
    if not folder.is_dir():
        raise RunError(f"{folder} is no folder, expected the RUN folder of `edgediff train`")
    if not (folder / TRAIN_FILE).is_file():
        raise RunError(
            f"{folder} has no {TRAIN_FILE}: it is no RUN folder, or its training is not finished"
            " (`edgediff train --resume` goes on with it)"
        )
    try:
        record = json.loads((folder / TRAIN_FILE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{folder / TRAIN_FILE} cannot be read: {error}") from error
    if not isinstance(record, dict):
        raise RunError(f"{folder / TRAIN_FILE} holds no JSON object")
    return record


def json_bytes(plain: dict[str, Any]) -> bytes:
    """`plain` as JSON for people: indented, UTF-8, a line end at the end."""
    return (json.dumps(plain, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


def _diff_bytes(diff: Diff) -> bytes:
    arrays: dict[str, Any] = {"head.weight": diff.head.weight, "head.bias": diff.head.bias}
    for tensor in diff.tensors:
        arrays[f"{tensor.name}.indices"] = tensor.indices
        arrays[f"{tensor.name}.values"] = tensor.values
    for product in diff.products:
        arrays[f"{product.name}.left"] = product.left
        arrays[f"{product.name}.right"] = product.right
    plain = {
        "base": asdict(diff.base),
        "products": {product.name: list(product.shape) for product in diff.products},
        "shapes": {tensor.name: list(tensor.shape) for tensor in diff.tensors},
        "provenance": diff.provenance,
    }
    return _safetensors(arrays, {"edgediff": json.dumps(plain, sort_keys=True)})


def _safetensors(arrays: Mapping[str, Any], metadata: dict[str, str] | None = None) -> bytes:
    from safetensors.numpy import save

    return save({key: np.ascontiguousarray(array) for key, array in arrays.items()}, metadata)
