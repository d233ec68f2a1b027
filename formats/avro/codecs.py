"""The compressions of Avro's blocks (Avro 1.12, "Required Codecs" and "Optional Codecs"): one pair of functions each."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from instar.formats.errors import UnreadableError, suggestion


class Garbled(ValueError):
    """The compressed bytes of a block are damaged; its text says how."""


@dataclass(frozen=True)
class Codec:
    """`decompress` raises Garbled. Both are functions of their input alone."""

    name: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes], bytes]


def codec_named(name: str) -> Codec:
    """Raises UnreadableError for a codec that Avro does not name."""
    if name not in CODECS:
        raise UnreadableError(
            f"its codec is {name!r}, which Instar cannot read",
            hint=f"{suggestion(name, list(CODECS))} Write the file again with one of {', '.join(CODECS)}.",
        )
    return CODECS[name]


def _deflate(data: bytes) -> bytes:
    """By libdeflate: zlib's size at zlib's usual level, in a third of its time, and the same bytes on every machine."""
    import deflate

    return bytes(deflate.deflate_compress(data, 6))


def _inflate(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=-15)
    try:
        out = unpacker.decompress(data) + unpacker.flush()
    except zlib.error as e:
        raise Garbled(str(e)) from None
    if not unpacker.eof:
        raise Garbled("the deflate stream ends too early")
    return out  # what may follow is the checksum that some writers leave there


def _snap(data: bytes) -> bytes:
    import cramjam

    return bytes(cramjam.snappy.compress_raw(data)) + zlib.crc32(data).to_bytes(4, "big")


_SNAPPY_RATIO = 32  # Snappy's best copy makes 64 bytes of 3


def _unsnap(data: bytes) -> bytes:
    import cramjam

    body, checksum = data[:-4], data[-4:]
    try:
        claimed = cramjam.snappy.decompress_raw_len(body)
        if claimed > _SNAPPY_RATIO * len(body) + 64:
            raise Garbled(f"{len(body)} bytes of snappy cannot hold {claimed}")
        out = bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as e:
        raise Garbled(str(e)) from None
    if zlib.crc32(out).to_bytes(4, "big") != checksum:
        raise Garbled("its CRC-32 is not the one written behind it")
    return out


def _zstandard(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(data)


def _unzstandard(data: bytes) -> bytes:
    import zstandard

    out, rest = [], data
    try:
        while rest:
            unpacker = zstandard.ZstdDecompressor().decompressobj()
            out.append(unpacker.decompress(rest))
            if not unpacker.eof:
                raise Garbled("the zstandard frame ends too early")
            rest = unpacker.unused_data
    except zstandard.ZstdError as e:
        raise Garbled(str(e)) from None
    return b"".join(out)


def _unbzip2(data: bytes) -> bytes:
    try:
        return bz2.decompress(data)
    except (OSError, ValueError, EOFError) as e:
        raise Garbled(str(e)) from None


def _unxz(data: bytes) -> bytes:
    try:
        return lzma.decompress(data, memlimit=1 << 30)
    except (lzma.LZMAError, EOFError) as e:
        raise Garbled(str(e)) from None


CODECS = {
    codec.name: codec
    for codec in (
        Codec("null", bytes, bytes),
        Codec("deflate", _deflate, _inflate),
        Codec("snappy", _snap, _unsnap),
        Codec("zstandard", _zstandard, _unzstandard),
        Codec("bzip2", bz2.compress, _unbzip2),
        Codec("xz", lzma.compress, _unxz),
    )
}
