"""What a web process works with: settings, the database, the store."""

from dataclasses import dataclass

from flask import current_app

from farm.db import Begin, beginner
from farm.settings import Settings
from farm.storage import Store
from farm.storage.opening import open_store
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
        secret, address = settings.signing_secret.encode(), settings.worker_api
        return cls(
            settings,
            beginner(settings.database_url),
            open_store(settings.store, secret=secret, public_url=address),
            open_store(settings.store, secret=secret, public_url=address, local=True),
            Signer(secret, address),
        )


def belongings() -> Belongings:
    """The current app's."""
    have: Belongings = current_app.extensions["voicefarm"]
    return have
