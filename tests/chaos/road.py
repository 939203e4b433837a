"""A road between two processes that a test can close, or on which HTTP answers get lost."""

import random
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

CHUNK = 65_536


class Road:
    """Carries TCP from `self.port` on 127.0.0.1 to `target`; one thread for each direction of a connection.

    `close`: connections are cut and none is taken. `block`: nothing arrives, and nobody is told. `loses`: the
    share of answers that are carried out but never arrive: `instead` is sent in their place, and the
    connection cut (the ambiguous commit).
    """

    def __init__(self, target: tuple[str, int], seed: int = 0) -> None:
        self.target = target
        self.loses = 0.0
        self.instead = b""
        self.lost = 0
        self._chance = random.Random(seed)
        self._closed = threading.Event()
        self._flows = threading.Event()
        self._flows.set()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._take, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._door.close()

    def close(self) -> None:
        self._closed.set()
        self._flows.set()
        with self._lock:
            for pair in self._pairs:
                cut(*pair)

    def block(self) -> None:
        self._flows.clear()

    def open(self) -> None:
        self._closed.clear()
        self._flows.set()

    def _take(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return  # the door was closed
            if self._closed.is_set():
                near.close()
                continue
            try:
                far = socket.create_connection(self.target, timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._pairs.add((near, far))
            threading.Thread(target=self._carry, args=(near, far, near, far, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, near, far, True), daemon=True).start()

    def _carry(
        self, source: socket.socket, sink: socket.socket, near: socket.socket, far: socket.socket, back: bool
    ) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                self._flows.wait()
                if back and chunk.startswith(b"HTTP/") and self._chance.random() < self.loses:
                    self.lost += 1
                    sink.sendall(self.instead)
                    break
                sink.sendall(chunk)
        with self._lock:
            self._pairs.discard((near, far))
        cut(near, far)


def cut(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
