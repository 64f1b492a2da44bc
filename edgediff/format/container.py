"""The container of a `.dpf` file: magic, version, sections and checksums. See docs/format.md, "Container"."""

import hashlib
import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from edgediff.errors import ChecksumError, FormatError, LimitError, TruncatedError, VersionError

MAGIC = b"\x89DPF\r\n\x1a\n"
VERSIONS = {
    1: ("META", "INDX", "VALS", "HEAD"),
    2: ("META", "INDX", "VALS", "PROD", "HEAD"),
}
"""The sections of each version, in their order."""
MAX_FILE_BYTES = 1 << 26
_HEADER = struct.Struct("<8sHH")  # magic, version, flags
_SECTION = struct.Struct("<4sII")  # identifier, length in bytes, CRC-32 of the content
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Section:
    """Where a section's content lies in the file.

    Attributes:
        name: its identifier.
        start: the position of its first byte.
        length: in bytes.
        checksum: the CRC-32 that its header states.
    """

    name: str
    start: int
    length: int
    checksum: int


def join_sections(sections: Mapping[str, bytes]) -> bytes:
    """The whole file: header, the sections of one of the `VERSIONS`, SHA-256 of all that precedes it.

    Raises:
        LimitError: the file would be larger than a reader accepts.
    """
    (version,) = (number for number, names in VERSIONS.items() if names == tuple(sections))
    parts = [_HEADER.pack(MAGIC, version, 0)]
    for name, content in sections.items():
        parts += [_SECTION.pack(name.encode("ascii"), len(content), zlib.crc32(content)), content]
    body = b"".join(parts)
    if len(body) + _DIGEST_BYTES > MAX_FILE_BYTES:
        raise LimitError(f"the file would have {len(body)} bytes, the format allows {MAX_FILE_BYTES}")
    return body + hashlib.sha256(body).digest()


def split_sections(data: bytes) -> dict[str, bytes]:
    """The content of each section of a whole file, in its version's order.

    Raises:
        FormatError: of the kind that says what is wrong.
    """
    file = io.BytesIO(data)
    sections = find_sections(file, len(data))
    contents = {section.name: read_section(file, section) for section in sections}
    if hashlib.sha256(data[:-_DIGEST_BYTES]).digest() != data[-_DIGEST_BYTES:]:
        raise ChecksumError("the SHA-256 at the end of the file is not that of its bytes")
    return contents


def find_sections(file: BinaryIO, size: int) -> list[Section]:
    """Where the sections of a file of `size` bytes lie; reads no content and checks no checksum.

    Raises:
        FormatError: of the kind that says what is wrong.
    """
    if size > MAX_FILE_BYTES:
        raise LimitError(f"the file has {size} bytes, the format allows {MAX_FILE_BYTES}")
    version = _read_version(file.read(_HEADER.size), size)
    end = size - _DIGEST_BYTES
    sections: list[Section] = []
    position = _HEADER.size
    for name in VERSIONS[version]:
        if position + _SECTION.size > end:
            raise TruncatedError(f"the file has {size} bytes, it ends before section {name}")
        file.seek(position)
        header = file.read(_SECTION.size)
        if len(header) < _SECTION.size:  # the file has shrunk meanwhile
            raise TruncatedError(f"the file ends before section {name}")
        found, length, checksum = _SECTION.unpack(header)
        if found != name.encode("ascii"):
            raise VersionError(f"section {found!r} stands where version {version} has {name}")
        section = Section(name, position + _SECTION.size, length, checksum)
        position = section.start + length
        if position > end:
            raise TruncatedError(f"section {name} claims {length} bytes, {end - section.start} are left")
        sections.append(section)
    if position != end:
        raise TruncatedError(f"{end - position} bytes stand between the last section and the checksum")
    return sections


def read_section(file: BinaryIO, section: Section) -> bytes:
    """The content of a section.

    Raises:
        ChecksumError: it does not have the CRC-32 that its header states.
    """
    file.seek(section.start)
    content = file.read(section.length)
    if zlib.crc32(content) != section.checksum:
        raise ChecksumError(f"section {section.name} does not have the CRC-32 that its header states")
    return content


def _read_version(header: bytes, size: int) -> int:
    if not header.startswith(MAGIC):
        if MAGIC.startswith(header):
            raise TruncatedError(f"the file has {size} bytes, a header alone has {_HEADER.size}")
        raise FormatError(f"not a .dpf file: it begins with {header[:8].hex(' ')}")
    if len(header) < _HEADER.size:
        raise TruncatedError(f"the file has {size} bytes, a header alone has {_HEADER.size}")
    _, version, flags = _HEADER.unpack(header)
    if version not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise VersionError(f"the file is of version {version}, this reader knows versions {known}")
    if flags:
        raise VersionError(f"flags is {flags:#06x}; version {version} knows no flag")
    return int(version)
