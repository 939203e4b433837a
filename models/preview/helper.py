"""The parent's side of the helper process: start it, ask it, notice its death, end it."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.preview.espeak import Library

SCRIPT = Path(__file__).with_name("speaker.py")
START_S = 20.0
GRACE_S = 10.0
"""How much longer than its fork the helper itself may take before it is given up."""


class HelperLost(Exception):
    """The helper process died or does not answer."""


class Unspoken(Exception):
    """The fork that should have spoken did not; the helper is well. `kind` as in SpeechFailure."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class Helper:
    """A helper process that is started when it is needed. Not for two threads at once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> int:
        """The sample rate in Hz. Raises HelperLost."""
        # -I -S: neither the caller's environment nor installed packages reach it. It has a session of its own
        # because Ctrl-C is for the parent; the helper ends when its stdin does.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                str(SCRIPT),
                str(self._library.shared_object),
                str(self._library.data),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        sample_rate, _ = self._exchange(self._process, b"", START_S)
        return int(sample_rate[1:])

    def say(self, request: Mapping[str, Any]) -> bytes:
        """16-bit samples of `request` (see speaker.py). Raises Unspoken, HelperLost."""
        if self._process is None:
            self.start()
        assert self._process is not None
        content = json.dumps(request).encode()
        frame = len(content).to_bytes(4, "big") + content
        verdict, samples = self._exchange(self._process, frame, request["timeout_s"] + GRACE_S)
        if verdict == b"T":
            raise Unspoken("timeout", f"espeak-ng had not finished after {request['timeout_s']:.0f} s.")
        if verdict != b"E0":
            raise Unspoken("engine", f"espeak-ng ended with status {verdict[1:].decode()}.")
        return samples

    def close(self) -> None:
        """End the process, if there is one, and wait for it."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _exchange(
        self, process: subprocess.Popen[bytes], frame: bytes, timeout_s: float
    ) -> tuple[bytes, bytes]:
        """Send `frame`; the last frame of the answer, and the samples before it."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(frame)
            return read_answer(process.stdout.fileno(), time.monotonic() + timeout_s)
        except BaseException as e:  # an answer left in the pipe would be taken for the next text's
            self.close()
            if isinstance(e, OSError):
                raise HelperLost from e
            raise


def read_answer(descriptor: int, deadline: float) -> tuple[bytes, bytes]:
    """The last frame, and the samples before it. Raises HelperLost at the end of the stream or the time."""
    samples = bytearray()
    while True:
        frame = read_exactly(
            descriptor, int.from_bytes(read_exactly(descriptor, 4, deadline), "big"), deadline
        )
        if frame[:1] != b"A":
            return frame, bytes(samples)
        samples += frame[1:]


def read_exactly(descriptor: int, count: int, deadline: float) -> bytes:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    content = bytearray()
    while len(content) < count:
        if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise HelperLost
        part = os.read(descriptor, min(count - len(content), 1 << 20))
        if not part:
            raise HelperLost
        content += part
    return bytes(content)
