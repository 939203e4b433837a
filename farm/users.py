"""Who may sign in: people with a password, or with a one-time link that the farm's owner was shown."""

import secrets
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from farm.db import now
from farm.errors import Forbidden, Rejected
from farm.tables import ApiToken, SignInLink, User

OWNER = "owner"
LINK_LIVES = timedelta(hours=12)
SHORTEST_PASSWORD = 10


def owner(session: Session) -> User:
    """The farm's first user, made when there is none."""
    user = session.scalar(select(User).order_by(User.id).limit(1))
    if user is None:
        user = User(name=OWNER)
        session.add(user)
        session.flush()
    return user


def sign_in_token(session: Session, user: User) -> str:
    """A token that signs `user` in once, within twelve hours; only its hash is kept."""
    token = secrets.token_urlsafe(32)
    session.add(SignInLink(hash=hash_of(token), user_id=user.id, expires_at=now + LINK_LIVES))
    return token


def hash_of(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def redeem(session: Session, token: str) -> User:
    """Who a one-time link signs in. Raises Forbidden when it was used, has expired, or is none of ours."""
    statement = select(SignInLink).where(
        SignInLink.hash == hash_of(token), SignInLink.used_at.is_(None), SignInLink.expires_at > now
    )
    link = session.scalar(statement.with_for_update())
    if link is None:
        raise Forbidden("This sign-in link was used or has expired. Print a new one with `farm link`.")
    link.used_at = now
    return session.get_one(User, link.user_id)


def api_token(session: Session, user: User, name: str) -> str:
    """A token for scripts, good until it is deleted; shown once, only its hash is kept."""
    token = f"vf_{secrets.token_urlsafe(32)}"
    session.add(ApiToken(hash=hash_of(token), user_id=user.id, name=name))
    return token


def by_token(session: Session, token: str) -> tuple[User, str]:
    """Who a token speaks for, and what it is called. Raises Forbidden."""
    known = session.get(ApiToken, hash_of(token))
    if known is None:
        raise Forbidden("This API token is not known. Make one with `farm token NAME`.")
    return session.get_one(User, known.user_id), known.name


def named(session: Session, name: str) -> User | None:
    # PostgreSQL knows no NUL, so nobody is called so
    return None if "\0" in name else session.scalar(select(User).where(User.name == name))


def by_password(session: Session, name: str, password: str) -> User:
    """Raises Forbidden, in the same words and time whether the name or the password is wrong."""
    user = named(session, name)
    stored = user.password_hash if user and user.password_hash else DECOY
    if not check_password_hash(stored, password) or user is None:
        raise Forbidden("That name and password do not belong together.")
    return user


DECOY = generate_password_hash(secrets.token_hex(16))


def set_password(session: Session, user_id: int, password: str) -> None:
    if len(password) < SHORTEST_PASSWORD:
        raise Rejected("A password has at least {n} characters.", n=SHORTEST_PASSWORD)
    session.get_one(User, user_id).password_hash = generate_password_hash(password)


def find(session: Session, user_id: int) -> User | None:
    return session.get(User, user_id)
