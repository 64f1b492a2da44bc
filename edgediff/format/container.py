"""The container of a `.dpf` file: magic, version, sections and checksums. See docs/format.md, "Container"."""

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from edgediff.errors import ChecksumError, FormatError, LimitError, TruncatedError, VersionError

MAGIC = b"\x89DPF\r\n\x1a\n"
VERSION = 1
MAX_FILE_BYTES = 1 << 26
_HEADER = struct.Struct("<8sHH")  # magic, version, flags
_SECTION = struct.Struct("<4sII")  # identifier, length in bytes, CRC-32 of the content
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Section:
    """Where a section's content lies in the file."""

    name: str
    start: int
    length: int


def join_sections(sections: Mapping[str, bytes]) -> bytes:
    """The whole file: header, sections in the order given, SHA-256 of all that precedes it.

    Raises:
        LimitError: the file would be larger than a reader accepts.
    """
    parts = [_HEADER.pack(MAGIC, VERSION, 0)]
    for name, content in sections.items():
        parts += [_SECTION.pack(name.encode("ascii"), len(content), zlib.crc32(content)), content]
    body = b"".join(parts)
    if len(body) + _DIGEST_BYTES > MAX_FILE_BYTES:
        raise LimitError(f"the file would have {len(body)} bytes, the format allows {MAX_FILE_BYTES}")
    return body + hashlib.sha256(body).digest()


def split_sections(data: bytes, expected: tuple[str, ...]) -> dict[str, bytes]:
    """The content of each section of a whole file, which must be `expected` in that order.

    Raises:
        FormatError: of the kind that says what is wrong.
    """
    check_header(data)
    if len(data) > MAX_FILE_BYTES:
        raise LimitError(f"the file has {len(data)} bytes, the format allows {MAX_FILE_BYTES}")
    body_end = len(data) - _DIGEST_BYTES
    sections: dict[str, bytes] = {}
    position = _HEADER.size
    for name in expected:
        section = read_section_header(data, position, name)
        position = section.start + section.length
        if position > body_end:
            left = max(body_end - section.start, 0)
            raise TruncatedError(f"section {name} claims {section.length} bytes, {left} are left")
        sections[name] = section_content(data, section)
    if position != body_end:
        raise TruncatedError(f"{body_end - position} bytes stand between the last section and the checksum")
    if hashlib.sha256(data[:body_end]).digest() != data[body_end:]:
        raise ChecksumError("the SHA-256 at the end of the file is not that of its bytes")
    return sections


def check_header(data: bytes) -> None:
    """Check magic, version and flags.

    Raises:
        FormatError: of the kind that says what is wrong.
    """
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        if data and MAGIC.startswith(data[: len(MAGIC)]):
            raise TruncatedError(f"the file has {len(data)} bytes, a header alone has {_HEADER.size}")
        raise FormatError(f"not a .dpf file: it begins with {data[:8].hex(' ') or 'nothing'}")
    _, version, flags = _HEADER.unpack_from(data)
    if version != VERSION:
        raise VersionError(f"the file is of version {version}, this reader knows version {VERSION}")
    if flags:
        raise VersionError(f"flags is {flags:#06x}; version {VERSION} knows no flag")


def read_section_header(data: bytes, position: int, expected: str) -> Section:
    """The section header at `position`, which must name the section `expected`."""
    if position + _SECTION.size > len(data):
        raise TruncatedError(f"the file ends before section {expected}")
    name, length, _ = _SECTION.unpack_from(data, position)
    if name != expected.encode("ascii"):
        raise VersionError(f"section {name!r} stands where version {VERSION} has {expected}")
    return Section(expected, position + _SECTION.size, length)


def section_content(data: bytes, section: Section) -> bytes:
    """The bytes of a section, checked against its CRC-32."""
    content = data[section.start : section.start + section.length]
    _, _, checksum = _SECTION.unpack_from(data, section.start - _SECTION.size)
    if zlib.crc32(content) != checksum:
        raise ChecksumError(f"section {section.name} does not have the CRC-32 that its header states")
    return content
