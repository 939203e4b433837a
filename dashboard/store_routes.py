"""The folder store over HTTP, for workers on other hosts: signed addresses only."""

from contextlib import suppress
from datetime import UTC, datetime

from flask import Blueprint, Response, request

from dashboard.belongings import belongings
from dashboard.media import send_object
from farm.errors import Conflict, NotFound, Rejected
from farm.storage import Store
from farm.takes import FOLDER as TAKES
from farm.takes import LARGEST as LARGEST_TAKE

bp = Blueprint("store", __name__, url_prefix="/store")


def verify(name: str, size: int | None) -> None:
    now = datetime.now(UTC)
    belongings().signer.verify(request.method, name, request.args, size, now)


@bp.get("/<path:name>")
def download(name: str) -> Response:
    verify(name, None)
    return send_object(belongings().store, name, request.args.get("as"))


@bp.put("/<path:name>")
def upload(name: str) -> Response:
    size = request.content_length
    verify(name, size)
    if size is None or size > LARGEST_TAKE:
        raise Rejected("An upload says its length, at most {most} bytes.", most=LARGEST_TAKE)
    request.max_content_length = LARGEST_TAKE
    put(belongings().store, name, request.get_data(cache=False))
    return Response(status=204)


def put(store: Store, name: str, content: bytes) -> None:
    """A take is never replaced: its address outlives the judgement on it, and maybe its worker's welcome.

    Sent again as it was, after a lost answer, it changes nothing. Raises Conflict.
    """
    if name.startswith(f"{TAKES}/"):
        with suppress(NotFound):
            if store.read(name, LARGEST_TAKE) != content:
                raise Conflict("{name} is stored already, and is not replaced.", name=name)
            return
    store.put(name, content)
