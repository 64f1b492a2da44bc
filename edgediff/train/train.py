"""`edgediff train`: the three stages of diff pruning, in the order in which they happen."""

import hashlib
import importlib.metadata
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import accelerate
import torch

from edgediff.diff import Base, Diff, Task
from edgediff.encoder import load_encoder
from edgediff.errors import OutputError, RunError, SettingError
from edgediff.format.run_folder import TRAIN_FILE, read_record, write_run
from edgediff.pack import top_k
from edgediff.score import Rows, load_task, read_rows
from edgediff.score.rows import download_rows
from edgediff.train.batches import TokenRows
from edgediff.train.checkpoint import CHECKPOINT_FILE, Checkpoint, read_checkpoint
from edgediff.train.full_stage import FullStage
from edgediff.train.gate_stage import GateStage
from edgediff.train.loop import Loop, Progress
from edgediff.train.mask_stage import MaskStage
from edgediff.train.model import make_model
from edgediff.train.settings import Method, Settings


def train(
    model: str | Path,
    run: str | Path,
    *,
    task: str | Path | Task,
    train: str | Path | None = None,
    dev: str | Path | None = None,
    settings: Settings | None = None,
    rows: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Learn a task as a sparse diff over a frozen encoder; give the content of `RUN/train.json`.

    `run` becomes a RUN folder: `diff.safetensors` (but for the method `full`), `task.json`, `train.json`.
    `train` and `dev` are labelled files; without them a built-in task is loaded with `datasets`. `rows`
    limits the training rows to a random sample, the same for every seed. With `resume`, an interrupted run
    goes on from its last checkpoint, and a finished one is returned as it is.

    Raises:
        SettingError, TaskError, DataError, ModelError: an argument that cannot be used.
        RunError: `run` exists (without `resume`), or cannot be resumed with these arguments.
        TrainingError: the loss is no longer a number.
        OutputError: a file cannot be written.
    """
    settings = settings or Settings()
    folder = Path(run)
    if folder.exists() and not resume:
        raise RunError(f"{folder} exists already: name a new RUN folder, or add --resume to go on with it")
    if (folder / TRAIN_FILE).is_file():
        return read_record(folder)
    definition = task if isinstance(task, Task) else load_task(task)
    train_rows = read_rows(train, definition, rows) if train else download_rows(definition, "train", rows)
    dev_rows = read_rows(dev, definition) if dev else download_rows(definition, "dev")

    accelerator = accelerate.Accelerator()
    encoder = load_encoder(model)
    base = encoder.base()
    keep = round(settings.density * base.parameters)
    if keep < 1:
        raise SettingError(f"density {settings.density} keeps no entry of {base.parameters} parameters")
    tokens = TokenRows(train_rows, encoder, definition)
    task_model = make_model(encoder, definition, settings.seed, tokens.targets).to(accelerator.device)
    identity = _identity(base, definition, settings, train_rows)
    checkpoint = read_checkpoint(folder, identity)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create {folder}: {error.strerror or error}") from error
    loop = Loop(task_model, tokens, settings, folder, identity, progress or (lambda *_: None), accelerator)
    dev_tokens = TokenRows(dev_rows, encoder, definition)
    if checkpoint is not None:
        _restore_head(loop, checkpoint)

    if settings.method is Method.FULL:
        _train_full(loop, checkpoint)
        diff = None
    else:
        diff = _train_structured(loop, checkpoint, base, keep, dev_rows, dev_tokens)

    scores = loop.score(dev_rows, dev_tokens)
    if diff is not None:
        diff = replace(diff, provenance=_provenance(settings, definition, scores))
    record = _record(loop, base, definition, (train_rows, dev_rows), diff, scores)
    write_run(folder, diff, definition, record)
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    return record


def _train_structured(
    loop: Loop, checkpoint: Checkpoint | None, base: Base, keep: int, dev_rows: Rows, dev_tokens: TokenRows
) -> Diff:
    """The paper's method: learn the gates, keep the largest `w * z`, tune what is kept."""
    settings, model = loop.settings, loop.model
    steps = _total_steps(loop)
    gate_steps = round(steps * settings.gate_share)

    if checkpoint is None or checkpoint.stage == GateStage.name:
        # Stage 1: a relaxed L0 norm decides what to change (sections 3.1 and 3.2).
        gate_stage = GateStage(model, loop.rows.token_ids(), settings, gate_steps)
        loop.run(gate_stage, 0, _begin(gate_stage, checkpoint))
        loop.record["stages"][-1]["open_share"] = gate_stage.open_share
        loop.record["stages"][-1]["scores"] = loop.score(dev_rows, dev_tokens)

        # Stage 2: the exact density, by one threshold over the whole model (section 3.3).
        learnt = gate_stage.learnt()
        mask = top_k(learnt, keep)
        gate_stage.detach()
        del gate_stage
        mask_stage = MaskStage(model, mask, learnt, settings, steps - gate_steps)
        loop.save(mask_stage, 0)
        first = 0
    else:
        mask = {
            name.removeprefix("indices."): indices.numpy()
            for name, indices in checkpoint.state.items()
            if name.startswith("indices.")
        }
        zeros = {name: p.detach().cpu().numpy() for name, p in model.parameters_by_name().items()}
        mask_stage = MaskStage(model, mask, zeros, settings, steps - gate_steps)
        first = _begin(mask_stage, checkpoint)

    # Stage 3: the mask stays, the values learn (section 3.3).
    loop.run(mask_stage, gate_steps, first)
    return Diff(base, model.task, mask_stage.tensors(), model.head_arrays())


def _train_full(loop: Loop, checkpoint: Checkpoint | None) -> None:
    stage = FullStage(loop.model, loop.settings, _total_steps(loop))
    loop.run(stage, 0, _begin(stage, checkpoint))


def _total_steps(loop: Loop) -> int:
    return max(round(loop.settings.epochs * loop.steps_per_epoch), 1)


def _begin(stage: GateStage | MaskStage | FullStage, checkpoint: Checkpoint | None) -> int:
    """Restore `stage` from the checkpoint, if there is one; give the step to go on with."""
    if checkpoint is None:
        return 0
    stage.restore(checkpoint.state)
    return checkpoint.step


def _restore_head(loop: Loop, checkpoint: Checkpoint) -> None:
    loop.record = checkpoint.record
    with torch.no_grad():
        loop.model.head.weight.copy_(checkpoint.state["head.weight"])
        loop.model.head.bias.copy_(checkpoint.state["head.bias"])


def _identity(base: Base, task: Task, settings: Settings, rows: Rows) -> dict[str, Any]:
    """All that decides a run's result, in plain values."""
    digest = hashlib.sha256(rows.targets.tobytes())
    for text in (*rows.texts, *(rows.pairs or ())):
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return {
        "base": base.fingerprint,
        "task": task.to_dict(),
        "rows": digest.hexdigest(),
        "settings": asdict(settings),
    }


def _provenance(settings: Settings, task: Task, scores: dict[str, float]) -> dict[str, str]:
    """What a `.dpf` file says of how its diff came about."""
    return {
        "method": settings.method.value,
        "density": str(settings.density),
        "seed": str(settings.seed),
        f"dev_{task.metric}": f"{scores[task.metric]:.4f}",
        "edgediff": importlib.metadata.version("edgediff"),
    }


def _record(
    loop: Loop, base: Base, task: Task, rows: tuple[Rows, Rows], diff: Diff | None, scores: dict[str, float]
) -> dict[str, Any]:
    packages = ("edgediff", "torch", "transformers", "accelerate")
    return {
        "method": loop.settings.method,
        "task": task.name,
        "metric": task.metric,
        "scores": {"dev": scores},
        "base": asdict(base),
        "nnz": diff.nnz if diff else None,
        "density": diff.density if diff else None,
        "rows": {"train": len(rows[0]), "dev": len(rows[1])},
        "settings": asdict(loop.settings),
        "precision": "bf16" if loop.autocast else "fp32",
        "device": loop.accelerator.device.type,
        **loop.record,
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }
