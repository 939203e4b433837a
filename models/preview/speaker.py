"""The espeak-ng helper, a script of its own: initialise, never speak, and fork for every utterance.

espeak-ng carries state from one utterance into the next, so the same text would sound differently from call
to call; a fresh fork of a process that has not spoken yet always starts alike. The process has one thread and
imports only the standard library, so forking it is safe and takes a millisecond.

A frame is a 4-byte big-endian length and that many bytes. In: JSON {"runs": [[voice, words a minute, text],
...], "pitch", "range", "seed", "timeout_s"}. Out, for each: frames of b"A" and 16-bit samples as they come,
then b"T" if it ran out of time, or b"E" and the exit status of the fork, 0 when all was said. The first frame
out is b"R" and the sample rate.
"""

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

UTF8 = 1  # espeakCHARS_UTF8; neither espeakSSML nor espeakPHONEMES, so that no text is markup
SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: samples go to the callback, no thread is started
DONT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT
RATE, PITCH, RANGE = 1, 3, 4  # espeak_PARAMETER
CHUNK_MS = 700  # about what a pipe holds
NO_VOICE = 3  # a fork's exit status
BUFFER = bytearray(1 << 16)

SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def main(library: str, data: str) -> None:
    """Serve until stdin ends, which is when the parent is gone."""
    requests, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)  # nothing espeak-ng prints may get between the frames
    os.close(nowhere)
    espeak = load(library)
    sample_rate = espeak.espeak_Initialize(SYNCHRONOUS, CHUNK_MS, os.fsencode(data), DONT_EXIT)
    if sample_rate <= 0:
        sys.exit("espeak-ng does not start")
    write_frame(answers, b"R" + str(sample_rate).encode())
    while (request := read_frame(requests)) is not None:
        write_frame(answers, in_fork(espeak, json.loads(request), requests, answers))


def load(library: str) -> ctypes.CDLL:
    """espeak-ng 1.52's speak_lib.h and espeak_ng.h, as far as we call them."""
    espeak = ctypes.CDLL(library)
    unsigned = ctypes.c_uint
    espeak.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    espeak.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    espeak.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    espeak.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        *[unsigned] * 4,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    return espeak


def in_fork(espeak: ctypes.CDLL, request: Mapping[str, Any], requests: int, answers: int) -> bytes:
    """The last frame of the answer. Whatever happens to the fork, it is gone when this returns."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        for inherited in (reader, requests, answers):
            os.close(inherited)
        speak_and_exit(espeak, request, writer)
    os.close(writer)
    in_time = forward(reader, answers, request["timeout_s"])
    os.close(reader)
    if not in_time:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return b"E" + str(status).encode() if in_time else b"T"


def speak_and_exit(espeak: ctypes.CDLL, request: Mapping[str, Any], writer: int) -> None:
    """Write the samples as they come. Dies of SIGPIPE when the helper is gone, of SIGXCPU if it spins."""
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        limit = int(request["timeout_s"]) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        callback = SynthCallback(lambda samples, count, _: write_samples(writer, samples, count))
        espeak.espeak_SetSynthCallback(callback)
        for voice, rate, text in request["runs"]:
            if espeak.espeak_SetVoiceByName(voice.encode()):
                os._exit(NO_VOICE)
            # Breath is noise, seeded with the time of day when the library starts.
            espeak.espeak_ng_SetRandSeed(request["seed"])
            for parameter, value in ((RATE, rate), (PITCH, request["pitch"]), (RANGE, request["range"])):
                espeak.espeak_SetParameter(parameter, value, 0)
            content = text.encode()
            espeak.espeak_Synth(content, len(content) + 1, 0, 0, 0, UTF8, None, None)
        os._exit(0)
    finally:
        os._exit(1)


def write_samples(writer: int, samples: int | None, count: int) -> int:
    if samples and count > 0:
        write_all(writer, ctypes.string_at(samples, 2 * count))
    return 0


def forward(reader: int, writer: int, timeout_s: float) -> bool:
    """Send on what comes until the other end closes; whether that happened within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    waiting = select.poll()
    waiting.register(reader, select.POLLIN)
    # One buffer, used again: clips of all sizes left the heap in shreds, and the helper lives for weeks.
    while waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
        count = os.readv(reader, [BUFFER])
        if not count:
            return True
        write_all(writer, (count + 1).to_bytes(4, "big") + b"A")
        write_all(writer, memoryview(BUFFER)[:count])
    return False


def read_frame(reader: int) -> bytes | None:
    """None at the end of the stream."""
    length = read_exactly(reader, 4)
    return read_exactly(reader, int.from_bytes(length, "big")) if length is not None else None


def read_exactly(reader: int, count: int) -> bytes | None:
    content = bytearray()
    while len(content) < count:
        part = os.read(reader, count - len(content))
        if not part:
            return None
        content += part
    return bytes(content)


def write_frame(writer: int, content: bytes) -> None:
    write_all(writer, len(content).to_bytes(4, "big") + content)


def write_all(writer: int, content: bytes | memoryview) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(writer, left) :]


if __name__ == "__main__":
    main(*sys.argv[1:])
