"""Adapters by the package PEFT, to compare with.

LoRA (arXiv 2106.09685), SHiRA (arXiv 2406.13175), IA3 (arXiv 2205.05638).
"""

from typing import Any

import torch
from torch import Tensor, nn

from edgediff.errors import SettingError
from edgediff.train.dense_stage import DenseStage
from edgediff.train.model import TaskModel
from edgediff.train.settings import Method, Settings
from edgediff.train.stage import Parameters


class AdapterStage(DenseStage):
    """Trains adapters on the linear layers whose weights are `parameters`, and the head."""

    def __init__(self, model: TaskModel, parameters: Parameters, settings: Settings, steps: int) -> None:
        self._encoder = model.encoder.model
        adapters = attach(self._encoder, parameters, settings)
        super().__init__(model, adapters, settings, steps, settings.adapter_rate)

    def weights(self) -> dict[str, Tensor]:
        """What PEFT saves of them, by its names."""
        import peft

        saved: dict[str, Tensor] = peft.get_peft_model_state_dict(self._encoder)
        return saved


def attach(encoder: nn.Module, parameters: Parameters, settings: Settings) -> Parameters:
    """Put adapters on the linear layers whose weights are `parameters`; give the adapters' parameters.

    LoRA's scale is the package's usual one, `alpha = 2 * rank`. SHiRA draws as many entries of a matrix as
    LoRA of that rank would have. IA3 multiplies what a layer gives, or takes if it is one that ends a block.
    """
    import peft

    layers = [name.removesuffix(".weight") for name in parameters]
    rank, seed = settings.adapter_rank or 1, settings.seed
    torch.manual_seed(seed)
    config: Any
    if settings.method is Method.SHIRA:
        # Its layers multiply by sparse tensors, and torch warns until someone decides about checks of them.
        torch.sparse.check_sparse_tensor_invariants.disable()  # type: ignore[no-untyped-call]
        config = peft.ShiraConfig(r=rank, random_seed=seed, target_modules=layers)
    elif settings.method is Method.IA3:
        model_type = encoder.config.model_type  # type: ignore[union-attr]
        ends = tuple(peft.utils.constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING[model_type])
        ending = [layer for layer in layers if layer.endswith(ends)]
        config = peft.IA3Config(target_modules=layers, feedforward_modules=ending)
    else:
        config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers)
    peft.inject_adapter_in_model(config, encoder)
    return {name: p for name, p in sorted(encoder.named_parameters()) if p.requires_grad}


def rescaled_weights(encoder: nn.Module, parameters: Parameters) -> Parameters:
    """Those of the linear layers that IA3 rescales, by PEFT's table of architectures.

    Raises:
        SettingError: the table does not have the encoder's.
    """
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as TABLE

    model_type = encoder.config.model_type  # type: ignore[union-attr]
    if model_type not in TABLE:
        raise SettingError(
            f"method is ia3, and PEFT does not say which layers of the architecture {model_type} it rescales;"
            f" it does for {', '.join(sorted(TABLE))}"
        )
    endings = tuple(f"{ending}.weight" for ending in TABLE[model_type])
    return {name: parameter for name, parameter in parameters.items() if name.endswith(endings)}
