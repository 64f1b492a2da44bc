"""A Hugging Face encoder with one way in and two features out, and what fine-tuning made of one."""

from edgediff.encoder.encoder import Encoder, load_encoder
from edgediff.encoder.tuned import Tuned, load_tuned

__all__ = ["Encoder", "Tuned", "load_encoder", "load_tuned"]
