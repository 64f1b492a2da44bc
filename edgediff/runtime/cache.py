"""Images that were built on this machine, kept in a cache folder of the user's own."""

import contextlib
import fcntl
import hashlib
import json
import mmap
import os
import platform
import shutil
import stat
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.errors import BundleError
from edgediff.files import folder_atomic
from edgediff.format.bundle import MODEL_FILE, Manifest
from edgediff.runtime.image import IMAGE_FILE, NoImageError
from edgediff.runtime.places import Place, Places

LAYOUT = 3
"""The version of what is cached; another one is built anew."""
RECORD_FILE, PLACES_FILE, ORDERS_FILE = "image.json", "places.json", "orders.bin"
PATIENCE = 60.0
"""Seconds to wait for another process that builds an image."""
UNUSED = 30 * 86400.0
"""Seconds after which an image that nobody opened makes room."""
_PREFIX = "image-"
_CHUNK = 1 << 20
_ORDER_TYPE = "<i4"
_LARGE_FILES = (IMAGE_FILE, ORDERS_FILE)


@dataclass(frozen=True, eq=False)
class CachedImage:
    """An image with its places.

    Attributes:
        folder: holds `model.onnx` and `image.bin`.
        places: where the parameters lie.
        proof: the logits of the trial, by name (`prove`).
        crc32: of each large file, for `check_image`.
    """

    folder: Path
    places: Places
    proof: dict[str, NDArray[np.float32]]
    crc32: dict[str, int]


def image_folder(
    manifest: Manifest, cache: Path | None = None, version: str = onnxruntime.__version__
) -> Path:
    """Where the image of a base is, or will be, for the onnxruntime of `version` on this processor.

    The cache folder is made if need be. Packed bytes are one base's, one onnxruntime's and one processor's.

    Raises:
        BundleError: the cache folder cannot be made, or others than this user can write to it.
    """
    cache = cache or default_cache()
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(f"the cache folder {cache} cannot be made: {error.strerror or error}") from error
    processor = hashlib.sha256(f"{platform.machine()}\0{_processor()}".encode()).hexdigest()[:12]
    graph = manifest.files[MODEL_FILE].sha256[:8]
    base = f"{manifest.base.fingerprint[:16]}-{graph}"
    folder = cache / f"{_PREFIX}{base}-{version}-{processor}-{LAYOUT}"
    for each in (cache, folder):
        if each.exists():
            _check_private(each)
    return folder


def default_cache() -> Path:
    """`$EDGEDIFF_CACHE`, or `edgediff` in the user's cache folder.

    Raises:
        BundleError: there is neither, nor a home.
    """
    named = os.environ.get("EDGEDIFF_CACHE")
    if named:
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgediff"
    except RuntimeError as error:
        raise BundleError("there is no home folder for a cache: name one in EDGEDIFF_CACHE") from error


@contextlib.contextmanager
def cache_lock(cache: Path, exclusive: bool, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the cache folder, to read what is in it or to build there; the lock of a killed process is gone.

    Raises:
        BundleError: the folder cannot be locked, or another process has held it for `patience` seconds.
    """
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        handle = os.open(cache, os.O_RDONLY)
    except OSError as error:
        raise BundleError(f"the cache folder {cache} cannot be read: {error.strerror or error}") from error
    try:
        _lock(handle, kind, cache, time.monotonic() + patience)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)  # a child that was forked meanwhile has the handle too
    finally:
        os.close(handle)


@contextlib.contextmanager
def new_image(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `folder`.

    Removed are what is there, what a killed process left, and images that were not opened for `UNUSED`
    seconds, as those of an onnxruntime that was updated. Hold the cache folder exclusively.

    Raises:
        OutputError: it cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for litter in folder.parent.glob(f".{_PREFIX}*.part"):
        shutil.rmtree(litter, ignore_errors=True)
    for record in folder.parent.glob(f"{_PREFIX}*/{RECORD_FILE}"):
        if record.stat().st_mtime < time.time() - UNUSED:
            shutil.rmtree(record.parent, ignore_errors=True)
    with folder_atomic(folder, private=True) as part:
        yield part


def write_record(folder: Path, places: Places, proof: dict[str, NDArray[np.float32]]) -> None:
    """Write what belongs to the image in `folder`: places, proof, and checksums of it all."""
    stored = {
        "starts": {name: place.start for name, place in places.by_name.items()},
        "order_of": {name: place.order for name, place in places.by_name.items()},
        "orders": [len(order) for order in places.orders],
        "proof": {name: logits.tolist() for name, logits in proof.items()},
    }
    (folder / PLACES_FILE).write_text(json.dumps(stored))
    with (folder / ORDERS_FILE).open("wb") as file:
        file.writelines(order.astype(_ORDER_TYPE).tobytes() for order in places.orders)
    files = {
        name: {"bytes": (folder / name).stat().st_size, "crc32": _crc32(folder / name)}
        for name in (IMAGE_FILE, MODEL_FILE, PLACES_FILE, ORDERS_FILE)
    }
    (folder / RECORD_FILE).write_text(json.dumps({"refused": None, "files": files}))


def write_refusal(folder: Path, reason: str) -> None:
    """Write in place of an image why there cannot be one."""
    (folder / RECORD_FILE).write_text(json.dumps({"refused": reason}))


def read_cached(folder: Path) -> CachedImage:
    """Read what is cached in `folder`; of the large files only the length is checked.

    Raises:
        NoImageError: there is nothing, or it is damaged.
        BundleError: there cannot be an image of that base here, as was found when it was tried.
    """
    try:
        record = json.loads((folder / RECORD_FILE).read_text("utf-8"))
        refused = record["refused"]
        if isinstance(refused, str):
            raise BundleError(f"{refused} (as {folder} says)")
        files = record["files"]
        for name in (MODEL_FILE, PLACES_FILE):
            if _crc32(folder / name) != files[name]["crc32"]:
                raise NoImageError(f"{folder / name} is damaged")
        for name in _LARGE_FILES:  # mapped bytes beyond the end kill a process
            if (folder / name).stat().st_size != files[name]["bytes"]:
                raise NoImageError(f"{folder / name} has another length")
        stored = json.loads((folder / PLACES_FILE).read_text("utf-8"))
        with contextlib.suppress(OSError):  # a folder that is read-only
            os.utime(folder / RECORD_FILE)  # opened now, for `new_image`
        return CachedImage(
            folder,
            _read_places(stored, folder / ORDERS_FILE),
            {name: np.array(logits, np.float32) for name, logits in stored["proof"].items()},
            {name: int(files[name]["crc32"]) for name in _LARGE_FILES},
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoImageError(f"{folder} holds no image that can be read: {error!r}") from error


def check_image(cached: CachedImage) -> None:
    """Check the large files, `image.bin` and `orders.bin`.

    Raises:
        NoImageError: one is missing or damaged.
    """
    for name, wanted in cached.crc32.items():
        try:
            crc = _crc32(cached.folder / name)
        except OSError as error:
            raise NoImageError(f"{cached.folder / name} cannot be read: {error.strerror}") from error
        if crc != wanted:
            raise NoImageError(f"{cached.folder / name} is damaged")


def _read_places(stored: dict[str, Any], orders_file: Path) -> Places:
    with orders_file.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if stored["orders"] else None
    ends = np.cumsum(stored["orders"], dtype=np.int64)
    orders = np.split(np.frombuffer(mapped or b"", _ORDER_TYPE), ends)[:-1]
    by_name = {name: Place(start, stored["order_of"][name]) for name, start in stored["starts"].items()}
    return Places(by_name, tuple(orders), mapped)


def _lock(handle: int, kind: int, cache: Path, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise BundleError(f"another process holds the cache folder {cache}") from error
            time.sleep(0.02)
        except OSError as error:
            reason = error.strerror or error
            raise BundleError(f"the cache folder {cache} cannot be locked: {reason}") from error


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


def _check_private(folder: Path) -> None:
    """Only its owner may write a folder whose bytes become a model's weights."""
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BundleError(
            f"the cache folder {folder} can be written by others than this user: make it private (chmod go-w)"
        )
