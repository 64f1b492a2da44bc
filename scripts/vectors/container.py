"""Container: magic, version, flags, sections and checksums."""

import hashlib
import struct
import zlib

from edgediff.errors import ChecksumError, TruncatedError, VersionError
from vectors.parts import MAGIC, NAMES, container, file, head, indx, meta, sealed, section, vals
from vectors.vector import Vector, invalid

CLAUSE = "Container"
WHOLE = file()
CONTENTS = {"META": meta(), "INDX": indx(), "VALS": vals(), "HEAD": head()}
META, INDX, VALS, HEAD = (section(name, content) for name, content in CONTENTS.items())


def vectors() -> list[Vector]:
    """All vectors of this topic."""
    return [*_headers(), *_sections(), *_lengths(), *_checksums()]


def _headers() -> list[Vector]:
    sections = (META, INDX, VALS, HEAD)
    cut = [
        ("container-empty", "a file without a byte", b""),
        ("container-magic-cut", "the first three bytes of the magic and no more", MAGIC[:3]),
        ("container-magic-only", "the magic and no more", MAGIC),
        ("container-header-cut", "the flags end after one byte", WHOLE[:11]),
        ("container-header-only", "no section: a header and its SHA-256", container()),
    ]
    magics = [
        ("container-magic-png", "the magic of PNG", b"\x89PNG\r\n\x1a\n"),
        ("container-magic-seven-bits", "a transfer cleared the highest bit", b"\x09DPF\r\n\x1a\n"),
        ("container-magic-line-end", "a transfer made a line end of two bytes one", b"\x89DPF\n\x1a\n"),
        ("container-magic-last-byte", "the last byte of the magic is another", b"\x89DPF\r\n\x1a\r"),
    ]
    versions = [
        ("container-version-0", "version 0", 0),
        ("container-version-3", "version 3", 3),
        ("container-version-big-endian", "version 1 with its higher byte first", 0x100),
    ]
    return [
        *(invalid(name, text, data, CLAUSE, TruncatedError) for name, text, data in cut),
        *(invalid(name, text, container(*sections, magic=m), CLAUSE) for name, text, m in magics),
        invalid("container-other-file", "a text that is shorter than the magic", b"text\n", CLAUSE),
        *(
            invalid(name, text, container(*sections, version=version), CLAUSE, VersionError)
            for name, text, version in versions
        ),
        *(
            invalid(
                f"container-flag-{bit}",
                f"bit {bit} of the flags is set",
                container(*sections, flags=1 << bit),
                CLAUSE,
                VersionError,
            )
            for bit in range(16)
        ),
    ]


def _sections() -> list[Vector]:
    wrong = [
        ("order-first", "INDX before META", (INDX, META, VALS, HEAD)),
        ("order-middle", "VALS before INDX", (META, VALS, INDX, HEAD)),
        ("order-last", "HEAD before VALS", (META, INDX, HEAD, VALS)),
        ("no-meta", "META is missing", (INDX, VALS, HEAD)),
        ("no-indx", "INDX is missing", (META, VALS, HEAD)),
        ("no-vals", "VALS is missing", (META, INDX, HEAD)),
        ("twice", "META twice", (META, META, INDX, VALS, HEAD)),
        ("unknown", "TIER stands where INDX should", (META, section("TIER", indx()), VALS, HEAD)),
        (
            "unknown-before",
            "an unknown section before the others",
            (section("NOTE", b""), META, INDX, VALS, HEAD),
        ),
        ("lower-case", "an identifier in lower case", (section("meta", meta()), INDX, VALS, HEAD)),
    ]
    ending = [
        ("no-head", "HEAD is missing", (META, INDX, VALS)),
        ("header-cut", "HEAD's own header is cut", (META, INDX, VALS, HEAD[:5])),
        ("last-twice", "HEAD twice", (META, INDX, VALS, HEAD, HEAD)),
        ("one-more", "an unknown section after the last", (META, INDX, VALS, HEAD, section("NOTE", b""))),
        ("byte-after", "a byte between HEAD and the checksum", (META, INDX, VALS, HEAD, b"\0")),
        (
            "bytes-after",
            "as many bytes as a section's header after HEAD",
            (META, INDX, VALS, HEAD, bytes(12)),
        ),
        ("content-cut", "HEAD's content is cut by its last byte", (META, INDX, VALS, HEAD[:-1])),
    ]
    errors = [(VersionError, wrong), (TruncatedError, ending)]
    return [
        invalid(f"container-section-{name}", text, container(*sections), CLAUSE, error)
        for error, table in errors
        for name, text, sections in table
    ]


def _lengths() -> list[Vector]:
    size = len(meta())
    stated = [
        ("largest", "META states 2^32 - 1 bytes", 0xFFFFFFFF),
        ("sign", "META states 2^31 bytes: below zero where lengths are signed", 0x80000000),
        ("wraps", "META states a length that leads back to its own header in 32 bits", 2**32 - 12),
        (
            "big-endian",
            "META's length with its highest byte first",
            struct.unpack(">I", struct.pack("<I", size))[0],
        ),
        ("checksum", "META reaches into the checksum", len(WHOLE) - 24 - 31),
    ]
    return [
        invalid(
            f"container-length-{name}",
            text,
            container(section("META", meta(), length), INDX, VALS, HEAD),
            CLAUSE,
            TruncatedError,
        )
        for name, text, length in stated
    ]


def _checksums() -> list[Vector]:
    body = WHOLE[:-32]
    digests = [
        ("bit", "the last bit of the SHA-256 is another", WHOLE[:-1] + bytes([WHOLE[-1] ^ 1])),
        ("zeros", "zeros in place of the SHA-256", body + bytes(32)),
        (
            "sections",
            "the SHA-256 is of the sections without the header",
            body + hashlib.sha256(body[12:]).digest(),
        ),
        ("all-but-one", "the SHA-256 is of all bytes before it but the last", body + sealed(body[:-1])[-32:]),
    ]
    found = []
    for name in NAMES:
        content = CONTENTS[name]
        damaged = section(name, content, crc=zlib.crc32(content) ^ 1)
        sections = [damaged if n == name else section(n, c) for n, c in CONTENTS.items()]
        text = f"{name}'s CRC-32 differs in one bit, the SHA-256 is right"
        found.append(
            invalid(f"container-crc-{name.lower()}", text, container(*sections), CLAUSE, ChecksumError)
        )
    like_png = section("META", meta(), crc=zlib.crc32(b"META" + meta()))
    text = "META's CRC-32 is of identifier and content, as PNG has it"
    found.append(
        invalid("container-crc-png", text, container(like_png, INDX, VALS, HEAD), CLAUSE, ChecksumError)
    )
    found += [
        invalid(f"container-sha-{name}", text, data, CLAUSE, ChecksumError) for name, text, data in digests
    ]
    return found
