"""The helper process: what it survives, and what it leaves behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

import models
from farm.engine import Speech, Utterance
from farm.voices import preset
from models.preview import helper as helper_module
from models.preview.espeak import installed
from models.preview.helper import Helper, HelperLost, Unspoken
from tests.resident import resident_kb

LONG = "今天天气很好，我们一起去公园散步吧。" * 110


@pytest.fixture
def helper() -> Iterator[Helper]:
    helper = Helper(installed())
    helper.start()
    yield helper
    helper.close()


def request(text: str, timeout_s: float = 20.0, voice: str = "cmn") -> dict[str, Any]:
    return {"runs": [(voice, 200, text)], "pitch": 50, "range": 50, "seed": 0, "timeout_s": timeout_s}


def children_of(pid: int) -> set[int]:
    """Of all its threads."""
    lists = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return {int(child) for children in lists for child in children}


def wait_for(what: Callable[[], Any], seconds: float = 10.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)
    return found


def test_a_killed_helper_is_replaced_and_says_the_same(helper: Helper) -> None:
    before, pid = helper.say(request("你好")), helper.pid
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(HelperLost):
        helper.say(request("你好"))
    assert helper.say(request("你好")) == before
    assert helper.pid != pid


def test_an_engine_whose_helper_is_killed_goes_on() -> None:
    others, here = children_of(os.getpid()), os.getpid()
    engine = models.load("preview")
    utterance = Utterance(LONG[:1000], "zh", engine.voice_print(preset("narrator").to_json()))
    (helper,) = children_of(here) - others
    killer = threading.Thread(
        target=lambda: wait_for(lambda: children_of(helper)) and os.kill(helper, signal.SIGKILL)
    )
    killer.start()
    results = dict(engine.speak([utterance] * 3, lambda: False))
    killer.join()
    assert helper not in children_of(here)
    engine.close()
    assert all(isinstance(result, Speech) for result in results.values())
    assert len({result.audio.samples.tobytes() for result in results.values()}) == 1
    assert children_of(here) == others


def test_an_utterance_that_takes_too_long_fails_alone(helper: Helper) -> None:
    pid = helper.pid
    with pytest.raises(Unspoken, match="had not finished") as failure:
        helper.say(request(LONG, timeout_s=0.01))
    assert failure.value.kind == "timeout"
    assert helper.say(request("你好"))
    assert helper.pid == pid
    assert not children_of(pid)


def test_an_utterance_that_kills_its_fork_fails_alone(helper: Helper) -> None:
    pid = helper.pid
    killer = threading.Thread(
        target=lambda: os.kill(wait_for(lambda: children_of(pid)).pop(), signal.SIGSEGV)
    )
    killer.start()
    with pytest.raises(Unspoken, match=f"status -{int(signal.SIGSEGV)}") as failure:
        helper.say(request(LONG))
    killer.join()
    assert failure.value.kind == "engine"
    assert helper.say(request("你好"))
    assert helper.pid == pid


def test_a_voice_that_is_not_there_fails_alone(helper: Helper) -> None:
    with pytest.raises(Unspoken, match="status 3"):
        helper.say(request("你好", voice="nobody"))
    assert helper.say(request("你好"))


def test_a_helper_that_hangs_is_given_up(helper: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_module, "GRACE_S", 0.1)
    before, pid = helper.say(request("你好")), helper.pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(HelperLost):
        helper.say(request("再见", timeout_s=0.1))
    assert not Path(f"/proc/{pid}").exists()
    assert helper.say(request("你好")) == before


def test_the_helper_ends_with_its_parent() -> None:
    code = """
import time
from models.preview.helper import Helper
from models.preview.espeak import installed
helper = Helper(installed())
helper.start()
print(helper.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    with parent:
        pid = int(parent.stdout.readline())
        assert os.getsid(pid) == pid  # Ctrl-C in the parent's terminal does not reach it
        parent.kill()
    wait_for(lambda: ended(pid))


def ended(pid: int) -> bool:
    """Gone, or a zombie that init has not yet buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_it_leaves_neither_processes_nor_files_behind(helper: Helper) -> None:
    def open_files() -> tuple[int, int]:
        return tuple(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (os.getpid(), helper.pid))

    helper.say(request("你好"))
    before = open_files()
    for n in range(30):
        try:
            helper.say(request("你好" * (n + 1), timeout_s=0.0 if n % 3 == 0 else 20.0))
        except Unspoken:
            assert n % 3 == 0
    assert open_files() == before
    assert not children_of(helper.pid)
    pid = helper.pid
    helper.close()
    assert not Path(f"/proc/{pid}").exists()


def test_its_memory_does_not_grow(helper: Helper) -> None:
    def say(times: int) -> tuple[int, int]:
        for n in range(times):
            helper.say(request(f"第{n}句，今天天气很好。"))
        return resident_kb(os.getpid()), resident_kb(helper.pid)

    ours, its = say(50)
    ours_later, its_later = say(250)
    assert ours_later - ours < 2000
    assert its_later - its < 500


def test_it_works_in_a_daemonic_process_as_celery_has_them() -> None:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    worker = context.Process(target=speak_and_send, args=(sender,), daemon=True)
    worker.start()
    assert receiver.poll(30)
    assert receiver.recv() > 0.2
    worker.join()
    receiver.close()
    sender.close()


def speak_and_send(sender: Connection) -> None:
    engine = models.load("preview")
    utterance = Utterance("你好", "zh", engine.voice_print(preset("narrator").to_json()))
    sender.send(dict(engine.speak([utterance], lambda: False))[0].audio.seconds)
    engine.close()
