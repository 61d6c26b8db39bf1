"""Many worlds at once, in processes of their own: one world owns its process for as long as it lasts."""

import os
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context


def spread[T, R](work: Callable[[T], R], over: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """The results of `work`, as they come. Both must be importable and picklable; with one worker nothing is spread."""
    count = workers or os.cpu_count() or 1
    if count == 1:
        yield from map(work, over)
        return
    with get_context("spawn").Pool(count) as pool:
        yield from pool.imap_unordered(work, over, chunksize=4)
