"""Images that were built on this machine, kept in a cache folder of the user's own."""

import contextlib
import fcntl
import hashlib
import io
import json
import os
import platform
import shutil
import stat
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.errors import BundleError
from edgediff.files import folder_atomic
from edgediff.format.bundle import MODEL_FILE, Manifest
from edgediff.runtime.image import IMAGE_FILE, NoImageError
from edgediff.runtime.places import Place, Places

LAYOUT = 2
"""The version of what is cached; another one is built anew."""
RECORD_FILE, PLACES_FILE = "image.json", "places.npz"
PATIENCE = 60.0
"""Seconds to wait for another process that builds an image."""
_PREFIX = "image-"
_CHUNK = 1 << 20
_NO_ORDER = -1


@dataclass(frozen=True, eq=False)
class CachedImage:
    """An image with its places.

    Attributes:
        folder: holds `model.onnx` and `image.bin`.
        places: where the parameters lie.
        proof: the logits of the trial, by name (`prove`).
        crc32: of `image.bin`, for `check_image`.
    """

    folder: Path
    places: Places
    proof: dict[str, NDArray[np.float32]]
    crc32: int


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
    """`$EDGEDIFF_CACHE`, or `edgediff` in the user's cache folder."""
    named = os.environ.get("EDGEDIFF_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgediff"


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
    """Give a temporary folder that becomes `folder`; what is there is removed, and what a killed one left.

    Hold the cache folder exclusively.

    Raises:
        OutputError: it cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for litter in folder.parent.glob(f".{_PREFIX}*.part"):
        shutil.rmtree(litter, ignore_errors=True)
    with folder_atomic(folder, private=True) as part:
        yield part


def write_record(folder: Path, places: Places, proof: dict[str, NDArray[np.float32]]) -> None:
    """Write what belongs to the image in `folder`: places, proof, and checksums of it all."""
    arrays: dict[str, NDArray[np.generic]] = {
        "names": np.array(list(places.by_name)),
        "starts": np.array([place.start for place in places.by_name.values()], np.int64),
        "order_of": np.array(
            [_NO_ORDER if place.order is None else place.order for place in places.by_name.values()], np.int64
        ),
    }
    arrays |= {f"order{number}": order for number, order in enumerate(places.orders)}
    arrays |= {f"proof_{name}": logits for name, logits in proof.items()}
    np.savez(folder / PLACES_FILE, **arrays)  # type: ignore[arg-type]
    size = (folder / IMAGE_FILE).stat().st_size
    sums = {name: _crc32(folder / name) for name in (IMAGE_FILE, MODEL_FILE, PLACES_FILE)}
    (folder / RECORD_FILE).write_text(json.dumps({"refused": None, "bytes": size, "crc32": sums}))


def write_refusal(folder: Path, reason: str) -> None:
    """Write in place of an image why there cannot be one."""
    (folder / RECORD_FILE).write_text(json.dumps({"refused": reason}))


def read_cached(folder: Path) -> CachedImage:
    """Read what is cached in `folder`; all of it but `image.bin` is checked.

    Raises:
        NoImageError: there is nothing, or it is damaged.
        BundleError: there cannot be an image of that base here, as was found when it was tried.
    """
    try:
        record = json.loads((folder / RECORD_FILE).read_text("utf-8"))
        refused = record["refused"]
        if isinstance(refused, str):
            raise BundleError(f"{refused} (as {folder} says)")
        stored = {name: (folder / name).read_bytes() for name in (MODEL_FILE, PLACES_FILE)}
        for name, content in stored.items():
            if zlib.crc32(content) != record["crc32"][name]:
                raise NoImageError(f"{folder / name} is damaged")
        if (folder / IMAGE_FILE).stat().st_size != record[
            "bytes"
        ]:  # mapped bytes beyond the end kill a process
            raise NoImageError(f"{folder / IMAGE_FILE} has another length")
        places, proof = _unpack(stored[PLACES_FILE])
        return CachedImage(folder, places, proof, int(record["crc32"][IMAGE_FILE]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoImageError(f"{folder} holds no image that can be read: {error!r}") from error


def check_image(cached: CachedImage) -> None:
    """Check `image.bin`.

    Raises:
        NoImageError: it is missing or damaged.
    """
    try:
        crc = _crc32(cached.folder / IMAGE_FILE)
    except OSError as error:
        raise NoImageError(f"{cached.folder / IMAGE_FILE} cannot be read: {error.strerror}") from error
    if crc != cached.crc32:
        raise NoImageError(f"{cached.folder / IMAGE_FILE} is damaged")


def _unpack(content: bytes) -> tuple[Places, dict[str, NDArray[np.float32]]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        stored = {name: file[name] for name in file.files}
    numbers = [None if order == _NO_ORDER else int(order) for order in stored["order_of"]]
    by_name = {
        str(name): Place(int(start), order)
        for name, start, order in zip(stored["names"], stored["starts"], numbers, strict=True)
    }
    orders = [stored[f"order{number}"] for number in range(len({*numbers} - {None}))]
    proof = {
        name.removeprefix("proof_"): logits for name, logits in stored.items() if name.startswith("proof_")
    }
    return Places(by_name, tuple(orders)), proof


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
