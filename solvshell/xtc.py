"""What we know of the XTC format: how long a frame is, and so where a file was cut."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = 1995
HEADER = struct.Struct(">iiif")  # magic, atoms, step, time in ps
_BEFORE_DATA = 16 + 36 + 4  # header, cell, atoms again
_COMPRESSION = 4 + 12 + 12 + 4  # precision, smallest and largest integers, size index
_KNOWS_ITS_LENGTH = _BEFORE_DATA + _COMPRESSION + 4


def announced_length(head: bytes) -> int:
    """Return the length in bytes that the head of a frame announces, or 0 if the head is not whole.

    Raises
    ------
    ValueError
        If it is no XTC frame.
    """
    if len(head) < _BEFORE_DATA:
        return 0
    magic, n_atoms, _, _ = HEADER.unpack_from(head)
    if magic != MAGIC:
        raise ValueError(f"not an XTC frame: it starts with {magic} instead of {MAGIC}")
    if n_atoms <= 9:  # small systems are not compressed
        return _BEFORE_DATA + 12 * n_atoms
    if len(head) < _KNOWS_ITS_LENGTH:
        return 0
    (n_bytes,) = struct.unpack_from(">i", head, _KNOWS_ITS_LENGTH - 4)
    return _KNOWS_ITS_LENGTH + (n_bytes + 3) // 4 * 4


def frame_length(data: bytes) -> int:
    """Return the length in bytes of the frame that starts ``data``, or 0 if it is not whole."""
    length = announced_length(data)
    return length if len(data) >= length else 0


@dataclass(frozen=True)
class Head:
    """What the head of a whole frame says, and where in the file the frame ends."""

    step: int
    time_ps: float
    end: int


def frame_heads(path: Path) -> Iterator[Head]:
    """Yield the heads of the whole frames that a file begins with; nothing else of it is read."""
    size, at = path.stat().st_size, 0
    with open(path, "rb") as file:
        while at < size:
            file.seek(at)
            head = file.read(_KNOWS_ITS_LENGTH)
            try:
                length = announced_length(head)
            except ValueError:
                return
            at += length
            if length == 0 or at > size:
                return
            _, _, step, time_ps = HEADER.unpack_from(head)
            yield Head(step, time_ps, at)


def whole_frames(path: Path) -> tuple[int, int]:
    """Return how many whole frames a file begins with, and their length in bytes."""
    n_frames, end = 0, 0
    for head in frame_heads(path):
        n_frames, end = n_frames + 1, head.end
    return n_frames, end
