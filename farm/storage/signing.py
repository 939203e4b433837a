"""Addresses that carry their own leave: an HMAC over action, object, size and end of validity."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlencode

from farm.errors import Forbidden, Rejected
from farm.storage import checked

_PURPOSE = "voicefarm object address 1"  # so that the secret's other uses sign nothing that passes here


class Signer:
    """Makes and checks signed addresses under `{public_url}/store/`; without one they begin with /store/."""

    def __init__(self, secret: bytes, public_url: str) -> None:
        if not secret:
            raise Rejected("Signed addresses need a secret. Set FARM_SECRET to a long random text.")
        self._secret = secret
        self._base = public_url.rstrip("/") + "/store/"

    def sign(
        self,
        method: str,
        name: str,
        expires: datetime,
        size: int | None = None,
        download_as: str | None = None,
    ) -> str:
        """The address at which `name` may be had (GET) or sent (PUT, `size` bytes) until `expires`."""
        moment = str(int(expires.timestamp()))
        query = {"expires": moment}
        if download_as is not None:
            query["as"] = download_as
        query["signature"] = self._signature(method, checked(name), size, moment, download_as)
        return f"{self._base}{quote(name)}?{urlencode(query)}"

    def verify(
        self, method: str, name: str, query: Mapping[str, str], size: int | None, now: datetime
    ) -> None:
        """Raise Forbidden unless `query` was signed for just this and has not expired.

        `size` is the Content-Length of an upload and None for a download, HEAD counting as GET.
        """
        moment = query.get("expires", "")
        method = "GET" if method == "HEAD" else method
        expected = self._signature(method, name, size, moment, query.get("as"))
        if not hmac.compare_digest(expected.encode(), query.get("signature", "").encode(errors="replace")):
            raise Forbidden("This address was not given for this object, action and size. Ask for a new one.")
        if now.timestamp() >= int(moment):
            raise Forbidden("This address has expired. Ask for a new one.")

    def _signature(
        self, method: str, name: str, size: int | None, moment: str, download_as: str | None
    ) -> str:
        text = json.dumps([_PURPOSE, method, name, size, moment, download_as])
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
