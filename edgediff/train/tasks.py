"""Many tasks over one encoder: a list in one file, a RUN folder each, as many at once as asked."""

import signal
import tomllib
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import torch

from edgediff.errors import OutputError, RunError, StoppedError, TaskError
from edgediff.train.interrupt import interruption
from edgediff.train.settings import Settings, make_settings
from edgediff.train.train import train

_POLL_SECONDS = 0.2
"""How often it is asked whether Ctrl-C came."""


@dataclass(frozen=True)
class Job:
    """One task of a list.

    Attributes:
        name: of its RUN folder.
        task: a built-in task's name, or a task file.
        train, dev: its labelled files, or None for a built-in task's own.
        settings: of the run.
        rows: at most so many training rows.
    """

    name: str
    task: str
    train: Path | None
    dev: Path | None
    settings: Settings
    rows: int | None


def read_tasks(path: Path, settings: Mapping[str, Any] | None = None) -> list[Job]:
    """The tasks of a TOML file, with one `[[tasks]]` table each.

    A table holds `task`, and if need be `name` (of the RUN folder; else the task's), `train`, `dev`, `rows`
    and any setting of `Settings`; `[defaults]` holds any of them for all. `settings` are stronger than the
    file's, and a table's than the defaults; a density takes the place of a weaker size, and a size that of a
    weaker density. Files are looked for beside the TOML file.

    Raises:
        TaskError: the file cannot be read or lacks a key, or two tasks have one name.
        SettingError: a setting that cannot be used.
    """
    try:
        plain = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error
    listed, defaults = plain.get("tasks"), plain.get("defaults", {})
    if not isinstance(listed, list) or not listed or not all(isinstance(table, dict) for table in listed):
        raise TaskError(f"{path} holds no [[tasks]] tables")
    if not isinstance(defaults, dict):
        raise TaskError(f"{path}: defaults is {defaults!r:.80}, expected a table")
    if unknown := sorted(plain.keys() - {"tasks", "defaults"}):
        raise TaskError(f"{path}: unknown key {unknown[0]!r:.80}; there are [[tasks]] and [defaults]")
    jobs = [
        _job(path, number, _over(_over(defaults, table), settings or {}))
        for number, table in enumerate(listed, 1)
    ]
    names = [job.name for job in jobs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise TaskError(f"{path}: two tasks have the name {twice[0]!r}, expected one each: give a `name`")
    return jobs


def train_tasks(
    model: str | Path, folder: Path, jobs: list[Job], workers: int = 1
) -> Generator[tuple[str, dict[str, Any] | Exception], None, None]:
    """Train each job into `folder/NAME`, `workers` at once; give names and records as they are ready.

    A finished RUN folder is not trained again, an unfinished one goes on from its checkpoint; one of other
    settings or rows is an error. An error of one job comes in the place of its record and leaves the others
    alone. Ctrl-C, or closing the generator, stops the runs that have begun after their step, and begins no
    other.

    Raises:
        OutputError: `folder` cannot be created.
        RunError: fewer than one worker.
        StoppedError: Ctrl-C came, or one of the runs was stopped; the same call goes on.
    """
    if workers < 1:
        raise RunError(f"workers is {workers}, expected at least 1")
    with interruption() as interrupted:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot create {folder}: {error.strerror or error}") from error
        waiting, running = deque(jobs), dict[Future[dict[str, Any]], str]()
        with _pool_of(workers) as pool:

            def begin() -> None:
                # A job for each worker and no more: what a pool has taken in, it trains, whatever happens.
                while waiting and len(running) < workers:
                    job = waiting.popleft()
                    running[_submit(pool, model, folder / job.name, job)] = job.name

            begin()
            while running:
                done, _ = wait(running, _POLL_SECONDS, FIRST_COMPLETED)
                if interrupted() or any(isinstance(each.exception(), StoppedError) for each in done):
                    raise StoppedError(
                        f"stopped before all of the {len(jobs)} tasks were finished, nothing is lost:"
                        f" the same command goes on with {folder}"
                    )
                outcomes = [(running.pop(each), each) for each in done]
                begin()
                for name, future in outcomes:
                    failure = future.exception()
                    yield name, failure if isinstance(failure, Exception) else future.result()


@contextmanager
def _pool_of(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool for the block; what it still runs when the block is left stops after its step."""
    threads = max(torch.get_num_threads() // workers, 1)  # more than cores would wait for one another
    context = get_context("spawn")  # torch's threads do not survive a fork
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, context, _prepare, (threads, stop))
    try:
        yield pool
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, model: str | Path, run: Path, job: Job) -> Future[dict[str, Any]]:
    """Have a worker train the job; if one was killed, the pool takes none and that is the outcome."""
    try:
        with _ctrl_c_blocked():
            return pool.submit(_train, model, run, job)
    except BrokenExecutor as error:
        failed = Future[dict[str, Any]]()
        failed.set_exception(error)
        return failed


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Processes that begin in the block never hear Ctrl-C, which a terminal sends to all of them at once.

    One that still imports or waits for a job would end in a traceback. This one hears it after the block.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_stop: Event
"""In a worker: set when all runs shall stop."""


def _prepare(threads: int, stop: Event) -> None:
    global _stop
    _stop = stop
    torch.set_num_threads(threads)


def _train(model: str | Path, run: Path, job: Job) -> dict[str, Any]:
    def obey(*_: object) -> None:
        if _stop.is_set():
            signal.raise_signal(signal.SIGTERM)  # which a run obeys after its step

    if _stop.is_set():
        raise StoppedError(f"{run} was not begun")
    return train(
        model,
        run,
        task=job.task,
        train=job.train,
        dev=job.dev,
        settings=job.settings,
        rows=job.rows,
        resume=True,
        progress=obey,
    )


def _over(weaker: Mapping[str, Any], stronger: Mapping[str, Any]) -> dict[str, Any]:
    """Both, the stronger one's where they meet; of density and size, ways to say one thing, one is enough."""
    amounts = {"density", "size"}
    hidden = amounts if amounts & stronger.keys() else set()
    return {key: value for key, value in weaker.items() if key not in hidden} | dict(stronger)


def _job(path: Path, number: int, plain: dict[str, Any]) -> Job:
    where = f"{path}, task {number}"
    task = plain.pop("task", None)
    files = {key: plain.pop(key, None) for key in ("train", "dev")}
    for key, value in {"task": task, **files}.items():
        if not isinstance(value, str) and (value is not None or key == "task"):
            raise TaskError(f"{where}: {key} is {value!r:.80}, expected a text")
    beside = {key: path.parent / value if value else None for key, value in files.items()}
    assert isinstance(task, str)
    if task.endswith((".toml", ".json")):
        task = str(path.parent / task)
    name = plain.pop("name", Path(task).stem)
    if not isinstance(name, str) or not name or "/" in name or name.startswith("."):
        raise TaskError(f"{where}: name is {name!r:.80}, expected the name of a folder")
    rows = plain.pop("rows", None)
    if rows is not None and type(rows) is not int:
        raise TaskError(f"{where}: rows is {rows!r:.80}, expected a whole number")
    return Job(name, task, beside["train"], beside["dev"], make_settings(plain, where), rows)
