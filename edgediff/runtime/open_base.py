"""One base with many tasks: the front door of the runtime."""

import logging
import os
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Diff, Kind, Task, compose
from edgediff.errors import BundleError, EdgeDiffError, SettingError, TaskError
from edgediff.format import inspect, read_dpf
from edgediff.format.bundle import Manifest, read_manifest
from edgediff.runtime.answer import Answer, answer, check_texts
from edgediff.runtime.modes import Mode, SessionMode
from edgediff.runtime.session import check_base, head_feeds
from edgediff.runtime.tokens import Tokens
from edgediff.runtime.turns import Turns

_log = logging.getLogger(__name__)

MODES = ("auto", "live", "session")
MAX_PREPARED = 64
"""Diffs and compositions that stay ready to be activated; the least used ones are made anew."""


@dataclass
class BaseTask:
    """A task of an open base.

    Attributes:
        name: by which it is asked for.
        path: its file.
        definition: what the file says of the task.
        file_bytes: its size.
        uses: how many times it was activated.
    """

    name: str
    path: Path
    definition: Task
    file_bytes: int
    uses: int = 0
    diff: Diff | None = field(default=None, repr=False)

    @property
    def kind(self) -> Kind:
        """What is predicted."""
        return self.definition.kind

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names in the order of the logits."""
        return self.definition.labels


class OpenBase:
    """A base bundle in memory, with the tasks that were added to it; see `open_base`.

    Any number of threads may ask. Runs of one task go side by side; a switch waits for the runs under way;
    waiting runs are served task by task, in the order in which tasks were asked for, and no one waits longer
    than for one batch of each task before it (`Turns`).

    Attributes:
        mode: "live" or "session".
        tasks: the tasks by name.
    """

    def __init__(self, bundle: Path, manifest: Manifest, mode: Mode) -> None:
        self.mode = mode.name
        self.tasks: dict[str, BaseTask] = {}
        self._bundle, self._manifest, self._mode = bundle, manifest, mode
        self._prepared: OrderedDict[str, Diff] = OrderedDict()
        self._tokens: dict[str, Tokens] = {}
        self._turns = Turns(self._switch)
        self._pid = os.getpid()
        self._open = True

    def add(self, dpf: str | Path, name: str | None = None) -> BaseTask:
        """Add the task of a `.dpf` file; only its header is read until it is first used.

        Raises:
            FormatError: the file is missing or breaks a rule of its format.
            BaseMismatchError: it was made for another base.
            SettingError: another task has that name.
        """
        path = Path(dpf)
        header = inspect(path)
        if header["base_fingerprint"] != self._manifest.base.fingerprint:
            check_base(self._manifest, read_dpf(path), str(self._bundle), str(path))  # says so
        definition = Task.from_dict(header["task"], str(path))
        name = name or definition.name
        if name in self.tasks:
            raise SettingError(f"a task {name!r} was added already: give {path} another name")
        self.tasks[name] = BaseTask(name, path, definition, header["file_bytes"])
        return self.tasks[name]

    def run(
        self, task: str | Sequence[str], texts: Sequence[str], pairs: Sequence[str] | None = None
    ) -> list[Answer]:
        """Answer for each of `texts`, or each pair; several task names compose, the last one answers.

        Raises:
            TaskError: no such task, or one that labels tokens.
            DataError: the task takes one text and got pairs, or the other way round.
        """
        definition = self._named(task)[-1].definition
        check_texts(definition, pairs is not None)
        tokens = self._tokens.setdefault(definition.name, Tokens(self._bundle, definition))
        logits = self.logits(task, tokens(texts, pairs))
        return [answer(definition, row) for row in logits]

    def logits(
        self, task: str | Sequence[str], feeds: Mapping[str, NDArray[np.int64]]
    ) -> NDArray[np.float32]:
        """The logits of one batch of token inputs, switching if need be.

        `(rows, outputs)`, or `(rows, tokens, outputs)` for tasks that label tokens.
        """
        last = self._named(task)[-1]
        with self.pinned(task):
            diff = self._diff_of(last)
            output = "token_logits" if last.definition.per_token else "logits"
            (logits,) = self._mode.session.run([output], {**feeds, **head_feeds(diff)})
        return np.asarray(logits)

    @contextmanager
    def pinned(self, task: str | Sequence[str]) -> Iterator[None]:
        """Keep a task active for the block: its runs need no switch, runs of other tasks wait."""
        key = self._key(task)
        with self._turns.of(key):
            yield

    def activate(self, task: str | Sequence[str]) -> None:
        """Switch to a task, so that its next run need not."""
        with self.pinned(task):
            pass

    def deactivate(self) -> None:
        """Switch to the base alone: in live mode its weights are then the bundle's, bit for bit."""
        self._check_usable()
        with self._turns.of(None):
            pass

    def close(self) -> None:
        """Let go of session and memory; what was asked for before is answered first."""
        self.deactivate()
        self._open = False
        del self._mode

    def __enter__(self) -> "OpenBase":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def overlap(self, tasks: Sequence[str]) -> int:
        """How many entries more than one of the tasks changes."""
        return compose([self._diff_of(task) for task in self._named(tasks)])[1]

    def _switch(self, key: Hashable) -> None:
        assert key is None or isinstance(key, str)
        if key is not None and key not in self._prepared:
            diff = compose([self._diff_of(self.tasks[name]) for name in key.split("\0")])[0]
            self._mode.prepare(key, diff)
            self._prepared[key] = diff
        self._mode.activate(key)
        if key is not None:
            self._prepared.move_to_end(key)
            for name in key.split("\0"):
                self.tasks[name].uses += 1
        while len(self._prepared) > MAX_PREPARED:
            oldest, _ = self._prepared.popitem(last=False)
            self._mode.forget(oldest)

    def _key(self, task: str | Sequence[str]) -> str:
        """The names in an order of their own, since the order of a composition does not matter to weights."""
        self._check_usable()
        return "\0".join(sorted({each.name for each in self._named(task)}))

    def _named(self, task: str | Sequence[str]) -> list[BaseTask]:
        names = [task] if isinstance(task, str) else list(task)
        for name in names:
            if name not in self.tasks:
                raise TaskError(f"no task {name!r} was added; there are {', '.join(self.tasks) or 'none'}")
        if not names:
            raise TaskError("no task is named")
        return [self.tasks[name] for name in names]

    def _diff_of(self, task: BaseTask) -> Diff:
        if task.diff is None:
            diff = read_dpf(task.path)
            check_base(self._manifest, diff, str(self._bundle), str(task.path))
            task.diff = diff
        return task.diff

    def _check_usable(self) -> None:
        if not self._open:
            raise SettingError("the base is closed: open it again")
        if os.getpid() != self._pid:
            raise SettingError(
                "the base was opened before this process was forked: open it again in this one"
            )


def open_base(
    bundle: str | Path, *, mode: str = "auto", threads: int = 0, cache: str | Path | None = None
) -> OpenBase:
    """Open a base bundle for many tasks.

    In mode `live` one session serves all: a switch patches its weights in place, in about a millisecond. In
    mode `session` each task has a session of its own, made by documented ways. `auto` is live where that is
    proven to work on this machine, else session, with one line in the log that names the reason. `threads` is
    onnxruntime's number of threads within a run, 0 for its own choice; `cache` is where images are kept
    (`default_cache`).

    Raises:
        BundleError: the bundle is missing or damaged; with mode `live`, also why live mode is not sure here.
        SettingError: no such mode.
    """
    if mode not in MODES:
        raise SettingError(f"mode is {mode!r:.80}, expected one of {', '.join(MODES)}")
    folder = Path(bundle)
    manifest = read_manifest(folder)
    if mode != "session":
        try:
            from edgediff.runtime.prove import (
                proven_live_mode,
            )  # needs memory-backed files, which not all have

            live = proven_live_mode(folder, manifest, threads, Path(cache) if cache else None)
            return OpenBase(folder, manifest, live)
        except (EdgeDiffError, ImportError) as error:
            if mode == "live":
                raise BundleError(f"live mode is not sure here: {error}") from error
            _log.warning("tasks get a session each: live mode is not sure here: %s", error)
    return OpenBase(folder, manifest, SessionMode(folder, threads))
