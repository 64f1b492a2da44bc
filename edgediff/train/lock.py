"""One process (or one launch of several) at a time in a RUN folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import accelerate
from filelock import FileLock, Timeout

from edgediff.errors import OutputError, RunError

LOCK_FILE = ".lock"


@contextmanager
def lock_folder(folder: Path, accelerator: accelerate.Accelerator) -> Iterator[None]:
    """Hold the folder for the block; a killed process lets go of it by itself.

    Raises:
        RunError: another process holds it.
        OutputError: the folder cannot be written in.
    """
    if not accelerator.is_main_process:
        yield
        return
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunError(
            f"{folder} is in use by another process: wait for it, or name another folder"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write in {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        (folder / LOCK_FILE).unlink(missing_ok=True)
        lock.release()
