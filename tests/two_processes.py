"""Run by torchrun: each job of a file, one after another, by all processes together.

    torchrun ... two_processes.py JOBS LIMIT

A job is a dict: `run`, `model`, `files` (a folder with task.json, train.jsonl and dev.jsonl), `settings` and,
if need be, `stop`: each process gets Ctrl-C when it has done so many steps of a stage, and the run is then
resumed. Each process leaves beside JOBS what it wrote to.
"""

import faulthandler
import json
import os
import signal
import sys
import warnings
from pathlib import Path

from edgediff.errors import StoppedError
from edgediff.train import make_settings, train


def main(jobs, limit):
    faulthandler.dump_traceback_later(limit, exit=True)
    warnings.simplefilter("error")
    written = set()
    sys.addaudithook(lambda event, given: note(written, event, given))
    for job in json.loads(jobs.read_text()):
        do(job)
    rank = os.environ["RANK"]
    jobs.with_name(f"written-{rank}.json").write_text(json.dumps(sorted(written)))


def note(written, event, given):
    """Keep the folder of each file that is opened to be written."""
    if event == "open" and isinstance(given[0], str) and given[2] & (os.O_WRONLY | os.O_RDWR):
        written.add(str(Path(given[0]).parent))


def do(job):
    files = Path(job["files"])
    arguments = {"task": files / "task.json", "train": files / "train.jsonl", "dev": files / "dev.jsonl"}
    arguments["settings"] = make_settings(job["settings"], "job")
    if "stop" in job:

        def press(stage, done, total, text):
            if done == job["stop"]:
                signal.raise_signal(signal.SIGINT)

        try:
            train(job["model"], job["run"], **arguments, progress=press)
        except StoppedError as error:
            Path(f"{job['run']}-stopped-{os.environ['RANK']}").write_text(str(error))
    train(job["model"], job["run"], **arguments, resume="stop" in job)


main(Path(sys.argv[1]), float(sys.argv[2]))
