"""What a web process works with: settings, the database, the store."""

from dataclasses import dataclass

from flask import current_app

from farm.db import Begin, beginner
from farm.settings import Settings
from farm.storage import Store
from farm.storage.opening import store_of
from farm.storage.signing import Signer


@dataclass(frozen=True)
class Belongings:
    settings: Settings
    begin: Begin
    store: Store
    local_store: Store
    """Hands out file URLs, for workers that share this host's folder."""
    signer: Signer

    @classmethod
    def of(cls, settings: Settings) -> "Belongings":
        return cls(
            settings,
            beginner(settings.database_url),
            store_of(settings),
            store_of(settings, local=True),
            Signer(settings.signing_secret.encode(), settings.worker_api),
        )


def belongings() -> Belongings:
    """The current app's."""
    have: Belongings = current_app.extensions["voicefarm"]
    return have
