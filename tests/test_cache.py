"""The cache folder: what is in it is built once, checked, and nobody else's."""

import ctypes
import logging
import multiprocessing
import os
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from edgediff.errors import BundleError
from edgediff.format.bundle import read_manifest
from edgediff.runtime import open_base
from edgediff.runtime.cache import UNUSED, cache_lock, default_cache, image_folder
from edgediff.runtime.image import NoImageError
from edgediff.runtime.trial import trial_diff, trial_logits

context = multiprocessing.get_context("forkserver")
FILES = ["image.bin", "image.json", "model.onnx", "orders.bin", "places.json"]
LIMIT = 60


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def opened(base, cache, mode="live"):
    return open_base(base, mode=mode, threads=1, cache=cache)


@pytest.fixture(scope="module")
def wanted(tiny_base):
    """What ordinary sessions answer with the trial's diff."""
    return answer_of(opened(tiny_base, None, "session"), tiny_base)


def answer_of(base, bundle):
    manifest = read_manifest(bundle)
    diff = trial_diff(manifest)
    base._mode.prepare("trial", diff)
    base._mode.activate("trial")
    return trial_logits(base._mode, manifest, diff)


@pytest.fixture
def cache(tiny_base, tmp_path):
    """A cache folder with the tiny base's image."""
    opened(tiny_base, tmp_path / "cache").close()
    return tmp_path / "cache"


@pytest.fixture
def image(cache):
    """The folder of the image."""
    (folder,) = cache.iterdir()
    return folder


def test_the_second_start_builds_nothing(tiny_base, cache, image, wanted, monkeypatch):
    assert names_in(image) == FILES
    before = {path.name: (path.stat().st_ino, path.read_bytes()) for path in image.iterdir()}
    monkeypatch.setattr("edgediff.runtime.prove.build_image", None)
    assert np.array_equal(answer_of(opened(tiny_base, cache), tiny_base), wanted)
    assert {path.name: (path.stat().st_ino, path.read_bytes()) for path in image.iterdir()} == before


def test_building_an_image_clears_away_those_that_nobody_opened_for_long(tiny_base, cache, image):
    unused, used = cache / "image-unused", cache / "image-used"
    for folder in (unused, used):
        shutil.copytree(image, folder)
    for folder in (unused, image):
        os.utime(folder / "image.json", (time.time() - UNUSED - 60,) * 2)
    opened(tiny_base, cache).close()  # builds nothing, but uses its own
    assert names_in(cache) == sorted([image.name, unused.name, used.name])
    (image / "model.onnx").unlink()
    opened(tiny_base, cache).close()
    assert names_in(cache) == sorted([image.name, used.name])


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_a_flipped_bit_is_built_anew(name, tiny_base, cache, image, wanted):
    content = (image / name).read_bytes()
    for place in (5, len(content) // 2, len(content) - 2):
        damaged = bytearray((image / name).read_bytes())
        damaged[place] ^= 4
        (image / name).write_bytes(damaged)
        assert np.array_equal(answer_of(opened(tiny_base, cache), tiny_base), wanted)
        assert (image / name).read_bytes() != damaged
        assert names_in(cache) == [image.name]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_empty_file_is_built_anew(name, tiny_base, cache, image, wanted):
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(b"")):
        damage(image / name)
        assert np.array_equal(answer_of(opened(tiny_base, cache), tiny_base), wanted)
        assert names_in(image) == FILES


@pytest.mark.parametrize(
    "record", ["[]", "null", '{"refused": null}', '{"refused": 3, "crc32": []}', "[" * 9999]
)
def test_a_strange_record_is_built_anew(record, tiny_base, cache, image):
    (image / "image.json").write_text(record)
    opened(tiny_base, cache).close()
    assert (image / "image.json").read_text() != record


@pytest.mark.parametrize("bits", [0o020, 0o002])
@pytest.mark.parametrize("inner", [False, True], ids=["cache folder", "image folder"])
def test_a_folder_that_others_can_write_is_not_trusted(inner, bits, tiny_base, cache, image, caplog):
    folder = image if inner else cache
    folder.chmod(0o700 | bits)
    with caplog.at_level(logging.WARNING), opened(tiny_base, cache, "auto") as base:
        assert base.mode == "session"
    (record,) = caplog.records
    assert f"the cache folder {folder} can be written by others than this user" in record.getMessage()


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o077], ids=oct)
def test_whatever_the_umask_what_is_built_is_private_and_used_again(umask, tiny_base, tmp_path):
    before = os.umask(umask)
    try:
        for _ in range(2):
            opened(tiny_base, tmp_path / "cache").close()
    finally:
        os.umask(before)
    for folder in (tmp_path / "cache", *(tmp_path / "cache").iterdir()):
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_the_cache_folder_is_the_named_one_or_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGEDIFF_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "edgediff"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache() == tmp_path / "xdg" / "edgediff"
    monkeypatch.setenv("EDGEDIFF_CACHE", str(tmp_path / "own"))
    assert default_cache() == tmp_path / "own"


def test_without_a_home_for_the_cache_tasks_get_a_session_each(tiny_base, monkeypatch, caplog):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)  # as for a user whom the system does not know
    for name in ("EDGEDIFF_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    with open_base(tiny_base, mode="auto", threads=1) as base:
        assert base.mode == "session"
    assert "there is no home folder for a cache: name one in EDGEDIFF_CACHE" in caplog.text


def test_another_onnxruntime_has_an_image_of_its_own(tiny_base, tmp_path):
    manifest = read_manifest(tiny_base)
    assert len({image_folder(manifest, tmp_path, version) for version in ("1.31.0", "1.32.0")}) == 2
    assert image_folder(manifest, tmp_path, "1.32.0") == image_folder(manifest, tmp_path, "1.32.0")


@pytest.mark.parametrize("name", ["weights.bin", "model.onnx"])
def test_no_image_is_built_of_a_damaged_bundle(name, tiny_base, tmp_path):
    base = shutil.copytree(tiny_base, tmp_path / "base")
    content = bytearray((base / name).read_bytes())
    content[len(content) // 2] ^= 1
    (base / name).write_bytes(content)
    with pytest.raises(BundleError, match="damaged"):
        opened(base, tmp_path / "cache")
    assert names_in(tmp_path / "cache") == []


def test_a_cache_folder_that_cannot_be_made_means_session_mode(tiny_base, tmp_path, caplog):
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING), opened(tiny_base, tmp_path / "file" / "cache", "auto") as base:
        assert base.mode == "session"
    assert [record.getMessage() for record in caplog.records] == [
        "tasks get a session each: live mode is not sure here:"
        f" the cache folder {tmp_path / 'file' / 'cache'} cannot be made: Not a directory"
    ]


class Child:
    """`open_base` in a process of its own, ending in the mode or the error's text."""

    def __init__(self, target, *arguments):
        self.told, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=target, args=(theirs, *arguments))
        self.process.start()
        theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()
        self.told.close()

    def result(self):
        assert self.told.poll(LIMIT)
        return self.told.recv()


def _open(pipe, base, cache, limit=None, drop=False):
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logging.getLogger("edgediff.runtime.open_base").addHandler(handler)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if drop:  # root may write anywhere, but not without its capabilities
        header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert ctypes.CDLL(None, use_errno=True).capset(header, nothing) == 0
    with open_base(base, threads=1, cache=cache) as opened:
        pipe.send((opened.mode, messages, answer_of(opened, base)))


@pytest.mark.parametrize("limit", [20_000, 150_000])  # below the model's size, and below the image's
def test_too_little_space_in_the_cache_means_session_mode_and_leaves_nothing(
    limit, tiny_base, wanted, tmp_path
):
    with Child(_open, tiny_base, tmp_path / "cache", limit) as child:
        mode, messages, answer = child.result()
    assert (mode, len(messages)) == ("session", 1)
    assert "live mode is not sure here" in messages[0]
    assert np.array_equal(answer, wanted)
    assert names_in(tmp_path / "cache") == []


def test_a_read_only_cache_folder_serves_what_it_has_and_else_means_session_mode(tiny_base, cache, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o500)
    cache.chmod(0o500)
    try:
        with Child(_open, tiny_base, empty, None, True) as child:
            mode, (message,), _ = child.result()
        assert (mode, "cannot write" in message, "Permission denied" in message) == ("session", True, True)
        with Child(_open, tiny_base, cache, None, True) as child:
            assert child.result()[:2] == ("live", [])
    finally:
        cache.chmod(0o700)
        empty.chmod(0o700)


def test_processes_that_build_at_once_build_one_image_and_all_are_live(tiny_base, wanted, tmp_path):
    children = [Child(_open, tiny_base, tmp_path / "cache") for _ in range(4)]
    for child in children:
        with child:
            mode, messages, answer = child.result()
            assert (mode, messages) == ("live", [])
            assert np.array_equal(answer, wanted)
    assert [names_in(folder) for folder in (tmp_path / "cache").iterdir()] == [FILES]


def test_a_process_killed_while_it_builds_leaves_nothing_that_the_next_start_does_not_clear(
    tiny_base, wanted, tmp_path
):
    cache, killed, seen = tmp_path / "cache", 0, set()
    for milliseconds in (0, 10, 25, 45, 70, 100):
        with Child(_open, tiny_base, cache) as child:
            deadline = time.monotonic() + LIMIT
            while not (cache.is_dir() and names_in(cache)) and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(milliseconds / 1000)
            if not any(cache.glob("image-*")):
                os.kill(child.process.pid, signal.SIGKILL)
                child.process.join()
                killed += child.process.exitcode == -signal.SIGKILL
                seen |= set(names_in(cache))
        if any(cache.glob("image-*")):
            break
    assert killed >= 1
    assert any(name.endswith(".part") for name in seen)
    assert np.array_equal(answer_of(opened(tiny_base, cache), tiny_base), wanted)
    (image,) = cache.iterdir()
    assert names_in(image) == FILES


def test_an_image_that_is_cut_short_is_built_anew(tiny_base, cache, image, wanted):
    whole = (image / "image.bin").stat().st_size
    for size in (whole // 2, whole - 1):
        os.truncate(image / "image.bin", size)
        assert np.array_equal(answer_of(opened(tiny_base, cache), tiny_base), wanted)
        assert (image / "image.bin").stat().st_size == whole


def test_whoever_holds_the_cache_folder_too_long_is_not_waited_for(tmp_path):
    with (
        cache_lock(tmp_path, exclusive=False),
        cache_lock(tmp_path, exclusive=False),
        pytest.raises(BundleError, match="another process holds the cache folder"),
        cache_lock(tmp_path, exclusive=True, patience=0.05),
    ):
        pass
    with cache_lock(tmp_path, exclusive=True, patience=0.05):
        pass


def test_a_cache_folder_that_is_gone_cannot_be_locked(tmp_path):
    with (
        pytest.raises(BundleError, match="cannot be read: No such file"),
        cache_lock(tmp_path / "gone", exclusive=False),
    ):
        pass
    assert issubclass(NoImageError, BundleError)
