"""Trainings in processes of their own, which a test may stop, signal and kill.

They are forked from a server that has imported everything, so each begins in a moment. Each ends by itself
after `LIMIT` seconds, whatever goes wrong.
"""

import contextlib
import faulthandler
import multiprocessing
import os
import resource
import signal
import sys
import time

from edgediff.errors import EdgeDiffError

LIMIT = 100
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "edgediff.train",
        "edgediff_cli.main",
        "datasets",
        "rich.progress",
        "safetensors.torch",
        "sklearn.metrics",
        "torch._dynamo",
        "transformers.models.bert.modeling_bert",
    ]
)


class Child:
    """A process that runs `target(*arguments)`; leaving the block kills it if it still runs."""

    def __init__(self, target, *arguments):
        self._process = _context.Process(target=target, args=arguments)
        self._process.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.is_alive():
            self._process.kill()
        self._process.join()

    def signal(self, number):
        assert self._process.is_alive()
        os.kill(self._process.pid, number)

    def wait(self):
        """Its exit code, or minus the number of the signal that ended it."""
        self._process.join(LIMIT)
        return self._process.exitcode

    def is_alive(self):
        return self._process.is_alive()


class Training(Child):
    """`train(*arguments, **options)`, which tells of each step.

    Attributes:
        error: the type's name and the text of the error it ended with, once `wait` returned.
    """

    def __init__(self, *arguments, file_limit_at=None, **options):
        self._steps, theirs = _context.Pipe(duplex=False)
        super().__init__(_train, theirs, arguments, options, file_limit_at)
        theirs.close()
        self.error = None

    def __exit__(self, *_):
        super().__exit__()
        self._steps.close()

    def see_steps(self, count):
        """Wait until `count` more steps are done; whether they were before it ended."""
        return all(self._next_step() for _ in range(count))

    def wait(self):
        while self._next_step():
            pass
        return super().wait()

    def _next_step(self):
        try:
            told = self._steps.recv()
        except EOFError:
            return False
        if isinstance(told, tuple):
            self.error = told
        return True


class Command(Child):
    """`edgediff *arguments`, its standard output and error in the files `out` and `err` of a folder."""

    def __init__(self, folder, *arguments):
        self._out, self._err = folder / "out", folder / "err"
        self._err.touch()
        super().__init__(_call, [str(argument) for argument in arguments], str(self._out), str(self._err))

    def see(self, text):
        """Wait until `text` is on standard error; whether it came before the command ended."""
        while text not in self.stderr:
            if not self.is_alive():
                return text in self.stderr
            time.sleep(0.002)
        return True

    @property
    def stdout(self):
        return self._out.read_text()

    @property
    def stderr(self):
        return self._err.read_text()


def _train(steps, arguments, options, file_limit_at):
    from edgediff.train import train

    faulthandler.dump_traceback_later(LIMIT, exit=True)
    count = 0

    def progress(stage, done, total, text):
        nonlocal count
        count += 1
        steps.send(count)
        if count == file_limit_at:  # from now on a longer file cannot be written: a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

    try:
        train(*arguments, progress=progress, **options)
    except EdgeDiffError as error:
        steps.send((type(error).__name__, str(error)))
        sys.exit(3)


def _call(arguments, out, err):
    from edgediff_cli.main import app

    faulthandler.dump_traceback_later(LIMIT, exit=True)
    for path, number in ((out, 1), (err, 2)):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, number)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
    sys.argv = ["edgediff", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with contextlib.suppress(BrokenPipeError):
        app()
