"""What only the folder store promises: confinement, tidiness, and clear words about disks."""

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from farm.errors import NotFound, Rejected, ServiceDown
from farm.storage.folder import FolderStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "farm" / "store"


def test_a_missing_root_is_made_for_its_owner_alone(root: Path) -> None:
    root.parent.mkdir(mode=0o755)
    FolderStore(root).put("a/b", b"x")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert stat.S_IMODE(root.parent.stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "a/b").stat().st_mode) == 0o600


def test_a_root_that_is_there_keeps_its_mode(root: Path) -> None:
    root.mkdir(parents=True)
    root.chmod(0o750)
    FolderStore(root)
    assert stat.S_IMODE(root.stat().st_mode) == 0o750


def test_a_root_that_is_a_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Rejected, match="in the way"):
        FolderStore(tmp_path / "file")


def test_no_link_leads_out(root: Path, tmp_path: Path) -> None:
    store = FolderStore(root)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    for name in ("folder/secret", "file"):
        with pytest.raises(NotFound):
            store.read(name, limit=100)
        with pytest.raises(NotFound):
            store.head(name)
    with pytest.raises(Rejected, match="in the way"):
        store.put("folder/new", b"x")
    store.delete(["folder/secret"])
    assert list(store.list()) == []
    store.put("file", b"mine")
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    assert store.read("file", limit=4) == b"mine"


def test_a_linked_root_is_followed(root: Path, tmp_path: Path) -> None:
    root.mkdir(parents=True)
    (tmp_path / "link").symlink_to(root)
    FolderStore(tmp_path / "link").put("a", b"x")
    assert (root / "a").read_bytes() == b"x"


def test_a_pipe_in_the_folder_hangs_nobody(root: Path) -> None:
    store = FolderStore(root)
    os.mkfifo(root / "pipe")
    with pytest.raises(NotFound):
        store.open("pipe")
    assert list(store.list()) == []


def test_an_object_and_a_folder_cannot_share_a_name(root: Path) -> None:
    store = FolderStore(root)
    store.put("a", b"x")
    store.put("b/c", b"x")
    for name in ("a/b", "b"):
        with pytest.raises(Rejected, match="in the way"):
            store.put(name, b"y")
    with pytest.raises(NotFound):
        store.read("b", limit=1)
    with pytest.raises(NotFound):
        store.read("a/b", limit=1)
    store.delete(["b", "a/b"])
    assert {found.name for found in store.list()} == {"a", "b/c"}


def test_emptied_folders_go_with_their_last_object(root: Path) -> None:
    store = FolderStore(root)
    store.put("a/b/c/1", b"x")
    store.put("a/2", b"x")
    store.delete(["a/b/c/1"])
    assert not (root / "a/b").exists()
    assert (root / "a/2").exists()
    store.delete(["a/2"])
    assert [path.name for path in root.iterdir()] == [".incoming"]


def test_leftovers_of_killed_writers_are_swept_but_not_what_is_under_way(root: Path) -> None:
    FolderStore(root)
    old, new = root / ".incoming/old", root / ".incoming/new"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (time.time() - 90_000, time.time() - 90_000))
    FolderStore(root)
    assert (old.exists(), new.exists()) == (False, True)


def test_puts_survive_deletes_that_prune_their_folder(root: Path) -> None:
    store = FolderStore(root)
    stop = threading.Event()

    def prune() -> None:
        while not stop.is_set():
            store.put("a/b/other", b"x")
            store.delete(["a/b/other"])

    pruner = threading.Thread(target=prune)
    pruner.start()
    try:
        for n in range(100):
            store.put("a/b/mine", b"%d" % n)
            assert store.read("a/b/mine", limit=5) == b"%d" % n
            store.delete(["a/b/mine"])
    finally:
        stop.set()
        pruner.join()


def test_a_root_that_vanished_is_said(root: Path) -> None:
    store = FolderStore(root)
    root.joinpath(".incoming").rmdir()
    root.rmdir()
    with pytest.raises(ServiceDown, match=f"{root} is gone"):
        store.put("a", b"x")
    with pytest.raises(ServiceDown, match=f"{root} is gone"):
        store.check()


def test_an_object_goes_on_being_read_after_it_was_deleted(root: Path) -> None:
    store = FolderStore(root)
    store.put("a", bytes(200_000))
    with store.open("a") as body:
        first = body.read(10)
        store.delete(["a"])
        assert first + b"".join(body) == bytes(200_000)


def test_a_write_that_the_disk_refuses_names_the_disk_and_leaves_nothing(root: Path) -> None:
    """The kernel refuses files over 100 kB to this child, with the error that full disks are treated like."""
    program = """if True:
        import resource, signal, sys
        from pathlib import Path
        from farm.errors import Transient
        from farm.storage.folder import FolderStore
        root = Path(sys.argv[1])
        store = FolderStore(root)
        store.put("small", b"x")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for write in (lambda: store.put("a/big", bytes(200_000)), lambda: store.put("small", bytes(200_000))):
            try:
                write()
            except Transient as e:
                assert f"disk of {root} is full" in str(e), e
            else:
                raise AssertionError("nothing refused the write")
        assert [found.name for found in store.list()] == ["small"]
        assert list(root.joinpath(".incoming").iterdir()) == []
        """
    done = subprocess.run(
        [sys.executable, "-c", program, root], capture_output=True, text=True, cwd=Path.cwd()
    )
    assert done.returncode == 0, done.stderr


def test_a_folder_that_may_not_be_written_is_service_down(tmp_path: Path) -> None:
    """/proc refuses new folders to everyone, root too."""
    with pytest.raises(ServiceDown, match="/proc"):
        FolderStore(Path("/proc/self/attr")).put("a", b"x")
