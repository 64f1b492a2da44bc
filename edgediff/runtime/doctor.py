"""`edgediff doctor`: is a base bundle whole, does it work here, and do files of tasks fit it?"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Diff
from edgediff.errors import BaseMismatchError, BundleError, EdgeDiffError
from edgediff.files import sha256
from edgediff.format import inspect
from edgediff.format.bundle import (
    MODEL_FILE,
    Manifest,
    bundle_fingerprint,
    map_weights,
    read_manifest,
    read_parameter,
)
from edgediff.runtime.answer import takes_two
from edgediff.runtime.initializers import FLOAT, read_initializers
from edgediff.runtime.open_base import OpenBase, open_base
from edgediff.runtime.session import read_fitting
from edgediff.runtime.tokens import Tokens

_TEXT = "one text for all tasks, whatever they are about"
_EXPORT = "export the base again"
_REPACK = "train and pack the task for this base"


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True)
class Verdict:
    """What one check found.

    Attributes:
        level: "ok"; "note", which is worth knowing and does no harm; or "wrong".
        subject: the file or the part that was checked.
        found: what was found.
        advice: what to do about it; empty where there is nothing to do.
    """

    level: Level
    subject: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        """The verdict as one line."""
        line = f"{self.level:<5}  {self.subject}: {self.found}" + (f"; {self.advice}" * bool(self.advice))
        return " ".join(line.split("\n"))


def doctor(
    bundle: str | Path, files: Sequence[str | Path] = (), cache: str | Path | None = None
) -> Iterator[Verdict]:
    """Check a base bundle, and `.dpf` files against it; a verdict for each check, as it is done.

    Live mode is tried only with a whole bundle, since it keeps an image of it in `cache`.
    """
    folder = Path(bundle)
    try:
        manifest = read_manifest(folder)
    except BundleError as error:
        yield Verdict(Level.WRONG, f"{folder}", str(error), _EXPORT)
        return
    whole = True
    for verdict in _bundle(folder, manifest):
        whole = whole and verdict.level is not Level.WRONG
        yield verdict
    if not whole:
        yield Verdict(Level.NOTE, "live mode", "not tried with a damaged bundle")
        for file in files:
            yield from _file(folder, manifest, Path(file), ())
        return
    with ExitStack() as stack:
        opened = [stack.enter_context(open_base(folder, mode="session", threads=1))]
        try:
            opened.append(stack.enter_context(open_base(folder, mode="live", threads=1, cache=cache)))
            yield Verdict(Level.OK, "live mode", "works, proven on this machine")
        except EdgeDiffError as error:
            yield Verdict(Level.NOTE, "live mode", str(error), "tasks get a session each, which is slower")
        for file in files:
            yield from _file(folder, manifest, Path(file), opened)


def _bundle(folder: Path, manifest: Manifest) -> Iterator[Verdict]:
    for name, entry in manifest.files.items():
        try:
            digest = sha256(folder / name)
        except OSError as error:
            yield Verdict(
                Level.WRONG, name, f"cannot be read: {error.strerror or error}", "see who may read it"
            )
            continue
        if digest == entry.sha256:
            yield Verdict(Level.OK, name, "SHA-256 as base.json states")
        else:
            yield Verdict(Level.WRONG, name, "its bytes are not those of its SHA-256 in base.json", _EXPORT)
    yield from _checked("parameters", lambda: _parameters(folder, manifest))
    yield from _checked("fingerprint", lambda: _fingerprint(folder, manifest))


def _checked(subject: str, check: Callable[[], str], advice: str = _EXPORT) -> Iterator[Verdict]:
    """The verdict of a check that gives what it found, or raises what is wrong."""
    try:
        yield Verdict(Level.OK, subject, check())
    except EdgeDiffError as error:
        yield Verdict(Level.WRONG, subject, str(error), advice)


def _parameters(folder: Path, manifest: Manifest) -> str:
    """Every parameter of the manifest is the graph's initializer of that name, byte for byte."""
    try:
        held = {each.name: each for each in read_initializers((folder / MODEL_FILE).read_bytes())}
    except OSError as error:
        raise BundleError(f"{MODEL_FILE} cannot be read: {error.strerror or error}") from error
    for entry in manifest.parameters:
        found = held.get(entry.initializer)
        if found is None:
            raise BundleError(f"{MODEL_FILE} has no initializer {entry.initializer!r} for {entry.name!r}")
        place = (found.data_type, found.offset, found.length)
        if place != (FLOAT, entry.offset, entry.length):
            raise BundleError(f"{entry.name!r} lies elsewhere in {MODEL_FILE} than base.json states")
    return f"{len(manifest.parameters)} tensors are where the graph reads them"


def _fingerprint(folder: Path, manifest: Manifest) -> str:
    found = bundle_fingerprint(folder)
    if found != manifest.base.fingerprint:
        raise BundleError(f"the weights have {found}, base.json states {manifest.base.fingerprint}")
    return f"the weights have {found[:16]}, as base.json states"


def _file(folder: Path, manifest: Manifest, path: Path, opened: Sequence[OpenBase]) -> Iterator[Verdict]:
    try:
        diff = read_fitting(manifest, path, str(folder))
    except BaseMismatchError as error:
        yield Verdict(Level.WRONG, str(path), str(error), _REPACK)
        return
    except EdgeDiffError as error:
        yield Verdict(Level.WRONG, str(path), str(error), "get or pack the file again")
        return
    yield Verdict(Level.OK, str(path), f"readable, task {diff.task.name!r}, {_amount(diff)}")
    yield Verdict(Level.OK, str(path), "made for this base, and every tensor fits")
    yield _waste(folder, manifest, path, diff)
    if opened:
        yield _answers(folder, path, diff, opened)


def _amount(diff: Diff) -> str:
    """What the diff changes, in words."""
    entries = [f"{diff.nnz:,} changed parameters"] if diff.nnz or not diff.products else []
    return " and ".join(entries + ([f"{len(diff.products):,} changed as a whole"] if diff.products else []))


def _waste(folder: Path, manifest: Manifest, path: Path, diff: Diff) -> Verdict:
    """Entries whose value is lost when it is added to the base's."""
    weights = map_weights(folder)
    parameters = {entry.name: entry for entry in manifest.parameters}
    wasted = 0
    for tensor in diff.tensors:
        base = read_parameter(weights, parameters[tensor.name])
        whole = diff.patch(tensor.name, base).reshape(-1)[tensor.indices]
        without = replace(diff, tensors=()).patch(tensor.name, base)
        wasted += int((whole == without[np.unravel_index(tensor.indices, base.shape)]).sum())
    if not wasted:
        return Verdict(Level.OK, str(path), "every entry changes its parameter")
    size = math.ceil(wasted * inspect(path)["bits_per_nonzero"] / 8)
    found = f"{wasted:,} of {diff.nnz:,} entries change nothing, about {size:,} bytes"
    return Verdict(Level.NOTE, str(path), found, "a smaller --size or --density loses nothing")


def _answers(folder: Path, path: Path, diff: Diff, opened: Sequence[OpenBase]) -> Verdict:
    """One and the same text, in all modes that there are."""
    two = [_TEXT] if takes_two(diff.task) else None
    found: dict[str, NDArray[np.float32]] = {}
    for base in opened:
        try:
            feeds = Tokens(folder, diff.task)([_TEXT], two)
            task = base.add(path, str(path))
            found[base.mode] = base.logits(task.name, feeds)
            base.remove(task.name)
        except EdgeDiffError as error:
            return Verdict(Level.WRONG, str(path), f"{base.mode} mode: {error}", _REPACK)
    first = found["session"]
    modes = " and ".join(found)
    if not np.isfinite(first).all():
        return Verdict(Level.WRONG, str(path), "it answers with what is no number", _REPACK)
    if all(np.array_equal(logits, first) for logits in found.values()):
        equal = ", bit for bit the same" if len(found) > 1 else ""
        return Verdict(Level.OK, str(path), f"answers in {modes} mode{equal}")
    what = "live mode answers otherwise than session mode"
    return Verdict(Level.WRONG, str(path), what, 'open the base with mode="session", and report this')
