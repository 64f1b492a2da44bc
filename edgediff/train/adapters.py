"""Adapters by the package PEFT, to compare with: LoRA (arXiv 2106.09685) and SHiRA (arXiv 2406.13175)."""

from typing import Any

import torch
from torch import Tensor, nn

from edgediff.train.dense_stage import DenseStage
from edgediff.train.model import TaskModel
from edgediff.train.settings import Method, Settings
from edgediff.train.stage import Parameters


class AdapterStage(DenseStage):
    """Trains adapters on every linear layer whose weight may change, and the head."""

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
    LoRA of that rank would have.
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
    else:
        config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers)
    peft.inject_adapter_in_model(config, encoder)
    return {name: p for name, p in sorted(encoder.named_parameters()) if p.requires_grad}
