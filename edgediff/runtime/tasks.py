"""The tasks of one base: by name or file, with their diffs and tokenizers, for any number of threads."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgediff.diff import Diff, Kind, Task
from edgediff.errors import SettingError, TaskError
from edgediff.files import sha256
from edgediff.format import read_header
from edgediff.format.bundle import Manifest
from edgediff.format.header import reading
from edgediff.runtime.session import check_base, head_feeds, read_fitting
from edgediff.runtime.tokens import Tokens

Named = str | Path | Sequence[str | Path]
"""A task's name or its file; or several, which compose: their changes are added, the last one answers."""


@dataclass(eq=False)
class BaseTask:
    """A task of an open base.

    Attributes:
        name: by which it is asked for.
        path: its file.
        definition: what the file says of the task.
        file_bytes: its size.
        uses: how many times it was activated.
        last_used: when its last run began, in seconds since the epoch; None before the first.
    """

    name: str
    path: Path
    definition: Task
    file_bytes: int
    uses: int = 0
    last_used: float | None = None
    _diff: Diff | None = field(default=None, repr=False)  # until it is prepared
    _head: dict[str, NDArray[np.float32]] | None = field(default=None, repr=False)
    _digest: str | None = field(default=None, repr=False)  # of the file, once it was read
    _reading: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def kind(self) -> Kind:
        """What is predicted."""
        return self.definition.kind

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names in the order of the logits."""
        return self.definition.labels


class Tasks:
    """The tasks that were added to a base.

    Attributes:
        by_name: never changed but replaced, so that anyone can go through it at any time.
    """

    def __init__(self, bundle: Path, manifest: Manifest) -> None:
        self.by_name: Mapping[str, BaseTask] = {}
        self._bundle, self._manifest = bundle, manifest
        self._tokens: dict[tuple[bool, int], Tokens] = {}
        self._lock = threading.RLock()

    def add(self, dpf: str | Path, name: str | None = None) -> BaseTask:
        """Add the task of a file, of which only the header is read; see `OpenBase.add`."""
        header = read_header(dpf)
        check_base(self._manifest, header.base, header.shapes, str(self._bundle), str(dpf))
        task = BaseTask(name or header.task.name, Path(dpf).absolute(), header.task, header.file_bytes)
        with self._lock:
            if task.name in self.by_name:
                raise SettingError(f"a task {task.name!r} was added already: give {dpf} another name")
            self.by_name = {**self.by_name, task.name: task}
        return task

    def remove(self, task: BaseTask) -> None:
        """Take a task out; nothing happens if another thread did."""
        with self._lock:
            self.by_name = {name: each for name, each in self.by_name.items() if each is not task}

    def named(self, task: Named) -> list[BaseTask]:
        """The tasks that are named; a file that is none's yet is added.

        Raises:
            TaskError: no such task, or no name.
            FormatError, BaseMismatchError, SettingError: as `add`.
        """
        names = [task] if isinstance(task, str | Path) else list(task)
        if not names:
            raise TaskError("no task is named")
        return [self._find(name) for name in names]

    def check_present(self, tasks: Sequence[BaseTask]) -> None:
        """Check that all are still there.

        Raises:
            TaskError: one was removed.
        """
        for task in tasks:
            if self.by_name.get(task.name) is not task:
                raise TaskError(f"the task {task.name!r} was removed")

    def tokens_of(self, task: Task) -> Tokens:
        """The tokenizer, set to a task; tasks of one length share it."""
        like = (task.kind is Kind.QUESTION_ANSWERING, task.max_length)  # all that tokens depend on
        if (found := self._tokens.get(like)) is not None:
            return found
        with self._lock:
            if like not in self._tokens:
                self._tokens[like] = Tokens(self._bundle, task)
            return self._tokens[like]

    def diff_of(self, task: BaseTask) -> Diff:
        """The task's diff, read now if it is not at hand.

        Raises:
            FormatError, BaseMismatchError: the file is damaged or does not fit the base.
            TaskError: it is another file than at first.
        """
        if (found := task._diff) is not None:  # so that no run waits for another task's file
            return found
        with task._reading:
            if (found := task._diff) is None:
                with reading(task.path):
                    digest = sha256(task.path)
                found = read_fitting(self._manifest, task.path, str(self._bundle))
                # What was prepared of the file must go with its head, and with what is read of it later.
                if found.task != task.definition or task._digest not in (None, digest):
                    raise TaskError(
                        f"{task.path} is another file than was added: remove the task, add it again"
                    )
                task._diff, task._head, task._digest = found, head_feeds(found), digest
            return found

    def head_of(self, task: BaseTask) -> dict[str, NDArray[np.float32]]:
        """The graph inputs that hold the task's head; it stays at hand once the diff was read."""
        if task._head is None:
            self.diff_of(task)
        assert task._head is not None
        return task._head

    def let_go(self, task: BaseTask) -> None:
        """Keep the task's diff no longer; it is read again when it is needed."""
        task._diff = None  # in a switch, which waits for no file of another task

    def _find(self, name: str | Path) -> BaseTask:
        if isinstance(name, str) and name in self.by_name:
            return self.by_name[name]
        if isinstance(name, str) and not name.endswith(".dpf"):
            raise TaskError(f"no task {name!r} was added; there are {', '.join(self.by_name) or 'none'}")
        path = Path(name).resolve()
        with self._lock:  # of two threads that name a new file, one adds it
            known = (task for task in self.by_name.values() if task.path.resolve() == path)
            return next(known, None) or self.add(name)
