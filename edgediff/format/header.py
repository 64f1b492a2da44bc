"""The front of a `.dpf` file: what it is and for which base, without decoding it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgediff.diff import Base, Task
from edgediff.errors import FormatError
from edgediff.format.container import find_sections, read_section
from edgediff.format.metadata import Metadata, decode_metadata


@dataclass(frozen=True)
class Header:
    """What is read of a file before it is decoded.

    Attributes:
        metadata: section META.
        lengths: of each section's content, in bytes.
        file_bytes: of the whole file.
    """

    metadata: Metadata
    lengths: dict[str, int]
    file_bytes: int

    @property
    def base(self) -> Base:
        """The base that the diff was made for."""
        return self.metadata.base

    @property
    def task(self) -> Task:
        """The task's definition."""
        return self.metadata.task

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter that changes, by name."""
        tensors = {entry.name: entry.shape for entry in self.metadata.tensors}
        return tensors | {product.name: product.shape for product in self.metadata.products}


def read_header(path: str | Path) -> Header:
    """The header of the file `path`, from its sections' headers and META alone.

    It finds a file that was cut; `read_dpf` checks every byte.

    Raises:
        FormatError: the file is missing or breaks a rule of the format; the text names the file.
    """
    path = Path(path)
    with reading(path):
        size = path.stat().st_size
        with path.open("rb") as file:
            sections = {section.name: section for section in find_sections(file, size)}
            metadata = decode_metadata(read_section(file, sections["META"]), products="PROD" in sections)
    return Header(metadata, {name: section.length for name, section in sections.items()}, size)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name the file in the errors of the block.

    Raises:
        FormatError: it cannot be read, or it breaks a rule of the format.
    """
    try:
        yield
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from error
    except FormatError as error:
        raise type(error)(f"{path}: {error}") from error
