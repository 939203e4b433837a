"""The command line, as a person runs it: real processes, real files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from farm.audio.probe import probe
from farm.cli_projects import numbers
from tests.conftest import place
from tests.farms import ROOT, SHORT, farm_up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

STORY = ROOT / "farm" / "data" / "two-bridges.md"


@pytest.fixture
def home() -> Iterator[Path]:
    with place() as folder:
        yield folder / "home"


def command(home: Path, *arguments: str, **settings: str) -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, "FARM_HOME": str(home), "FARM_BEAT_S": SHORT["FARM_BEAT_S"], **settings}
    return [sys.executable, "-m", "farm.cli", *arguments], environment


def farm(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    line, environment = command(home, *arguments, **settings)
    return subprocess.run(line, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_one_command_makes_a_tagged_book_and_again_costs_nothing(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "book.m4b"
    arguments = (
        "render",
        str(STORY),
        "-o",
        str(out),
        "--voice",
        "narrator-woman",
        "--dialogue",
        "bright",
        "--json",
    )
    first = farm(home, *arguments)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["files"] == [str(out)]
    seen = probe(out)
    assert [mark.title for mark in seen.chapters] == [
        "第一章 修桥的人",
        "Chapter Two: The Letter from Leeds",
        "第三章 还有一座",
    ]
    assert seen.tags["title"] == "两座桥 Two Bridges"
    assert 120 < seen.duration_s < 400
    content = out.read_bytes()
    out.unlink()
    again = farm(home, *arguments)
    assert again.returncode == 0, again.stderr
    assert out.read_bytes() == content


def test_ctrl_c_loses_nothing(home: Path, tmp_path: Path) -> None:
    book = tmp_path / "long.txt"
    book.write_text(
        "\n\n".join(f"Chapter {n}\n\nThis is what number {n} had to say about it." for n in range(1, 40))
    )
    slow = {"FARM_ENGINE": "simulated:speed=20,batch=1"}
    arguments = ("render", str(book), "-o", str(tmp_path / "long.m4b"))
    line, environment = command(home, *arguments, **slow)
    with subprocess.Popen(line, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        until_takes_lie_in(home / "store" / "takes")
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Nothing is lost" in said
    kept = sorted((home / "store" / "takes").rglob("*.flac"))
    assert farm(home, *arguments, **slow).returncode == 0
    assert len(probe(tmp_path / "long.m4b").chapters) == 39
    assert set(kept) <= set((home / "store" / "takes").rglob("*.flac"))


def until_takes_lie_in(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while not list(folder.rglob("*.flac")):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_book_goes_through_s3(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    try:
        endpoint = f"http://{host}:{port}"
        bucket = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        bucket.create_bucket(Bucket="farm")
        out = tmp_path / "book.m4b"
        store = f"s3://farm/audio?endpoint={endpoint}&region=us-east-1"
        done = farm(home, "render", str(STORY), "-o", str(out), "--chapters", "1", FARM_STORE_URL=store)
        assert done.returncode == 0, done.stderr
        assert [mark.title for mark in probe(out).chapters] == ["第一章 修桥的人"]
        names = [item["Key"] for item in bucket.list_objects_v2(Bucket="farm")["Contents"]]
        assert {name.split("/")[1] for name in names} >= {"takes", "chapters", "releases", "uploads"}
        assert not (home / "store").exists()
    finally:
        server.stop()


def test_the_running_farm_is_used_and_answers_scripts(home: Path, tmp_path: Path) -> None:
    with farm_up(home):
        out = tmp_path / "one.m4b"
        assert farm(home, "render", str(STORY), "-o", str(out), "--chapters", "2").returncode == 0
        (project,) = json.loads(farm(home, "projects", "--json").stdout)
        assert (project["state"], project["share"]) == ("finished", 1.0)
        status = json.loads(farm(home, "status", "--json").stdout)
        assert status["word"] == "idle"
        assert {process["name"] for process in status["processes"]} >= {
            "api",
            "clock",
            "house",
            "render",
            "web",
        }
        findings = json.loads(farm(home, "doctor", "--json").stdout)
        assert all(finding["well"] for finding in findings), findings
        second = farm(home, "up")
        assert second.returncode == 1
        assert "already" in second.stderr or "runs" in second.stderr
        assert farm(home, "link").stdout.startswith("http://")


def test_without_a_farm_the_remedy_is_named(home: Path) -> None:
    done = farm(home, "projects")
    assert done.returncode == 1
    assert "farm up" in done.stderr


def test_a_file_that_is_no_manuscript_is_refused_with_the_reason(home: Path, tmp_path: Path) -> None:
    (tmp_path / "film.txt").write_bytes(bytes(range(256)) * 100)
    done = farm(home, "render", str(tmp_path / "film.txt"), "-o", str(tmp_path / "out.m4b"))
    assert done.returncode == 1
    assert "film.txt" in done.stderr


def test_an_unknown_setting_stops_the_command(home: Path) -> None:
    done = farm(home, "doctor", FARM_PROT="1")
    assert done.returncode == 1
    assert "FARM_PORT" in done.stderr


def test_chapter_numbers_are_read_as_people_write_them() -> None:
    assert numbers("1-3,7") == (1, 2, 3, 7)
    assert numbers("") == ()
