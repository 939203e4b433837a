"""Everything that can go wrong and is not a bug, sorted by what the caller should do about it.

    FarmError
    ├── NotFound        there is no such thing                                      404
    ├── Forbidden       the caller may not do this, or is not known                 403
    ├── Rejected        can never succeed as asked: change the request              422
    │   └── BadManuscript   this file cannot become a manuscript
    ├── Conflict        someone else moved first: look again                        409
    │   └── LeaseLost       the job is no longer yours: stop, discard
    └── Transient       nothing is wrong with the request: try again later          503
        └── ServiceDown     a database, broker or store does not answer

HTTP answers (`status`) and the retry policy of jobs (`transient`) follow from the tree.
"""

from http import HTTPStatus

from farm.messages import Message


class FarmError(Exception):
    """An expected failure. `template` is a sentence with {names}: what is wrong, and the remedy."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    transient = False

    def __init__(self, template: str, **values: object) -> None:
        self.message = Message(template, values)
        super().__init__(str(self.message))


class NotFound(FarmError):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND


class Forbidden(FarmError):
    """The caller may not do this, or is not known."""

    status = HTTPStatus.FORBIDDEN


class Rejected(FarmError):
    """Can never succeed as asked."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class BadManuscript(Rejected):
    """This file cannot become a manuscript."""


class Conflict(FarmError):
    """Someone else moved first."""

    status = HTTPStatus.CONFLICT


class LeaseLost(Conflict):
    """The job is no longer the caller's; whatever it did since is discarded."""


class Transient(FarmError):
    """Nothing is wrong with the request; trying again may help."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    transient = True


class ServiceDown(Transient):
    """A database, a broker or a store does not answer."""
