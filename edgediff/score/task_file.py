"""Task files: a task's definition as a user writes it."""

import json
import tomllib
from pathlib import Path

from edgediff.diff import GLUE_TASKS, Task
from edgediff.errors import TaskError


def load_task(task: str | Path) -> Task:
    """A built-in task by name, or the task in a TOML or JSON file.

    Raises:
        TaskError: no such name or file, or a definition that cannot be used.
    """
    if str(task) in GLUE_TASKS:
        return GLUE_TASKS[str(task)]
    path = Path(task)
    if path.suffix not in (".toml", ".json"):
        names = ", ".join(sorted(GLUE_TASKS))
        raise TaskError(f"task {str(task)!r} is neither built in ({names}) nor a .toml or .json file")
    try:
        text = path.read_text("utf-8")
        plain = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error
    if not isinstance(plain, dict):
        raise TaskError(f"{path} holds no table of keys")
    return Task.from_dict(plain, str(path))
