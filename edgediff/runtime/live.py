"""A live session: its weights are changed in place, through a private copy of the base's image."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgediff.errors import BundleError
from edgediff.format.bundle import MODEL_FILE
from edgediff.runtime.cache import CachedImage, copy_image
from edgediff.runtime.image import IMAGE_FILE

MEMORY = Path("/dev/shm")  # noqa: S108 (memory-backed: no flash is worn)
_PREFIX = "edgediff-"
_LOCK = "lock"
_PUNCH_HOLE, _KEEP_SIZE = 2, 1  # linux/falloc.h


class LiveSession:
    """An onnxruntime session with weights that can be written while it is open.

    Attributes:
        session: the stock session; its runs see every `write` that came before them.
    """

    def __init__(self, cached: CachedImage, threads: int = 0) -> None:
        """Open a private copy of the image, in memory; it vanishes with the process, however that ends.

        Raises:
            BundleError: the image is damaged, or this system has no memory-backed files, or too little space.
        """
        self.places = cached.places
        sweep()
        try:
            with _private_folder() as folder:
                copy_image(cached, folder / IMAGE_FILE)
                shutil.copyfile(cached.folder / MODEL_FILE, folder / MODEL_FILE)
                self.session = _open(folder / MODEL_FILE, threads)
                self._floats = np.memmap(folder / IMAGE_FILE, "<f4", "r+")
                _give_back(folder / IMAGE_FILE, cached.places.unread)
        except OSError as error:
            raise BundleError(f"{MEMORY} cannot hold the image: {error.strerror or error}") from error

    def read(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """The weights at `places`."""
        return self._floats[places]

    def write(self, places: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Set the weights at `places`; no run may be under way."""
        self._floats[places] = values


def sweep() -> None:
    """Remove private folders of processes that were killed before they could."""
    if not MEMORY.is_dir():
        return
    for folder in MEMORY.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an OSError while its process lives
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder in memory for the block; files that are mapped by then live on without a name."""
    if not MEMORY.is_dir():
        raise BundleError(f"this system has no {MEMORY}")
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=MEMORY))
    try:
        with (folder / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _open(model: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common class but this
        reason = str(error).strip().split("\n")[0]
        raise BundleError(f"onnxruntime cannot open its own image: {reason}") from error


def _give_back(path: Path, unread: tuple[tuple[int, int], ...]) -> None:
    """Free the memory of raw copies that nothing reads any more; where that fails they stay."""
    fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    if fallocate is None:
        return
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    page = os.sysconf("SC_PAGESIZE")
    with path.open("r+b") as file:
        for offset, length in unread:
            first, last = -(-offset // page) * page, (offset + length) // page * page
            if last > first:
                fallocate(file.fileno(), _PUNCH_HOLE | _KEEP_SIZE, first, last - first)
