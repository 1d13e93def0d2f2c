"""The threads that send messages from the queue to their subscribers."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mlberth_local.topics import subscribers
from mlberth_local.topics.queue import Delivery, Queue
from mlberth_local.topics.subscribers import SubscriberError

_THREADS = 8
_OF_ONE_SUBSCRIBER = 2
"""How many requests one subscriber gets at once, so that one that hangs leaves threads for the others."""
_LONGEST_PAUSE = 5.0
log = logging.getLogger(__name__)


class Sender:
    """Sends from `start` to `stop`; what is left then goes out after the next start."""

    def __init__(
        self,
        queue: Queue,
        *,
        clock: Callable[[], float],
        is_wanted: Callable[[Delivery], bool],
        give_up: Callable[[Delivery, str], None],
        send: Callable[..., None] = subscribers.send,
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._is_wanted = is_wanted
        self._give_up = give_up
        self._send = send
        self._changed = threading.Event()
        self._stopping = False
        self._lock = threading.Lock()
        self._sending: dict[str, str] = {}
        """The subscription of each delivery that is being sent."""
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="sns")
        self._thread = threading.Thread(target=self._run, name="sns", daemon=True)

    def start(self) -> None:
        """Begin with what an earlier daemon has left."""
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """End; requests that are on their way have until their own time-out."""
        self._stopping = True
        self._changed.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def wake(self) -> None:
        """Look at the queue now."""
        self._changed.set()

    def _run(self) -> None:
        while not self._stopping:
            self._changed.clear()
            try:
                self._send_due()
            except Exception:
                log.exception("messages cannot be sent now")
            due = self._queue.next_due()
            pause = _LONGEST_PAUSE if due is None else due - self._clock()
            # What is due, and is being sent or has to wait for its subscriber, wakes us when it is done.
            self._changed.wait(pause if 0 < pause < _LONGEST_PAUSE else _LONGEST_PAUSE)

    def _send_due(self) -> None:
        for name, delivery in self._queue.due(self._clock()):
            with self._lock:
                busy = Counter(self._sending.values())
                if self._stopping or len(self._sending) >= _THREADS:
                    return
                if name in self._sending or busy[delivery.subscription] >= _OF_ONE_SUBSCRIBER:
                    continue
                self._sending[name] = delivery.subscription
            self._pool.submit(self._send_one, name, delivery)

    def _send_one(self, name: str, delivery: Delivery) -> None:
        try:
            if not self._is_wanted(delivery):
                self._queue.remove(name)
                return
            self._send(delivery.url, delivery.headers, delivery.body.encode())
            self._queue.remove(name)
        except SubscriberError as error:
            self._failed(name, delivery, error)
        except Exception:
            log.exception("a message to %s cannot be sent", delivery.url)
            self._queue.failed(name, self._clock())
        finally:
            with self._lock:
                self._sending.pop(name, None)
            self._changed.set()

    def _failed(self, name: str, delivery: Delivery, error: SubscriberError) -> None:
        if error.is_final:
            self._queue.remove(name)
        elif self._queue.failed(name, self._clock()):
            log.info("%s did not take a message, which is sent again: %s", delivery.url, error)
            return
        log.warning("%s did not take a message, which is given up: %s", delivery.url, error)
        self._give_up(delivery, str(error))
