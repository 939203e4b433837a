"""What people do in every browser test: arrive, sign in."""

from collections.abc import Callable
from dataclasses import dataclass

from farms import Farm
from playwright.sync_api import Page

from farm import users
from farm.db import Begin

Look = Callable[..., Page]
LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


def link(begin: Begin, address: str) -> str:
    with begin() as session:
        return f"{address}/sign-in/{users.sign_in_token(session, users.owner(session))}"


def sign_in(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_role("main").get_by_role("button").click()
    page.wait_for_url("**/")


def address_of(farm: Farm) -> str:
    """Where a farm said that its dashboard is."""
    said = next(line for line in farm.said if "/sign-in/" in line)
    return said.split(": ", 1)[1].split("/sign-in/")[0]


@dataclass(frozen=True)
class Scenes:
    """A dashboard in this process. `ids` names its projects, and `chapter` is one that is finished."""

    address: str
    begin: Begin
    ids: dict[str, int]

    @property
    def link(self) -> str:
        return link(self.begin, self.address)
