"""Write the test vectors of the `.dpf` format into `tests/vectors/`, the same bytes each time.

    python scripts/make_vectors.py [--check]

With `--check` nothing is written: the exit status is 1 if the shipped files differ.
"""

import sys
from pathlib import Path

from vectors import classes, container, fields, head, indx, meta, prod, sets, tensors, valid, vals
from vectors.parts import EXAMPLE, file
from vectors.vector import to_json

from edgediff import dumps

SHIPPED = Path(__file__).parents[1] / "tests" / "vectors"
TOPICS = (valid, container, meta, fields, tensors, classes, indx, sets, vals, prod, head)


def make() -> dict[Path, str]:
    """The contents of the vector files, one for each topic."""
    if file() != dumps(EXAMPLE):
        raise SystemExit("the document's file by hand is not what the library writes")
    return {SHIPPED / f"{topic.__name__.split('.')[-1]}.json": to_json(topic.vectors()) for topic in TOPICS}


def main() -> None:
    """Write the files, or compare them."""
    contents = make()
    if sys.argv[1:] == ["--check"]:
        stale = [str(p) for p, text in contents.items() if not p.is_file() or p.read_bytes() != text.encode()]
        stale += [str(p) for p in SHIPPED.glob("*.json") if p not in contents and p.stem != "schema"]
        sys.exit(f"not as generated: {', '.join(stale)}" if stale else 0)
    for path, text in contents.items():
        path.write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
