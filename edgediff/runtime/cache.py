"""Images that were built on this machine, kept in a cache folder of the user's own."""

import hashlib
import json
import os
import platform
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from edgediff.errors import BundleError
from edgediff.files import folder_atomic
from edgediff.format.bundle import MODEL_FILE, Manifest
from edgediff.runtime.image import IMAGE_FILE, build_image
from edgediff.runtime.places import Place, Places, find_places

LAYOUT = 1
"""The version of what is cached; another one is built anew."""
RECORD_FILE, PLACES_FILE = "image.json", "places.npz"
_CHUNK = 1 << 24


@dataclass(frozen=True, eq=False)
class CachedImage:
    """An image with its places.

    Attributes:
        folder: holds `model.onnx` and `image.bin`.
        places: where the parameters lie.
        crc32: of `image.bin`; whoever copies it checks it.
    """

    folder: Path
    places: Places
    crc32: int


def cached_image(bundle: Path, manifest: Manifest, cache: Path | None = None) -> CachedImage:
    """The image of `bundle` for this onnxruntime and processor, built if `cache` has none.

    Raises:
        BundleError: no image can be made whose places are sure, or the cache folder cannot be trusted.
        OutputError: the cache folder cannot be written.
    """
    folder = (cache or default_cache()) / _key(manifest)
    if not folder.is_dir():
        _make_private(folder.parent)
        _build(bundle, manifest, folder)
    _check_private(folder.parent)
    _check_private(folder)
    try:
        return _read(folder)
    except (OSError, ValueError, KeyError, TypeError, zlib.error) as error:
        raise BundleError(f"{folder} holds no image that can be read: {error}; remove that folder") from error


def default_cache() -> Path:
    """`$EDGEDIFF_CACHE`, or `edgediff` in the user's cache folder."""
    named = os.environ.get("EDGEDIFF_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgediff"


def copy_image(cached: CachedImage, target: Path) -> None:
    """Copy `image.bin` to the file `target`, checking it on the way.

    Raises:
        BundleError: the cached file is damaged.
        OSError: no space, or no permission.
    """
    crc = 0
    with (cached.folder / IMAGE_FILE).open("rb") as source, target.open("wb") as copy:
        while chunk := source.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
            copy.write(chunk)
    if crc != cached.crc32:
        raise BundleError(f"{cached.folder / IMAGE_FILE} is damaged: remove {cached.folder}")


def _build(bundle: Path, manifest: Manifest, folder: Path) -> None:
    with folder_atomic(folder) as part:
        image = build_image(bundle, part)
        places = find_places(bundle, manifest, image)
        record = {
            "crc32": _crc32(part / IMAGE_FILE),
            "places": {name: [place.start, place.order] for name, place in places.by_name.items()},
            "unread": places.unread,
        }
        orders = {f"order{number}": order for number, order in enumerate(places.orders)}
        np.savez(part / PLACES_FILE, **orders)  # type: ignore[arg-type]
        (part / RECORD_FILE).write_text(json.dumps(record))


def _read(folder: Path) -> CachedImage:
    record: dict[str, Any] = json.loads((folder / RECORD_FILE).read_text("utf-8"))
    with np.load(folder / PLACES_FILE, allow_pickle=False) as stored:
        orders = tuple(stored[f"order{number}"] for number in range(len(stored.files)))
    by_name = {name: Place(start, order) for name, (start, order) in record["places"].items()}
    unread = tuple((offset, length) for offset, length in record["unread"])
    if not (folder / MODEL_FILE).is_file():
        raise ValueError(f"{MODEL_FILE} is missing")
    return CachedImage(folder, Places(by_name, orders, unread), record["crc32"])


def _key(manifest: Manifest) -> str:
    """A folder's name for base, onnxruntime and processor: packed bytes are theirs alone."""
    processor = hashlib.sha256(f"{platform.machine()}\0{_processor()}".encode()).hexdigest()[:12]
    graph = manifest.files[MODEL_FILE].sha256[:8]
    base = f"{manifest.base.fingerprint[:16]}-{graph}"
    return f"{base}-{onnxruntime.__version__}-{processor}-{LAYOUT}"


def _processor() -> str:
    """What the processor says of itself: model and features."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(f"the cache folder {folder} cannot be made: {error.strerror or error}") from error


def _check_private(folder: Path) -> None:
    """Only its owner may write a folder whose bytes become a model's weights."""
    if not hasattr(os, "getuid"):
        return
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BundleError(
            f"the cache folder {folder} can be written by others than this user: make it private (chmod go-w)"
        )
