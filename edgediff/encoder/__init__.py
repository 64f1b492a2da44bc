"""A Hugging Face encoder with one way in and two features out, and what fine-tuning made of one."""

from edgediff.encoder.adapter import Adapter, is_adapter, load_adapter
from edgediff.encoder.encoder import Encoder, load_encoder
from edgediff.encoder.tuned import Tuned, load_tuned

__all__ = ["Adapter", "Encoder", "Tuned", "is_adapter", "load_adapter", "load_encoder", "load_tuned"]
