"""Live mode, opened only if it is proven to work with this base, onnxruntime and processor."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Diff
from edgediff.errors import BundleError
from edgediff.files import sha256
from edgediff.format.bundle import MODEL_FILE, Manifest, bundle_fingerprint
from edgediff.runtime.cache import (
    cache_lock,
    check_image,
    image_folder,
    new_image,
    read_cached,
    write_record,
    write_refusal,
)
from edgediff.runtime.image import NoImageError, UnsureError, build_image
from edgediff.runtime.live import LiveSession
from edgediff.runtime.modes import LiveMode, SessionMode
from edgediff.runtime.places import find_places
from edgediff.runtime.trial import KEY, compare, trial_diff, trial_logits, with_product

_Logits = dict[str, NDArray[np.float32]]


def proven_live_mode(bundle: Path, manifest: Manifest, threads: int, cache: Path | None) -> LiveMode:
    """Open live mode and put it to the trial: patched and reverted, it answers as ordinary sessions do.

    When the image is built, ordinary sessions answer too, and every logit must be equal bit for bit, with a
    product in the diff also; what they said is kept with the image and compared with later, but for the
    product, which would double the trial's time. A damaged image is built anew.

    Raises:
        BundleError: any doubt; the text names it.
        OutputError: the cache folder cannot be written.
    """
    folder = image_folder(manifest, cache)
    try:
        with cache_lock(folder.parent, exclusive=False):
            return _open_cached(folder, bundle, manifest, threads)
    except NoImageError:
        pass
    with cache_lock(folder.parent, exclusive=True):
        try:
            return _open_cached(folder, bundle, manifest, threads)  # built by another process meanwhile
        except NoImageError:
            _build(folder, bundle, manifest, threads)
            return _open_cached(folder, bundle, manifest, threads)  # none of the building's memory is in it


def _open_cached(folder: Path, bundle: Path, manifest: Manifest, threads: int) -> LiveMode:
    image = read_cached(folder)
    with ThreadPoolExecutor(1) as pool:  # beside onnxruntime, which maps the same bytes
        checked = pool.submit(check_image, image)
        try:
            live = LiveSession(folder, image.places, threads)
        finally:
            checked.result()  # of two errors, the damage is the one to know
    mode = LiveMode(live)
    for name, logits in _on_trial(mode, manifest, trial_diff(manifest)).items():
        compare(logits, image.proof[name], name, exact=False)
    return mode


def _build(folder: Path, bundle: Path, manifest: Manifest, threads: int) -> None:
    _check_bundle(bundle, manifest)
    try:
        with new_image(folder) as part:
            places = find_places(bundle, manifest, build_image(bundle, part))
            mode = LiveMode(LiveSession(part, places, threads))
            entries = trial_diff(manifest)
            for diff in (with_product(manifest, entries), entries):
                wanted = _ordinary(bundle, manifest, threads, diff)
                for name, logits in _on_trial(mode, manifest, diff).items():
                    compare(logits, wanted[name], name, exact=True)
            write_record(part, places, wanted)
    except UnsureError as error:
        with new_image(folder) as part:  # so that it need not be tried at every start
            write_refusal(part, str(error))
        raise


def _check_bundle(bundle: Path, manifest: Manifest) -> None:
    """An image goes by the fingerprint, so it must not be made of anything else."""
    if bundle_fingerprint(bundle) != manifest.base.fingerprint:
        raise BundleError(f"the weights of {bundle} are damaged: they have another fingerprint")
    if sha256(bundle / MODEL_FILE) != manifest.files[MODEL_FILE].sha256:
        raise BundleError(f"{bundle / MODEL_FILE} is damaged: it has another SHA-256")


def _on_trial(mode: LiveMode, manifest: Manifest, diff: Diff) -> _Logits:
    """What a live session says with the trial's diff, and after it was taken back."""
    mode.prepare(KEY, diff)
    mode.activate(KEY)
    patched = trial_logits(mode, manifest, diff)
    mode.activate(None)
    mode.forget(KEY)
    mode.give_back()
    return {"patched": patched, "base": trial_logits(mode, manifest, diff)}


def _ordinary(bundle: Path, manifest: Manifest, threads: int, diff: Diff) -> _Logits:
    """What ordinary sessions say with the trial's diff and without."""
    answers = {}
    for name, part in (("patched", diff), ("base", replace(diff, tensors=(), products=()))):
        mode = SessionMode(bundle, threads)
        mode.prepare(name, part)
        mode.activate(name)
        answers[name] = trial_logits(mode, manifest, diff)
    return answers
