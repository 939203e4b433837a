"""Objects of the store as HTTP answers: whole or in part, to play or to save."""

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from farm.storage import Store, attachment, media_type
from farm.storage.ranges import UnsatisfiableRange, serve_range

# What a browser may show by itself; anything else is only ever saved (nosniff comes with every answer).
PLAYABLE = ("audio/", "image/jpeg", "image/png", "text/vtt")


def send_object(store: Store, name: str, download_as: str | None = None, *, lasts: bool = True) -> Response:
    """Stream an object, or the range of it that the browser asks for (RFC 9110). Raises NotFound.

    `lasts`: the address will mean this object for an hour at least, so that a browser may keep it.
    """
    found = store.head(name)
    kind = media_type(name)
    try:
        part = serve_range(request.headers.get("Range"), found.size)
    except UnsatisfiableRange as e:
        raise RequestedRangeNotSatisfiable(found.size) from e
    start, end = part or (0, found.size)
    answer = Response(mimetype=kind, status=206 if part else 200)
    if request.method != "HEAD":
        body = store.open(name, start, end)
        answer.response = body
        answer.call_on_close(body.close)
    answer.headers["Content-Length"] = str(end - start)
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "private, max-age=3600" if lasts else "private, no-cache"
    if part:
        answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.size}"
    if download_as or not kind.startswith(PLAYABLE):
        answer.headers["Content-Disposition"] = attachment(download_as or name.rsplit("/", 1)[-1])
    return answer
