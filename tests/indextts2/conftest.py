from pathlib import Path

import pytest

from tests.indextts2 import checkpoint as checkpoints


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole small checkpoint as downloaded. Not to be written to."""
    return checkpoints.build(tmp_path_factory.mktemp("checkpoint") / "indextts2")
