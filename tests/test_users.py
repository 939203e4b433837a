import pytest
from sqlalchemy import func, select

from farm import users
from farm.db import Begin
from farm.errors import Forbidden, Rejected
from farm.tables import SignInLink


def test_a_link_signs_in_once(begin: Begin) -> None:
    with begin() as session:
        owner = users.owner(session)
        token = users.sign_in_token(session, owner)
    with begin() as session:
        assert users.redeem(session, token).id == owner.id
    with begin() as session, pytest.raises(Forbidden, match="farm link"):
        users.redeem(session, token)


def test_a_link_expires(begin: Begin) -> None:
    with begin() as session:
        token = users.sign_in_token(session, users.owner(session))
        session.flush()
        session.scalars(select(SignInLink)).one().expires_at = func.now()
    with begin() as session, pytest.raises(Forbidden):
        users.redeem(session, token)


def test_no_token_is_kept_in_the_clear(begin: Begin) -> None:
    with begin() as session:
        owner = users.owner(session)
        link, api = users.sign_in_token(session, owner), users.api_token(session, owner, "laptop")
        session.flush()
        kept = session.scalars(select(SignInLink.hash)).all()
        assert link not in kept
        assert users.by_token(session, api) == (owner, "laptop")
    with begin() as session, pytest.raises(Forbidden):
        users.by_token(session, link)


def test_a_password_works_with_its_name_only(begin: Begin) -> None:
    with begin() as session:
        owner = users.owner(session)
        users.set_password(session, owner.id, "a long enough one")
        assert users.by_password(session, owner.name, "a long enough one").id == owner.id
        for name, password in ((owner.name, "another one"), ("nobody", "a long enough one")):
            with pytest.raises(Forbidden, match="do not belong together"):
                users.by_password(session, name, password)


def test_a_user_without_a_password_cannot_sign_in_with_an_empty_one(begin: Begin) -> None:
    with begin() as session:
        owner = users.owner(session)
        with pytest.raises(Forbidden):
            users.by_password(session, owner.name, "")


def test_a_short_password_is_refused(begin: Begin) -> None:
    with begin() as session, pytest.raises(Rejected, match="at least 10"):
        users.set_password(session, users.owner(session).id, "short")
