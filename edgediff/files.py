"""Files and folders that appear whole or not at all (temporary name, fsync, rename), and their digest."""

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgediff.errors import OutputError


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path`; at any moment `path` holds the old content or the new, never a part.

    Raises:
        OutputError: the file cannot be written (no such folder, no permission, a full disk).
    """
    if not path.name:
        raise OutputError(f"cannot write {path}: it is a folder, expected the name of a file")
    part = _part(path)
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):  # it has its name, or never came to be
            part.unlink()


@contextlib.contextmanager
def folder_atomic(path: Path, private: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `path` that takes the name `path` if the block succeeds.

    A `private` folder is its owner's alone, whatever the umask.

    Raises:
        OutputError: `path` exists, or the folder or a file in it cannot be written.
    """
    try:
        if path.exists():
            raise OutputError(f"{path} exists already: name a folder that does not exist, or remove it first")
        part = _part(path)
        part.mkdir(0o700 if private else 0o777)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield part
        _sync_tree(part)
        part.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _part(path: Path) -> Path:
    """A name beside `path` that nobody has."""
    # Not by `tempfile`, whose files are private: results are ordinary ones, as the umask leaves them.
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")


def _sync_tree(folder: Path) -> None:
    for entry in sorted(folder.rglob("*")):
        if entry.is_file():
            with entry.open("rb") as file:
                os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable, where the system can sync a folder (not on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
