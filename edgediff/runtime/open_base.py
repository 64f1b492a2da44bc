"""One base with many tasks: the front door of the runtime."""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import compose
from edgediff.errors import BundleError, EdgeDiffError, SettingError
from edgediff.format.bundle import Manifest, read_manifest
from edgediff.runtime.answer import AnyAnswer, answer_texts
from edgediff.runtime.modes import Mode, SessionMode
from edgediff.runtime.session import run_session
from edgediff.runtime.tasks import BaseTask, Named, Tasks
from edgediff.runtime.turns import Turns

_log = logging.getLogger(__name__)

MODES = ("auto", "live", "session")
MAX_PREPARED = 64
"""Diffs and compositions that stay ready to be activated; the least used ones are made anew."""

_Key = tuple[BaseTask, ...]
"""What is active: tasks in an order of their own, since that of a composition does not matter to weights."""


class OpenBase:
    """A base bundle in memory, with the tasks that were added to it; see `open_base`.

    Any number of threads may ask. Runs of one task go side by side; a switch waits for the runs under way;
    waiting runs are served task by task, in the order in which tasks were asked for, and no one waits longer
    than for one batch of each task before it (`Turns`).

    Wherever a task is named its file may be named too, which adds it if need be.

    Attributes:
        mode: "live" or "session".
    """

    def __init__(self, bundle: Path, manifest: Manifest, mode: Mode) -> None:
        self.mode = mode.name
        self._tasks, self._mode = Tasks(bundle, manifest), mode
        self._prepared: OrderedDict[_Key, str] = OrderedDict()  # with the key that the mode knows it by
        self._turns = Turns(self._switch)
        self._lock = threading.Lock()  # for those who share the turn of the base alone
        self._pid = os.getpid()
        self._open = True
        self._numbers = 0

    @property
    def tasks(self) -> Mapping[str, BaseTask]:
        """The tasks by name, as they are now: what is added or removed later changes nothing in it."""
        return self._tasks.by_name

    def add(self, dpf: str | Path, name: str | None = None) -> BaseTask:
        """Add the task of a `.dpf` file; only its header is read until it is first used.

        Raises:
            FormatError: the file is missing or breaks a rule of its format.
            BaseMismatchError: it was made for another base.
            SettingError: another task has that name.
        """
        self._check_usable()
        return self._tasks.add(dpf, name)

    def remove(self, name: str) -> None:
        """Let go of a task, so that its name is free.

        A batch of it that has its turn is answered first; a run in batches that still has some to go fails.

        Raises:
            TaskError: no such task.
        """
        (task,) = self._named([name])
        with self._turns.of(None), self._lock:
            self._tasks.remove(task)
            for key in [key for key in self._prepared if task in key]:
                self._forget(key)

    def run(self, task: Named, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[AnyAnswer]:
        """Answer for each of `texts`, or each pair; a question is paired with its context.

        More than 32 rows are run in batches of like length, and runs of other tasks may come between them.

        Raises:
            TaskError: no such task.
            DataError: the task takes one text and got pairs, or the other way round.
        """
        tasks = self._named(task)
        definition = tasks[-1].definition
        run = partial(self._logits, tasks)
        return answer_texts(definition, self._tasks.tokens_of(definition), run, texts, pairs)

    def logits(self, task: Named, feeds: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """The logits of one batch of token inputs, switching if need be.

        `(rows, outputs)`, or `(rows, tokens, outputs)` for tasks that label tokens.
        """
        return self._logits(self._named(task), feeds)

    @contextmanager
    def pinned(self, task: Named) -> Iterator[None]:
        """Keep a task active for the block: its runs, of any thread, need no switch; other tasks' runs wait.

        In the block this thread may ask for nothing else, since it would wait for ever: that is an error.

        Raises:
            SettingError: this thread has another task pinned already.
        """
        with self._turn(self._named(task), pins=True):
            yield

    def activate(self, task: Named) -> None:
        """Switch to a task, so that its next run need not."""
        with self._turn(self._named(task)):
            pass

    def deactivate(self) -> None:
        """Switch to the base alone: in live mode its weights are then the bundle's, bit for bit."""
        self._check_usable()
        with self._turns.of(None):
            pass

    def close(self) -> None:
        """Let go of session and memory; a batch that has its turn is answered first, the rest is refused."""
        if not self._open:
            return
        self._check_usable()
        with self._turns.of(None), self._lock:
            if self._open:  # two threads may close at once
                self._open = False
                del self._mode

    def __enter__(self) -> "OpenBase":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def overlap(self, tasks: Sequence[str | Path]) -> int:
        """How many entries more than one of the tasks changes."""
        return compose([self._tasks.diff_of(task) for task in _key(self._named(tasks))])[1]

    def _logits(
        self, tasks: Sequence[BaseTask], feeds: Mapping[str, NDArray[np.int64]]
    ) -> NDArray[np.float32]:
        last = tasks[-1]
        with self._turn(tasks):
            for task in tasks:
                task.last_used = time.time()
            return run_session(self._mode.session, last.definition, feeds, self._tasks.head_of(last))

    @contextmanager
    def _turn(self, tasks: Sequence[BaseTask], pins: bool = False) -> Iterator[None]:
        self._check_usable()
        key = _key(tasks)
        if key not in self._prepared:
            for task in tasks:
                self._tasks.diff_of(task)  # here, while others run, and not in the switch, when nobody does
        with self._turns.of(key, pins):
            yield

    def _switch(self, key: Hashable) -> None:
        """Make tasks active, or with None the base alone; called by `Turns` when no run is under way."""
        if key is None:
            if self._open:
                self._mode.activate(None)
            return
        self._check_usable()
        tasks = cast(_Key, key)
        self._tasks.check_present(tasks)
        if tasks not in self._prepared:
            self._prepare(tasks)
        self._mode.activate(self._prepared[tasks])
        self._prepared.move_to_end(tasks)
        for task in tasks:
            task.uses += 1
        while len(self._prepared) > MAX_PREPARED:
            self._forget(next(iter(self._prepared)))

    def _prepare(self, tasks: _Key) -> None:
        diff, overlap = compose([self._tasks.diff_of(task) for task in tasks])
        if overlap:
            names = ", ".join(task.name for task in tasks)
            _log.info("%d entries are changed by more than one of %s: the changes are added", overlap, names)
        self._numbers += 1
        known_as = str(self._numbers)
        self._mode.prepare(known_as, diff)
        self._prepared[tasks] = known_as
        del diff
        for task in tasks:
            self._tasks.let_go(task)
        self._mode.give_back()

    def _forget(self, tasks: _Key) -> None:
        """Let go of what was prepared."""
        self._mode.forget(self._prepared.pop(tasks))

    def _named(self, task: Named) -> list[BaseTask]:
        self._check_usable()
        return self._tasks.named(task)

    def _check_usable(self) -> None:
        if os.getpid() != self._pid:
            raise SettingError(
                "the base was opened before this process was forked: open it again in this one"
            )
        if not self._open:
            raise SettingError("the base is closed: open it again")


def _key(tasks: Sequence[BaseTask]) -> _Key:
    return tuple(sorted(set(tasks), key=lambda task: task.name))


def run(
    base: str | Path, dpf: str | Path, texts: Sequence[str], pairs: Sequence[str] | None = None
) -> list[AnyAnswer]:
    """Answer for each of `texts`, or for each pair of `texts` and `pairs`, in a session of its own.

    Raises:
        BundleError, FormatError, BaseMismatchError: as `load_session`.
        DataError: the task takes one text and got pairs, or the other way round.
    """
    with open_base(base, mode="session") as opened:
        return opened.run(opened.add(dpf).name, texts, pairs)


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
    folder = Path(bundle).absolute()  # it is read later too, wherever the process is by then
    manifest = read_manifest(bundle)
    if mode != "session":
        try:
            # Not every system has what live mode is made of.
            from edgediff.runtime.prove import proven_live_mode

            live = proven_live_mode(folder, manifest, threads, Path(cache) if cache else None)
            return OpenBase(folder, manifest, live)
        except (EdgeDiffError, ImportError) as error:
            if mode == "live":
                raise BundleError(f"live mode is not sure here: {error}") from error
            _log.warning("tasks get a session each: live mode is not sure here: %s", error)
    return OpenBase(folder, manifest, SessionMode(folder, threads))
