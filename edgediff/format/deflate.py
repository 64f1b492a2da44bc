"""Raw deflate streams (RFC 1951), inflated within a bound."""

import zlib

from edgediff.errors import FormatError

MAX_DEFLATE_RATIO = 1032
"""A deflate stream makes at most this many bytes of each of its own (zlib's technical notes)."""


def deflate(data: bytes, huffman_only: bool = False) -> bytes:
    """`data` as one raw deflate stream (RFC 1951)."""
    strategy = zlib.Z_HUFFMAN_ONLY if huffman_only else zlib.Z_DEFAULT_STRATEGY
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, strategy)
    return deflater.compress(data) + deflater.flush()


def inflate(data: bytes, limit: int, section: str) -> bytes:
    """The content of one raw deflate stream, at most `limit` bytes of it.

    Raises:
        FormatError: not such a stream, one that ends early, holds more, or has bytes after its end.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise FormatError(f"section {section} is not a deflate stream: {error}") from error
    if len(content) > limit:
        raise FormatError(f"section {section} inflates to more than the {limit} bytes it may hold")
    if not inflater.eof or inflater.unused_data:
        raise FormatError(f"section {section} is not exactly one whole deflate stream")
    return content
