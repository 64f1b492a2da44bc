import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgediff.errors import OutputError
from edgediff.files import folder_atomic, write_atomic

MEGABYTE = 1_000_000
OLD, NEW = b"A" * MEGABYTE, b"B" * (MEGABYTE + 4321)

ENDLESS_WRITER = """
import sys
from pathlib import Path
from edgediff.files import write_atomic
path, size = Path(sys.argv[1]), int(sys.argv[2])
write_atomic(path, b"A" * size)
print(flush=True)
while True:
    write_atomic(path, b"B" * (size + 4321))
    write_atomic(path, b"A" * size)
"""

DIES_INSIDE_THE_BLOCK = """
import os, signal, sys
from pathlib import Path
from edgediff.files import folder_atomic
with folder_atomic(Path(sys.argv[1])) as part:
    (part / "first").write_bytes(b"whole")
    os.kill(os.getpid(), signal.SIGKILL)
"""

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from edgediff.errors import OutputError
from edgediff.files import folder_atomic, write_atomic
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
path = Path(sys.argv[2])
try:
    if sys.argv[1] == "file":
        write_atomic(path, b"B" * 5000)
    else:
        with folder_atomic(path) as part:
            (part / "small").write_bytes(b"B" * 500)
            (part / "large").write_bytes(b"B" * 5000)
except OutputError as error:
    print(error)
"""


@pytest.fixture(params=[0o002, 0o022, 0o077], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("data", [b"", b"new", NEW], ids=len)
def test_new_content_takes_the_place_of_the_old(tmp_path, data):
    (tmp_path / "file").write_bytes(OLD)
    write_atomic(tmp_path / "file", data)
    assert (tmp_path / "file").read_bytes() == data
    assert _names(tmp_path) == ["file"]


def test_a_file_gets_the_permissions_that_the_umask_leaves(tmp_path, umask):
    write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_folder_gets_the_permissions_that_the_umask_leaves(tmp_path, umask):
    with folder_atomic(tmp_path / "folder"):
        pass
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask


def test_writing_leaves_the_umask_as_it_was(tmp_path, umask):
    write_atomic(tmp_path / "file", b"new")
    assert os.umask(umask) == umask


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/out", "No such file or directory"),
        ("file/out", "Not a directory"),
        ("n" * 300, "File name too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, name, reason):
    (tmp_path / "file").write_bytes(b"kept")
    path = tmp_path / name
    with pytest.raises(OutputError) as for_file:
        write_atomic(path, b"new")
    with pytest.raises(OutputError) as for_folder, folder_atomic(path):
        pass
    assert str(for_file.value) == str(for_folder.value) == f"cannot write {path}: {reason}"
    assert _names(tmp_path) == ["file"]


def test_a_file_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=r"cannot write \.: it is a folder, expected the name of a file"):
        write_atomic(Path(), b"new")


def test_a_file_cannot_take_the_name_of_a_folder(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError) as raised:
        write_atomic(tmp_path / "out", b"new")
    assert str(raised.value) == f"cannot write {tmp_path / 'out'}: Is a directory"
    assert _names(tmp_path) == ["out"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_folder_never_takes_a_name_that_exists(tmp_path, kind):
    path = tmp_path / "out"
    path.mkdir() if kind == "folder" else path.write_bytes(b"kept")
    with pytest.raises(OutputError, match="exists already: name a folder that does not exist"):
        folder_atomic(path).__enter__()
    assert _names(tmp_path) == ["out"]


def test_a_folder_takes_its_name_when_the_block_ends(tmp_path):
    path = tmp_path / "out"
    with folder_atomic(path) as part:
        (part / "inner").mkdir()
        write_atomic(part / "inner" / "file", b"new")
        assert not path.exists()
    assert (path / "inner" / "file").read_bytes() == b"new"
    assert _names(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "error", [ValueError("mine"), OutputError("mine"), KeyboardInterrupt("mine")], ids=type
)
def test_a_block_that_fails_leaves_nothing_and_keeps_its_error(tmp_path, error):
    def fail():
        with folder_atomic(tmp_path / "out") as part:
            (part / "file").write_bytes(b"new")
            raise error

    with pytest.raises(type(error)) as raised:
        fail()
    assert raised.value is error
    assert _names(tmp_path) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(tmp_path, kind):
    """The kernel really refuses the write: no file of the process may grow beyond 2,000 bytes."""
    if kind == "file":
        (tmp_path / "out").write_bytes(OLD)
    before = _names(tmp_path)
    arguments = [sys.executable, "-c", FULL_DISK, kind, str(tmp_path / "out")]
    result = subprocess.run(arguments, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == (f"cannot write {tmp_path / 'out'}: File too large\n", "")
    assert _names(tmp_path) == before
    assert kind == "folder" or (tmp_path / "out").read_bytes() == OLD


def test_a_killed_writer_leaves_the_old_file_or_the_new_one_whole(tmp_path):
    path = tmp_path / "file"
    for milliseconds in range(0, 40, 4):
        arguments = [sys.executable, "-c", ENDLESS_WRITER, str(path), str(MEGABYTE)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writer:
            assert writer.stdout.readline() == b"\n"
            time.sleep(milliseconds / 1000)
            writer.kill()
        assert writer.returncode == -signal.SIGKILL
        assert path.read_bytes() in (OLD, NEW)


def test_a_killed_writer_leaves_no_folder_and_does_not_block_the_next(tmp_path):
    path = tmp_path / "out"
    result = subprocess.run([sys.executable, "-c", DIES_INSIDE_THE_BLOCK, str(path)])
    assert result.returncode == -signal.SIGKILL
    assert not path.exists()
    with folder_atomic(path) as part:
        (part / "second").write_bytes(b"whole")
    assert _names(path) == ["second"]
