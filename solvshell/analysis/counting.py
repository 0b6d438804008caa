"""Frames are counted some at a time, by a thread beside the one that reads the next."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from solvshell.analysis import pairs

FRAMES_AT_ONCE = 64


class _Batch:
    """Room for the coordinates and cells of some frames."""

    def __init__(self, n_centers: int, n_points: int) -> None:
        self.coordinates = np.empty((FRAMES_AT_ONCE, 3, n_centers + 2 * n_points), np.float32)
        self.present = np.ones((FRAMES_AT_ONCE, n_points), bool)
        self.cells = pairs.Cell(
            np.empty((FRAMES_AT_ONCE, 3, 3)),
            np.empty((FRAMES_AT_ONCE, 3)),
            np.empty(FRAMES_AT_ONCE, bool),
            np.empty((FRAMES_AT_ONCE, 3)),
        )
        self.blocks = np.empty(FRAMES_AT_ONCE, np.int64)
        self.n = 0


class PairCounter:
    """Adds the pairs of frames to `counts` and gathers their contacts in chunks, while the caller reads on.

    Use it as a context: when it is left, all frames are counted.

    Attributes
    ----------
    chunks : list of tuple of numpy.ndarray
        The columns of the contacts of some frames each; see `pairs.COLUMNS`.
    n_per_frame : list of numpy.ndarray
        The contacts of each frame, in the same chunks.
    """

    def __init__(
        self, centers: pairs.Centers, points: pairs.Points, edges: np.ndarray, reach: np.ndarray, counts: np.ndarray
    ) -> None:
        self._centers, self._points, self._edges, self._reach, self._counts = centers, points, edges, reach, counts
        size = len(centers.species), len(points.site)
        self._batch, self._other = _Batch(*size), _Batch(*size)
        self._rows = tuple(np.empty(4096, dtype) for dtype in pairs.COLUMNS)
        self._pool = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None
        self.chunks: list[tuple[np.ndarray, ...]] = []
        self.n_per_frame: list[np.ndarray] = []

    def __enter__(self) -> "PairCounter":
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        try:
            if failed is None:
                self._hand_over()
                self._wait()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def room(self) -> np.ndarray:
        """Return where to write the coordinates of the next frame; see `pairs.count_frames`."""
        return self._batch.coordinates[self._batch.n]

    def add(self, cell: pairs.Cell, block: int, present: np.ndarray | None = None) -> None:
        """Take over the frame whose coordinates have been written.

        `present` says which points are there, shape (n_points,): given for every frame, or for none where all are.
        """
        batch = self._batch
        if present is not None:
            batch.present[batch.n] = present
        arrays: tuple[Any, ...] = batch.cells
        for array, value in zip(arrays, cell, strict=True):
            array[batch.n] = value
        batch.blocks[batch.n] = block
        batch.n += 1
        if batch.n == FRAMES_AT_ONCE:
            self._hand_over()

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _hand_over(self) -> None:
        self._wait()
        self._batch, self._other = self._other, self._batch
        self._batch.n = 0
        self._pending = self._pool.submit(self._count, self._other)
        time.sleep(0)  # lets the thread begin; else it waits for Python's lock until the reader has run for 5 ms

    def _count(self, batch: _Batch) -> None:
        n_per_frame = np.zeros(batch.n, np.int64)
        self._rows = pairs.count_frames(
            batch.coordinates, batch.present, self._centers, self._points, batch.cells, self._edges, self._reach,
            batch.blocks[: batch.n], self._counts, self._rows, n_per_frame,
        )  # fmt: skip
        n_rows = n_per_frame.sum()
        self.chunks.append(tuple(column[:n_rows].copy() for column in self._rows))
        self.n_per_frame.append(n_per_frame)
