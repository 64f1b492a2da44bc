"""A live session's weights, changed where onnxruntime maps them."""

import contextlib
import itertools
import logging
import mmap
import multiprocessing
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import held, save_tiny_model
from transformers import AutoModel

from edgediff.errors import BundleError
from edgediff.export import export
from edgediff.format.bundle import MODEL_FILE, read_manifest
from edgediff.runtime import live, open_base
from edgediff.runtime.image import IMAGE_FILE, base_values, build_image
from edgediff.runtime.live import LiveSession, Mapping, mappings
from edgediff.runtime.modes import LiveMode, SessionMode
from edgediff.runtime.places import find_places
from edgediff.runtime.trial import trial_diff, trial_logits, with_product


@pytest.fixture(scope="module")
def manifest(tiny_base):
    return read_manifest(tiny_base)


@pytest.fixture(scope="module")
def image(tiny_base, manifest, tmp_path_factory):
    """The folder of an image, and its places."""
    folder = tmp_path_factory.mktemp("image")
    return folder, find_places(tiny_base, manifest, build_image(tiny_base, folder))


def _bits(session, tiny_base, manifest):
    """Whether the session holds each parameter of the base bit for bit."""
    return all(
        held(session, name, value.size).tobytes() == value.tobytes()
        for name, value in base_values(tiny_base, manifest).items()
    )


def test_patched_it_answers_as_an_ordinary_session_and_reverted_it_holds_the_bases_bits(
    image, tiny_base, manifest
):
    session, diff = LiveSession(*image, 1), trial_diff(manifest)
    mode, ordinary = LiveMode(session), SessionMode(tiny_base, 1)
    for each in (mode, ordinary):
        each.prepare("trial", diff)
        each.activate("trial")
    assert np.array_equal(trial_logits(mode, manifest, diff), trial_logits(ordinary, manifest, diff))
    assert not _bits(session, tiny_base, manifest)
    mode.activate(None)
    assert _bits(session, tiny_base, manifest)


def test_the_trial_has_a_product_only_where_a_matrix_is_packed(manifest):
    diff = trial_diff(manifest)
    (product,) = with_product(manifest, diff).products
    assert product.shape == dict(with_product(manifest, diff).shapes)[product.name]
    plain = replace(manifest, parameters=tuple(replace(p, transposed=False) for p in manifest.parameters))
    assert with_product(plain, diff) is diff


def test_a_key_that_was_not_prepared_leaves_the_active_one(image, manifest):
    session, diff = LiveSession(*image, 1), trial_diff(manifest)
    mode = LiveMode(session)
    mode.prepare("trial", diff)
    mode.activate("trial")
    before = trial_logits(mode, manifest, diff)
    with pytest.raises(KeyError):
        mode.activate("other")
    assert np.array_equal(trial_logits(mode, manifest, diff), before)


@pytest.mark.parametrize("write", range(4))
@pytest.mark.parametrize("following", [None, "trial", "other"])
def test_an_interrupt_in_the_midst_of_a_switch_is_put_in_order_by_the_next(
    write, following, image, tiny_base, manifest, monkeypatch
):
    session, diff = LiveSession(*image, 1), trial_diff(manifest)
    other = replace(diff, tensors=tuple(replace(t, values=t.values[::-1] + 1) for t in diff.tensors[::2]))
    mode, ordinary = LiveMode(session), SessionMode(tiny_base, 1)
    for each in (mode, ordinary):
        each.prepare("trial", diff)
        each.prepare("other", other)
    calls, whole = itertools.count(), LiveSession.write

    def half(session, where, values):
        if next(calls) == write:
            whole(session, where[::2], values[::2])
            raise KeyboardInterrupt
        whole(session, where, values)

    monkeypatch.setattr(LiveSession, "write", half)
    with contextlib.suppress(KeyboardInterrupt):
        for key in ("trial", "other", None):
            mode.activate(key)
    assert next(calls) > write  # it came
    mode.activate(following)
    if following is not None:
        ordinary.activate(following)
        found, wanted = (trial_logits(each, manifest, diff) for each in (mode, ordinary))
        assert np.array_equal(found, wanted)
        mode.activate(None)
    assert _bits(session, tiny_base, manifest)


def _switch_for_ever(folder, places, manifest, pipe):
    mode = LiveMode(LiveSession(folder, places, 1))
    mode.prepare("trial", trial_diff(manifest))
    pipe.send(None)
    while True:
        mode.activate("trial")
        mode.activate(None)


def test_a_process_killed_in_the_midst_of_a_switch_leaves_the_image_as_it_was(image, tiny_base, manifest):
    context = multiprocessing.get_context("forkserver")
    before = {path.name: path.read_bytes() for path in image[0].iterdir()}
    for _ in range(5):
        ours, theirs = context.Pipe()
        process = context.Process(target=_switch_for_ever, args=(*image, manifest, theirs))
        process.start()
        try:
            ours.recv()
            time.sleep(0.02)  # switches take all of its time
        finally:
            process.kill()
            process.join()
            ours.close()
            theirs.close()
        assert process.exitcode == -signal.SIGKILL
        assert {path.name: path.read_bytes() for path in image[0].iterdir()} == before
        assert _bits(LiveSession(*image, 1), tiny_base, manifest)


def test_two_sessions_of_one_process_do_not_see_each_other_nor_does_the_file(image, tiny_base, manifest):
    content = (image[0] / IMAGE_FILE).read_bytes()
    first, second = LiveSession(*image, 1), LiveSession(*image, 1)
    for patched, other in ((first, second), (second, first)):
        mode = LiveMode(patched)
        mode.prepare("trial", trial_diff(manifest))
        mode.activate("trial")
        assert not _bits(patched, tiny_base, manifest)
        assert _bits(other, tiny_base, manifest)
        mode.activate(None)
    assert (image[0] / IMAGE_FILE).read_bytes() == content


def _patch_and_wait(folder, places, manifest, pipe):
    mode = LiveMode(LiveSession(folder, places, 1))
    mode.prepare("trial", trial_diff(manifest))
    mode.activate("trial")
    pipe.send(trial_logits(mode, manifest, trial_diff(manifest)))
    pipe.recv()
    mode.activate(None)
    pipe.send(trial_logits(mode, manifest, trial_diff(manifest)))


def test_two_processes_do_not_see_each_other_and_a_killed_one_leaves_nothing(image, tiny_base, manifest):
    context = multiprocessing.get_context("forkserver")
    before = sorted(image[0].iterdir()), (image[0] / IMAGE_FILE).read_bytes()
    session, diff = LiveSession(*image, 1), trial_diff(manifest)
    mode = LiveMode(session)
    base = trial_logits(mode, manifest, diff)
    ours, theirs = context.Pipe()
    process = context.Process(target=_patch_and_wait, args=(*image, manifest, theirs))
    process.start()
    try:
        assert not np.array_equal(ours.recv(), base)
        assert np.array_equal(trial_logits(mode, manifest, diff), base)
        assert _bits(session, tiny_base, manifest)
    finally:
        process.kill()
        process.join()
        ours.close()
        theirs.close()
    assert (sorted(image[0].iterdir()), (image[0] / IMAGE_FILE).read_bytes()) == before
    assert np.array_equal(trial_logits(LiveMode(LiveSession(*image, 1)), manifest, diff), base)


def test_a_system_that_does_not_tell_its_mappings_has_no_live_session(image, monkeypatch, tmp_path):
    monkeypatch.setattr(live, "MAPPINGS", tmp_path / "maps")
    with pytest.raises(BundleError, match=r"this system has no .*maps: No such file"):
        LiveSession(*image, 1)


def test_an_image_that_is_not_mapped_writable_and_private_has_no_live_session(image):
    path = image[0].resolve() / IMAGE_FILE
    mapped = np.memmap(path, np.uint8, "r")
    with pytest.raises(BundleError, match=r"image\.bin is mapped as r--[ps], expected rw-p"):
        mappings(path)
    del mapped
    assert mappings(path) == []


def test_an_image_that_is_only_a_model_file_is_not_mapped(tiny_base, image, tmp_path):
    shutil.copy(tiny_base / MODEL_FILE, tmp_path / MODEL_FILE)
    shutil.copy(tiny_base / "weights.bin", tmp_path / "weights.bin")
    with pytest.raises(BundleError, match="onnxruntime does not map"):
        LiveSession(tmp_path, image[1], 1)


def test_places_beyond_what_is_mapped_are_refused(image):
    session = LiveSession(*image, 1)
    with pytest.raises(BundleError, match="maps only a part of its image"):
        session.locate(np.array([0, 1 << 40]))


def test_sessions_that_come_and_go_are_told_apart(image, tiny_base, manifest):
    kept = LiveSession(*image, 1)
    for _ in range(30):
        mode = LiveMode(LiveSession(*image, 1))
        mode.cycle = mode  # so that it goes only when garbage is collected, perhaps while the next one opens
        mode.prepare("trial", trial_diff(manifest))
        mode.activate("trial")
        assert _bits(kept, tiny_base, manifest)


def test_sessions_opened_by_several_threads_at_once_are_told_apart(image, tiny_base, manifest):
    def patch_and_check(_):
        session = LiveSession(*image, 1)
        whole = _bits(session, tiny_base, manifest)
        mode = LiveMode(session)
        mode.prepare("trial", trial_diff(manifest))
        mode.activate("trial")
        return whole

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(patch_and_check, range(24)))


def test_an_image_that_something_else_maps_has_no_live_session(image):
    path = (image[0] / IMAGE_FILE).resolve()
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY),
        pytest.raises(BundleError, match="something else in this process maps"),
    ):
        LiveSession(*image, 1)
    LiveSession(*image, 1)


def test_files_of_any_name_may_be_mapped_beside_the_image(image, tmp_path):
    strange = tmp_path / "a\u2028b\x0c\x85 c\nd"
    strange.write_bytes(b"x")
    with strange.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ):
        LiveSession(*image, 1)


def test_what_was_mapped_before_is_not_taken_for_the_new_sessions():
    page = 4096
    old = [Mapping(2 * page, page, 0), Mapping(8 * page, page, 0)]
    found = live._without([Mapping(page, 4 * page, 7 * page), Mapping(8 * page, page, 0)], old)
    assert found == [Mapping(page, page, 7 * page), Mapping(3 * page, 2 * page, 9 * page)]


def test_equal_parameters_that_share_bytes_mean_session_mode_and_that_is_remembered(
    tmp_path, caplog, monkeypatch
):
    save_tiny_model("bert", tmp_path / "model")
    model = AutoModel.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        first, second = (layer.attention.self.query.weight for layer in model.encoder.layer)
        second.copy_(first)
    model.save_pretrained(tmp_path / "model")
    export(tmp_path / "model", tmp_path / "base")
    messages = []
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING), open_base(tmp_path / "base", cache=tmp_path / "cache") as base:
            assert base.mode == "session"
        (record,) = caplog.records
        messages.append(record.getMessage())
        monkeypatch.setattr("edgediff.runtime.prove.build_image", None)  # the second time nothing is built
    assert "shares its packed bytes with one of equal values" in messages[0]
    assert messages[1].startswith(messages[0])
    with pytest.raises(BundleError, match="shares its packed bytes"):
        open_base(tmp_path / "base", mode="live", cache=tmp_path / "cache")


MEMORY = """
import sys, os
import numpy as np, onnxruntime
from pathlib import Path
from edgediff.runtime import open_base
mode, base, cache = sys.argv[1:]
tokens = np.full((1, 16), 7)
feeds = {"input_ids": tokens, "attention_mask": tokens * 0 + 1, "token_type_ids": tokens * 0}
for side in ("head", "token_head"):
    feeds |= {f"{side}.weight": np.zeros((2, 384), np.float32), f"{side}.bias": np.zeros(2, np.float32)}
if mode == "live":
    opened = open_base(base, mode="live", threads=1, cache=cache)
    session = opened._mode.session
else:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(Path(base) / "model.onnx", options)
session.run(["logits"], feeds)
lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("Pss:")))
"""


def test_a_live_process_takes_about_the_memory_of_a_plain_one(minilm_base, tmp_path):
    cache = str(tmp_path / "cache")

    def kilobytes(mode):
        arguments = [sys.executable, "-c", MEMORY, mode, str(minilm_base), cache]
        return int(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)

    kilobytes("live")  # builds the image
    assert kilobytes("live") < 1.25 * kilobytes("plain")
    assert onnxruntime.__version__ in next((tmp_path / "cache").iterdir()).name


FORKED = """
import os, sys, threading
from edgediff.runtime import live, open_base

base = open_base(sys.argv[1], mode="live", threads=1, cache=sys.argv[2])
held = threading.Event()

def hold():
    with live._opening:
        held.set()
        threading.Event().wait()

threading.Thread(target=hold, daemon=True).start()
held.wait()
pid = os.fork()
if pid == 0:
    print(open_base(sys.argv[1], mode="live", threads=1, cache=sys.argv[2]).mode, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
"""


def test_a_child_forked_while_a_thread_opens_a_live_session_opens_its_own(tiny_base, tmp_path):
    arguments = [sys.executable, "-W", "ignore", "-c", FORKED, str(tiny_base), str(tmp_path / "cache")]
    result = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("live\n", "")
