"""Messages over a pipe: eight bytes of length, then as many bytes."""

from __future__ import annotations

import struct
from typing import IO

_LENGTH = struct.Struct("!Q")


def send(pipe: IO[bytes], message: bytes) -> None:
    """Raises OSError where the other end is gone."""
    pipe.write(_LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes:
    """Raises EOFError where the other end is gone, in the midst of a message too."""
    return _exactly(pipe, *_LENGTH.unpack(_exactly(pipe, _LENGTH.size)))


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError("the other end of the pipe is closed")
    return data
