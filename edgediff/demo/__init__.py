"""The whole road on a small task that comes with the package: short voice commands to intents."""

from edgediff.demo.demo import demo

__all__ = ["demo"]
