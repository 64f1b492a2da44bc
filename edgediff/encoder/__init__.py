"""The Hugging Face encoder: how it is loaded, named and read, for training and export alike."""

from edgediff.encoder.encoder import Encoder, load_encoder

__all__ = ["Encoder", "load_encoder"]
