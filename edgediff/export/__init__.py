"""From a Hugging Face encoder to a base bundle: one ONNX graph, one file of weights, one proven map."""

from edgediff.export.export import export

__all__ = ["export"]
