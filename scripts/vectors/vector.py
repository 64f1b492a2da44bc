"""What a test vector is, and its JSON."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from edgediff import Diff
from edgediff.errors import FormatError


@dataclass(frozen=True)
class Vector:
    """The bytes of a file and what a reader must make of them.

    Attributes:
        id: unique among all vectors.
        description: what a reader may get wrong here.
        data: the file.
        verdict: the fields of the JSON that tell what must come of it.
    """

    id: str
    description: str
    data: bytes
    verdict: dict[str, Any]


def valid(name: str, description: str, data: bytes, diff: Diff) -> Vector:
    """A file that holds `diff`."""
    return Vector(name, description, data, {"valid": True, "content": _content(diff)})


def invalid(
    name: str, description: str, data: bytes, clause: str, error: type[FormatError] = FormatError
) -> Vector:
    """A file that a reader must refuse with `error`, as it breaks what the document says under `clause`."""
    verdict = {"valid": False, "error": error.__name__, "clause": clause}
    return Vector(name, description, data, verdict)


def to_json(vectors: Sequence[Vector]) -> str:
    """The text of a vector file: one line a vector, every number in all its decimals."""
    lines = (
        json.dumps(
            {"id": v.id, "description": v.description, "data": base64.b64encode(v.data).decode()} | v.verdict
        )
        for v in vectors
    )
    return "[\n" + re.sub(rf'"{_MARK}([^"]*)"', r"\1", ",\n".join(lines)) + "\n]\n"


_MARK = "exactly:"


def _exact(number: float) -> str:
    """A marked decimal; json alone would write the shortest one that reads as the same double."""
    text = str(Decimal(number))
    return _MARK + (text if "." in text else f"{text}.0" if "E" not in text else text)


def _content(diff: Diff) -> dict[str, Any]:
    levels = [] if diff.levels is None else diff.levels.tolist()
    content = {
        "base": asdict(diff.base),
        "task": diff.task.to_dict(),
        "provenance": diff.provenance,
        "levels": [_exact(level) for level in levels],
        "tensors": [
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "indices": tensor.indices.tolist(),
                "values": [_exact(value) for value in tensor.values.tolist()],
            }
            for tensor in diff.tensors
        ],
        "products": [
            {
                "name": product.name,
                "shape": list(product.shape),
                "left": [[int(code) for code in row] for row in product.left.tolist()],
                "right": [[_exact(number) for number in row] for row in product.right.tolist()],
            }
            for product in diff.products
        ],
        "head": {
            "weight": [[_exact(number) for number in row] for row in diff.head.weight.tolist()],
            "bias": [_exact(number) for number in diff.head.bias.tolist()],
        },
    }
    return content if diff.products else {key: content[key] for key in content if key != "products"}
