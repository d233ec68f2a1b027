"""Bytes in and out of plain, gzip and zstandard files, in blocks: memory does not grow with the file."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import IO, Any, Protocol

import zstandard

from instar.formats.errors import UnreadableError

BLOCK = 1 << 18
_PACKED_BLOCK = 1 << 16  # of compressed bytes, and how many are unpacked at once where text packs no better than 1:20
_LEAST_STEP, _FIRST_STEP = 1 << 4, 1 << 10  # of compressed bytes: lines that repeat pack 1:10,000
_MAGICS = ((b"\x1f\x8b", "gz"), (b"\x28\xb5\x2f\xfd", "zst"))
_GZIP_LEVEL = 6
_ZSTD_LEVEL = 3


class _Decoder(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


def compression_of(head: bytes) -> str:
    """ "gz", "zst" or "" by the first bytes (RFC 1952 section 2.3.1, RFC 8878 section 3.1.1)."""
    return next((name for magic, name in _MAGICS if head.startswith(magic)), "")


def _decoder(compression: str) -> _Decoder:
    if compression == "gz":
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    return zstandard.ZstdDecompressor().decompressobj()


def unpacked_head(head: bytes) -> bytes:
    """The text that a file beginning with `head` begins with; b"" where it cannot be unpacked."""
    compression = compression_of(head)
    if not compression:
        return head
    try:
        return _decoder(compression).decompress(head)
    except (zlib.error, zstandard.ZstdError):
        return b""


def blocks(path: FilePath, read: Callable[[int], None] = lambda size: None, name: str | None = None) -> Iterator[bytes]:
    """The file's text, unpacked, in blocks; `read` is told of each block's bytes in the file. `name`: the file's own by default.

    Raises:
        UnreadableError: the compressed stream is damaged or ends too early.
    """
    with open(path, "rb", buffering=0) as file:
        head = file.read(4)
        compression = compression_of(head)
        file.seek(0)
        if not compression:
            while block := file.read(BLOCK):
                read(len(block))
                yield block
            return
        yield from _unpacked(name or path.name, file, compression, read)


def _unpacked(name: str, file: IO[bytes], compression: str, read: Callable[[int], None]) -> Iterator[bytes]:
    """All members (gzip) or frames (zstandard), one after the other; so much at once as makes about one block."""
    decoder: _Decoder | None = None
    step = _FIRST_STEP
    try:
        while packed := file.read(_PACKED_BLOCK):
            read(len(packed))
            while packed:
                decoder = decoder or _decoder(compression)
                some, packed = packed[:step], packed[step:]
                text = decoder.decompress(some)
                if len(text) < BLOCK // 2:
                    step = min(2 * step, _PACKED_BLOCK)
                elif len(text) > 2 * BLOCK:
                    step = max(step // 2, _LEAST_STEP)
                if decoder.eof:
                    packed = decoder.unused_data + packed
                    decoder = None
                    packed = packed.lstrip(b"\0") if compression == "gz" else packed  # gzip files may be padded with zeros
                if text:
                    yield text
    except (zlib.error, zstandard.ZstdError) as error:
        raise UnreadableError(
            f"{name} is damaged: its {compression} stream cannot be unpacked ({error})", hint="Write it again from its source."
        ) from None
    if decoder is not None:
        raise UnreadableError(f"{name} is cut off: its {compression} stream has no end", hint="Copy or write it again.")


def unpacked_size(path: FilePath, size: int) -> int:
    """How many bytes the text has, from the file's own header or trailer where they say it, else an estimate."""
    with open(path, "rb", buffering=0) as file:
        head = file.read(18)
        compression = compression_of(head)
        if compression == "gz" and size >= 18:
            file.seek(-4, 2)
            return max(int.from_bytes(file.read(4), "little"), size)  # modulo 2**32, and of the last member only
    if compression == "zst":
        try:
            said = zstandard.frame_content_size(head)
        except zstandard.ZstdError:
            said = -1
        return said if said >= size else 8 * size
    return size


@contextmanager
def packed_into(path: FilePath, compression: str) -> Iterator[Callable[[bytes], Any]]:
    """A new file's `write`. The same text gives the same bytes: gzip headers carry neither time nor name."""
    with open(path, "wb") as file:
        if compression == "gz":
            with gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=file, mtime=0) as packed:
                yield packed.write
        elif compression == "zst":
            packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True)
            with packer.stream_writer(file, closefd=False) as stream:
                yield stream.write
        else:
            yield file.write
