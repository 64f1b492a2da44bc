"""LoRA (Hu et al., arXiv 2106.09685) by the package PEFT, to compare with."""

from typing import Any

import torch
from torch import nn

from edgediff.extras import require
from edgediff.train.stage import Parameters


def attach_lora(encoder: nn.Module, parameters: Parameters, rank: int, seed: int) -> Parameters:
    """Put adapters on every linear layer whose weight is among `parameters`; give the adapters' parameters.

    The adapters' scale is the package's usual one, `alpha = 2 * rank`.
    """
    require("lora", "the method lora")
    import peft

    layers = [
        name
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Linear) and f"{name}.weight" in parameters
    ]
    torch.manual_seed(seed)
    config: Any = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers)
    peft.inject_adapter_in_model(config, encoder)
    return {name: p for name, p in sorted(encoder.named_parameters()) if "lora_" in name}
