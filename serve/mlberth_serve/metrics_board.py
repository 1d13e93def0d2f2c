"""The memory that holds every worker's page: no file, so that nothing waits for a disk or is left behind.

The supervisor makes it and hands it down. A worker takes the first page that no living one has, by a lock
that ends with it: its successor goes on with the same page, and there are never more pages than there
were workers at one time. Two generations of workers at once do not disturb each other.
"""

from __future__ import annotations

import fcntl
import itertools
import mmap
import os
from dataclasses import dataclass

from mlberth_serve.metric_page import PAGE_BYTES, Page


@dataclass(frozen=True)
class MetricsBoard:
    """Pages in anonymous memory behind a file descriptor."""

    descriptor: int

    @classmethod
    def create(cls) -> MetricsBoard:
        """Make a board without pages."""
        return cls(os.memfd_create("mlberth-metrics"))

    def take_page(self) -> mmap.mmap:
        """Return a page that is this process's as long as it lives."""
        for number in itertools.count():
            start = number * PAGE_BYTES
            try:
                fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, PAGE_BYTES, start)
            except (BlockingIOError, PermissionError):
                continue
            os.posix_fallocate(self.descriptor, start, PAGE_BYTES)
            return mmap.mmap(self.descriptor, PAGE_BYTES, offset=start)
        raise AssertionError

    def read(self) -> list[Page]:
        """Return every page as it is now."""
        size = os.fstat(self.descriptor).st_size
        content = os.pread(self.descriptor, size, 0)
        starts = range(0, len(content) - PAGE_BYTES + 1, PAGE_BYTES)
        return [Page(content[start : start + PAGE_BYTES]) for start in starts]
