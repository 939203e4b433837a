import stat
from pathlib import Path

import pytest

from farm.errors import Rejected
from farm.settings import read_settings


def test_settings_come_from_the_environment_with_their_kinds(tmp_path: Path) -> None:
    found = read_settings({"FARM_HOME": str(tmp_path), "FARM_PORT": "9000", "FARM_LEASE_S": "6.5"})
    assert (found.home, found.port, found.lease_s) == (tmp_path, 9000, 6.5)


def test_an_unknown_name_stops_the_process_with_the_nearest_spelling() -> None:
    with pytest.raises(Rejected, match=r"FARM_DATABSE_URL.*FARM_DATABASE_URL"):
        read_settings({"FARM_DATABSE_URL": "x"})


def test_a_value_of_the_wrong_kind_is_named() -> None:
    with pytest.raises(Rejected, match="FARM_PORT is lots"):
        read_settings({"FARM_PORT": "lots"})


def test_an_empty_value_is_the_default(tmp_path: Path) -> None:
    assert read_settings({"FARM_HOME": str(tmp_path), "FARM_PORT": ""}).port == 8600


def test_settings_survive_the_way_to_a_child_process(tmp_path: Path) -> None:
    found = read_settings({"FARM_HOME": str(tmp_path), "FARM_ENGINE": "simulated:speed=60"})
    assert read_settings(found.environment()) == found


def test_a_secret_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    found = read_settings({"FARM_HOME": str(tmp_path / "home")})
    assert found.signing_secret == found.signing_secret
    assert len(found.signing_secret) == 64
    assert stat.S_IMODE((tmp_path / "home" / "secret").stat().st_mode) == 0o600


def test_a_given_secret_is_used(tmp_path: Path) -> None:
    assert read_settings({"FARM_HOME": str(tmp_path), "FARM_SECRET": "mine"}).signing_secret == "mine"


@pytest.mark.parametrize(
    ("url", "folder"),
    [("/srv/audio", "/srv/audio"), ("file:///srv/my%20audio", "/srv/my audio"), ("s3://bucket/prefix", None)],
)
def test_the_stores_folder_is_known_where_it_is_one(tmp_path: Path, url: str, folder: str | None) -> None:
    found = read_settings({"FARM_HOME": str(tmp_path), "FARM_STORE_URL": url}).store_folder
    assert found == (Path(folder) if folder else None)
