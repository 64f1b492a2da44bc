"""The paper's three stages in the order in which they happen, and the dense methods to compare with."""

import numpy as np
import torch
from numpy.typing import NDArray

from edgediff.diff import Diff
from edgediff.encoder import Tuned
from edgediff.train.best import Best
from edgediff.train.checkpoint import Checkpoint
from edgediff.train.choosers import GivenChooser
from edgediff.train.cut import Cut, Mask
from edgediff.train.factors import Factors
from edgediff.train.loop import Loop
from edgediff.train.mask_stage import MaskStage, mask_in
from edgediff.train.methods import make_chooser, make_dense, parameters_of, weights_of
from edgediff.train.settings import Method, Settings
from edgediff.train.stage import Chooser, Stage


def learn_diff(loop: Loop, cut: Cut, given: Tuned | None, checkpoint: Checkpoint | None) -> Diff:
    """The paper's three stages: find what to change, keep the largest, tune what is kept."""
    settings, model = loop.settings, loop.model
    parameters = parameters_of(model.encoder, settings)
    choosing_steps = 0
    if given is None and settings.choosing:
        choosing_steps = max(round(loop.total_steps * settings.choosing), 1)  # in none, nothing is found
    tuning_steps = loop.total_steps - choosing_steps

    if checkpoint is None or checkpoint.stage != MaskStage.name:
        # Stage 1: find what a task needs; the paper by a relaxed L0 norm (sections 3.1 and 3.2).
        chooser: Chooser | None
        if given is not None:
            chooser = GivenChooser(given.difference, parameters, settings)
        else:
            chooser = make_chooser(model, parameters, loop.rows, settings, choosing_steps, cut.density)
        start = None
        if settings.method is Method.LOW_RANK:
            mask: Mask = {}
        elif chooser is None:
            mask = {name: np.arange(p.numel()) for name, p in parameters.items()}
        else:
            loop.run(chooser, 0, _begin(chooser, checkpoint))
            loop.record["stages"][-1] |= chooser.note()
            if chooser.steps:  # else nothing was learnt yet
                loop.record["stages"][-1] |= {"scores": loop.score()}

            # Stage 2: the exact density, by one threshold over the whole model (section 3.3).
            found = chooser.found()
            start = chooser.start(found)
            mask = cut.mask(found, start, model.head_arrays())
            chooser.detach()
            del found, chooser
        mask_stage = MaskStage(model, mask, start, settings, tuning_steps, _factors(loop, cut))
        best = _best(settings)
        loop.save(mask_stage, 0, best)
        first = 0
    else:
        mask = mask_in(checkpoint.state)
        mask_stage = MaskStage(model, mask, None, settings, tuning_steps, _factors(loop, cut))
        best, first = _best(settings, checkpoint), _begin(mask_stage, checkpoint)

    # Stage 3: the mask stays, the values learn (section 3.3), and the products beside them, if any.
    loop.run(mask_stage, choosing_steps, first, best)
    factors = mask_stage.factors
    products = factors.products() if factors is not None else ()
    return Diff(cut.base, model.task, mask_stage.tensors(), model.head_arrays(), products=products)


def _factors(loop: Loop, cut: Cut) -> Factors | None:
    weights = weights_of(loop.model.encoder, loop.settings)
    return Factors(loop.model, weights, loop.settings, cut.rank) if weights else None


def learn_densely(loop: Loop, checkpoint: Checkpoint | None) -> dict[str, NDArray[np.float32]]:
    """A method to compare with, in one stage; give what was trained, the head among it, by name."""
    parameters = parameters_of(loop.model.encoder, loop.settings)
    stage = make_dense(loop.model, parameters, loop.settings, loop.total_steps)
    loop.run(stage, 0, _begin(stage, checkpoint), _best(loop.settings, checkpoint))
    loop.record["trained_parameters"] = stage.size
    head = {"head.weight": loop.model.head.weight, "head.bias": loop.model.head.bias}
    return {name: tensor.detach().cpu().numpy() for name, tensor in (stage.weights() | head).items()}


def _best(settings: Settings, checkpoint: Checkpoint | None = None) -> Best | None:
    if settings.patience is None:
        return None
    best = Best(settings.patience)
    best.restore(checkpoint.state if checkpoint is not None else {})
    return best


def _begin(stage: Stage, checkpoint: Checkpoint | None) -> int:
    """Restore `stage` from the checkpoint, if there is one; give the step to go on with."""
    if checkpoint is None:
        return 0
    stage.restore(checkpoint.state)
    return checkpoint.step


def restore(loop: Loop, checkpoint: Checkpoint) -> None:
    """Have the loop go on from the checkpoint: its record, and the head as it was."""
    loop.record = checkpoint.record
    with torch.no_grad():
        loop.model.head.weight.copy_(checkpoint.state["head.weight"])
        loop.model.head.bias.copy_(checkpoint.state["head.bias"])
