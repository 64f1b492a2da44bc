"""Each method as the stages that it is made of."""

import re

from edgediff.encoder import Encoder
from edgediff.errors import SettingError
from edgediff.extras import require
from edgediff.train.adapters import AdapterStage, rescaled_weights
from edgediff.train.batches import TokenRows
from edgediff.train.choosers import FisherChooser, RandomChooser
from edgediff.train.dense_stage import CreditChooser, DenseChooser, DenseStage
from edgediff.train.gate_stage import GateStage
from edgediff.train.model import TaskModel, linear_layers
from edgediff.train.settings import Criterion, Method, Settings
from edgediff.train.stage import Chooser, Parameters


def parameters_of(encoder: Encoder, settings: Settings) -> Parameters:
    """The encoder's parameters that the run may change, sorted by name.

    Raises:
        SettingError: none are left.
        MissingExtraError: the method needs a package that is not installed.
    """
    named: Parameters = {
        name: p for name, p in sorted(encoder.model.named_parameters()) if settings.allows(name)
    }
    if settings.method.adapts:
        require("peft", f"the method {settings.method}")
    if settings.method.adapts or settings.method is Method.LOW_RANK:
        named = _of_linear_layers(encoder, named)
    if settings.method is Method.IA3:
        named = rescaled_weights(encoder.model, named)
    if settings.method is Method.BITFIT:
        named = {name: p for name, p in named.items() if name.endswith(".bias")}
    if settings.method is Method.LAST_LAYER:
        last = _last_layer(list(named))
        named = {name: p for name, p in named.items() if name.startswith(last)}
    if not named:
        raise SettingError(
            f"components and exclude leave no parameter that the method {settings.method} may change"
        )
    return named


def weights_of(encoder: Encoder, settings: Settings) -> Parameters:
    """Those of them that change by products, none for most methods.

    Raises:
        SettingError: as `parameters_of`, or a rank is given and there are none.
    """
    if not settings.method.learns_products:
        return {}
    weights = _of_linear_layers(encoder, parameters_of(encoder, settings))
    if not weights and settings.adapter_rank is not None:
        raise SettingError(
            f"adapter_rank is {settings.adapter_rank}, but components and exclude leave no linear layer"
        )
    return weights


def _of_linear_layers(encoder: Encoder, named: Parameters) -> Parameters:
    layers = linear_layers(encoder.model)
    return {name: parameter for name, parameter in named.items() if name in layers}


def make_chooser(
    model: TaskModel,
    parameters: Parameters,
    rows: TokenRows,
    settings: Settings,
    steps: int,
    density: float,
) -> Chooser | None:
    """The stage that finds what to keep; None where the method knows it without one."""
    match settings.method:
        case Method.STRUCTURED | Method.DIFF:
            return GateStage(model, parameters, rows.token_ids(), settings, steps, density)
        case Method.EARLY | Method.EARLY_LOW_RANK if settings.criterion is Criterion.CREDIT:
            return CreditChooser(model, parameters, settings, steps)
        case Method.EARLY | Method.EARLY_LOW_RANK:
            return DenseChooser(model, parameters, settings, steps, keep_values=False)
        case Method.MAGNITUDE:
            return DenseChooser(model, parameters, settings, steps, keep_values=True)
        case Method.FISHER:
            return FisherChooser(model, parameters, settings, steps)
        case Method.RANDOM:
            return RandomChooser(parameters, settings)
        case _:
            return None


def make_dense(model: TaskModel, parameters: Parameters, settings: Settings, steps: int) -> DenseStage:
    """The one stage of a method that gives no diff."""
    if settings.method.adapts:
        return AdapterStage(model, parameters, settings, steps)
    return DenseStage(model, parameters, settings, steps, settings.dense_rate)


def _last_layer(names: list[str]) -> str:
    """The common beginning of the names of the last layer's parameters, such as `encoder.layer.5.`."""
    numbered = [found for name in names if (found := re.match(r"(.*?layers?\.)(\d+)\.", name))]
    if not numbered:
        raise SettingError("method last-layer: no parameter that may change has a numbered layer in its name")
    last = max(numbered, key=lambda found: int(found[2]))
    return f"{last[1]}{last[2]}."
