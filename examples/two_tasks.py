"""Two tasks over one base in one process.

    python examples/two_tasks.py BASE FIRST.dpf SECOND.dpf

Lines of standard input are answered by both tasks in turn, which must be of one text and answer with a label.
"""

import sys
import time

from edgediff.runtime import open_base


def main(bundle: str, *files: str) -> None:
    """Answer each line for each task."""
    with open_base(bundle) as base:
        tasks = [base.add(file) for file in files]
        print(f"{base.mode} mode, tasks {', '.join(task.name for task in tasks)}")
        for line in sys.stdin:
            texts = [line.rstrip("\n")]
            for task in tasks:
                started = time.perf_counter()
                base.activate(task.name)
                switched = time.perf_counter()
                (answer,) = base.run(task.name, texts)
                done = time.perf_counter()
                print(
                    f"{task.name}: {answer.label}"
                    f" (switch {1000 * (switched - started):.2f} ms, run {1000 * (done - switched):.1f} ms)"
                )


if __name__ == "__main__":
    main(*sys.argv[1:])
