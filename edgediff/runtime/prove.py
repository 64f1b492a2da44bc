"""Live mode, opened only if it is proven to work with this base, onnxruntime and processor."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgediff.files import write_atomic
from edgediff.format.bundle import Manifest
from edgediff.runtime.cache import CachedImage, cached_image
from edgediff.runtime.live import LiveSession
from edgediff.runtime.modes import LiveMode, SessionMode
from edgediff.runtime.trial import KEY, compare, trial_diff, trial_logits

PROOF_FILE = "proof.json"


def proven_live_mode(bundle: Path, manifest: Manifest, threads: int, cache: Path | None) -> LiveMode:
    """Open live mode and put it to the trial: patched and reverted, it answers as ordinary sessions do.

    The first time, ordinary sessions answer too, and every logit must be equal bit for bit; later the answers
    are compared with what they said then.

    Raises:
        BundleError: any doubt; the text names it.
        OutputError: the cache folder cannot be written.
    """
    image = cached_image(bundle, manifest, cache)
    live = LiveMode(LiveSession(image, threads))
    diff = trial_diff(manifest)
    live.prepare(KEY, diff)
    before = trial_logits(live, manifest, diff)
    live.activate(KEY)
    patched = trial_logits(live, manifest, diff)
    live.activate(None)
    after = trial_logits(live, manifest, diff)
    live.forget(KEY)
    compare(after, before, "after a revert", exact=True)
    known = _read_proof(image)
    if known is None:
        with_nothing, with_diff = _ordinary(bundle, manifest, threads)
        compare(before, with_nothing, "of the base", exact=True)
        compare(patched, with_diff, "with a diff", exact=True)
        proof = {"base": before.tolist(), "patched": patched.tolist()}
        write_atomic(image.folder / PROOF_FILE, json.dumps(proof).encode())
    else:
        compare(before, np.array(known["base"], np.float32), "of the base", exact=False)
        compare(patched, np.array(known["patched"], np.float32), "with a diff", exact=False)
    return live


def _ordinary(
    bundle: Path, manifest: Manifest, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What ordinary sessions say without and with the trial's diff."""
    diff = trial_diff(manifest)
    answers = []
    for name, part in (("base", replace(diff, tensors=())), (KEY, diff)):
        mode = SessionMode(bundle, threads)
        mode.prepare(name, part)
        mode.activate(name)
        answers.append(trial_logits(mode, manifest, diff))
    return answers[0], answers[1]


def _read_proof(image: CachedImage) -> dict[str, list[list[float]]] | None:
    try:
        return dict(json.loads((image.folder / PROOF_FILE).read_text("utf-8")))
    except (OSError, ValueError):
        return None
