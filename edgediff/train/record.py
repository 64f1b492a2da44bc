"""What a run leaves in writing: its identity, `train.json`, and the provenance inside a `.dpf` file."""

import hashlib
import importlib.metadata
import json
from dataclasses import asdict
from typing import Any

import accelerate
import numpy as np

from edgediff.diff import Base, Diff, Task, fingerprint
from edgediff.encoder import Tuned
from edgediff.score import Rows, Scores
from edgediff.train.loop import Loop, precision_of
from edgediff.train.settings import Method, Settings, Shape

EXTRACT = "extract"
"""The method of a diff that was cut from a fine-tuned checkpoint."""
_PACKAGES = ("edgediff", "torch", "transformers", "accelerate")


def identity_of(
    base: Base,
    task: Task,
    settings: Settings,
    rows: Rows,
    dev: Rows,
    given: Tuned | None,
    accelerator: accelerate.Accelerator,
) -> dict[str, Any]:
    """All that decides a run's result, in plain values; `precision` is the one that `auto` has found."""
    plain = asdict(settings)
    del plain["precision"]
    identity = {
        "edgediff": importlib.metadata.version("edgediff"),
        "base": base.fingerprint,
        "task": asdict(task),
        "rows": _digest(rows),
        "dev_rows": _digest(dev),
        "settings": plain,
        "tuned": _fingerprint(given) if given is not None else None,
        "precision": precision_of(settings, accelerator.device),
        "processes": accelerator.num_processes,
    }
    return dict(json.loads(json.dumps(identity)))  # as a checkpoint gives it back: tuples become lists


def _digest(rows: Rows) -> str:
    digest = hashlib.sha256()
    # The whole of a target: an array of many elements is abridged by its own repr.
    targets = (each.tolist() if isinstance(each, np.ndarray) else each for each in rows.targets)
    for text in (*rows.texts, *(rows.pairs or ()), *map(repr, targets)):
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def _fingerprint(given: Tuned) -> str:
    head = {} if given.head is None else {"head.weight": given.head.weight, "head.bias": given.head.bias}
    return fingerprint((given.difference | head).items())


def provenance_of(settings: Settings, task: Task, scores: Scores, given: bool) -> dict[str, str]:
    """What a `.dpf` file says of how its diff came about."""
    amount = {"density": str(settings.kept_share)} if settings.size is None else {"size": str(settings.size)}
    if settings.method in (Method.BITFIT, Method.LOW_RANK) and not given:
        amount.pop("density", None)  # its parameters say how many there are
    if settings.product_rank and not given:
        amount["rank"] = str(settings.product_rank)
    if settings.shape is not Shape.ENTRY:
        amount["shape"] = settings.shape.value
    return {
        "method": EXTRACT if given else settings.method.value,
        **amount,
        "seed": str(settings.seed),
        **({f"dev_{task.metric}": f"{scores[task.metric]:.4f}"} if scores else {}),
        "edgediff": importlib.metadata.version("edgediff"),
    }


def record_of(loop: Loop, base: Base, diff: Diff | None, scores: Scores, given: bool) -> dict[str, Any]:
    """The content of `train.json`."""
    task, settings = loop.model.task, loop.settings
    named = {"train": loop.rows, "dev": loop.dev}
    return {
        "method": EXTRACT if given else settings.method,
        "task": task.name,
        "metric": task.metric,
        "scores": {"dev": scores},
        "base": asdict(base),
        "identity": loop.identity,
        "nnz": diff.nnz if diff else None,
        "factors": diff.size - diff.nnz if diff else None,
        "density": diff.density if diff else None,
        "rows": {name: len(tokens.rows) for name, tokens in named.items()},
        "cut_rows": {name: tokens.cut for name, tokens in named.items()},
        "label_counts": {name: tokens.rows.label_counts(task) for name, tokens in named.items()},
        "settings": asdict(settings) | {"bits": settings.value_bits},  # as `pack` shall take them
        "precision": "bf16" if loop.autocast else "fp32",
        "device": loop.accelerator.device.type,
        "processes": loop.accelerator.num_processes,
        **loop.record,
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
