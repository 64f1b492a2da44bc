"""`edgediff export`: load, trace, prove the map, prove the outputs, write the bundle."""

from pathlib import Path

import onnx

from edgediff.diff import Base
from edgediff.encoder import Encoder, load_encoder
from edgediff.errors import ModelError
from edgediff.export.graph import trace_graph
from edgediff.export.verify import verify_outputs
from edgediff.export.weights import equal_groups, place_parameters, turn_weights, write_weights
from edgediff.files import folder_atomic, sha256, write_atomic
from edgediff.format.bundle import (
    MANIFEST_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    FileEntry,
    Manifest,
    Parameter,
)
from edgediff.format.run_folder import json_bytes


def export(model: str | Path, bundle: str | Path) -> Manifest:
    """Write the base bundle of `model` to the new folder `bundle`.

    `model` is a Hugging Face name, a folder, or `minilm`. The folder appears only when every parameter was
    found by value in exactly one initializer and the graph's outputs equalled torch's on real sentences.

    Raises:
        ModelError: the model cannot be loaded or exported, or a proof failed.
        OutputError: the folder exists or cannot be written.
    """
    with folder_atomic(Path(bundle)) as folder:
        encoder = load_encoder(model)
        parameters = encoder.arrays()
        graph = trace_graph(encoder)
        turned = turn_weights(graph)
        places = place_parameters(graph, parameters, turned)
        verify_outputs(graph, encoder)
        entries = write_weights(graph, places, parameters, folder)
        onnx.save_model(graph, folder / MODEL_FILE)
        encoder.tokenizer.save_pretrained(folder)
        if not (folder / TOKENIZER_FILE).is_file():
            raise ModelError(f"the tokenizer of {model} cannot be saved as {TOKENIZER_FILE}")
        manifest = _manifest(encoder, encoder.base(), entries, equal_groups(parameters), folder)
        write_atomic(folder / MANIFEST_FILE, json_bytes(manifest.to_dict()))
    return manifest


def _manifest(
    encoder: Encoder,
    base: Base,
    parameters: tuple[Parameter, ...],
    equal: tuple[tuple[str, ...], ...],
    folder: Path,
) -> Manifest:
    tokenizer = encoder.tokenizer
    return Manifest(
        base=base,
        model_type=encoder.model.config.model_type,
        max_length=encoder.max_length,
        pad_token_id=int(tokenizer.pad_token_id),
        pad_token_type_id=int(tokenizer.pad_token_type_id),
        inputs=encoder.inputs,
        pooled=encoder.pooled,
        parameters=parameters,
        equal=equal,
        tied=_tied_groups(encoder),
        files={path.name: _file_entry(path) for path in sorted(folder.iterdir()) if path.is_file()},
    )


def _tied_groups(encoder: Encoder) -> tuple[tuple[str, ...], ...]:
    """Names that mean one parameter, the one that `named_parameters()` gives first."""
    names: dict[int, list[str]] = {}
    for name, parameter in encoder.model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return tuple(tuple(group) for group in names.values() if len(group) > 1)


def _file_entry(path: Path) -> FileEntry:
    return FileEntry(path.stat().st_size, sha256(path))
