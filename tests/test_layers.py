import importlib
import pkgutil
import subprocess
import sys

import pytest

import edgediff

HEAVY = {
    "torch",
    "transformers",
    "accelerate",
    "datasets",
    "onnx",
    "onnxscript",
    "sklearn",
    "scipy",
    "safetensors",
}
PACKAGES = [
    "edgediff",
    *(f"edgediff.{info.name}" for info in pkgutil.iter_modules(edgediff.__path__) if info.ispkg),
]


def _modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after `statement`."""
    code = f"import sys; {statement}; print(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ["edgediff", "edgediff.format", "edgediff.pack", "edgediff.score"])
def test_the_lower_layers_load_numpy_alone(module):
    assert not _modules_after(f"import {module}") & (HEAVY | {"onnxruntime", "tokenizers"})


def test_the_runtime_loads_neither_torch_nor_transformers_nor_onnx():
    loaded = _modules_after("import edgediff.runtime")
    assert "onnxruntime" in loaded
    assert not loaded & HEAVY


def test_training_and_export_do_not_load_onnxruntime():
    loaded = _modules_after("import edgediff.train, edgediff.export")
    assert {"torch", "transformers", "onnx"} <= loaded
    assert "onnxruntime" not in loaded


def test_the_command_line_starts_without_any_heavy_import():
    assert not _modules_after("import edgediff_cli.main") & (HEAVY | {"onnxruntime", "tokenizers"})


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_the_list_of_public_names(name):
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(
        set(module.__all__), key=lambda n: (not n.isupper(), n.islower(), n)
    )
    assert all(hasattr(module, public) for public in module.__all__)
