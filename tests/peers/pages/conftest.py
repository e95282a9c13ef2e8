"""A seeded, served workspace and a real Chromium that may talk to it and to nobody else."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright
from tests.page_world import EMAIL, PASSWORD, Site, SiteThread

_AXE = Path(__file__).parent.parent / "axe"
Open = Callable[..., Page]


@pytest.fixture(scope="session")
def site(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """More than two thousand messages and the web role."""
    with SiteThread(postgres_server, tmp_path_factory.mktemp("pages")) as site:
        yield site


@pytest.fixture
def new_site(postgres_server: Any, tmp_path: Path) -> Iterator[Site]:
    """A workspace that has not sent anything."""
    with SiteThread(postgres_server, tmp_path, count=0) as site:
        yield site


@pytest.fixture(scope="module")  # no longer: while playwright is open, this process can run no other event loop
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def signed_in(site: Site, browser: Browser) -> Callable[[str], Any]:
    """The browser state of a person after signing in, by address; made once."""
    known: dict[str, Any] = {}

    def state(email: str) -> Any:
        if email not in known:
            context = browser.new_context()
            page = context.new_page()
            sign_in(page, site, email)
            known[email] = context.storage_state()
            context.close()
        return known[email]

    return state


@pytest.fixture
def asked() -> list[str]:
    """The addresses the browser asked for in this test."""
    return []


@pytest.fixture
def open_page(site: Site, browser: Browser, signed_in: Callable[[str], Any], asked: list[str]) -> Iterator[Open]:
    """`open_page("/queue", width=360, color_scheme="dark")`: a signed-in page. What it says on the console fails the test if `strict`.

    And so does, in every test, a page that asked anybody but us for anything.
    """
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def open_(path: str, *, email: str | None = EMAIL, width: int = 1280, strict: bool = True, **options: Any) -> Page:
        state = signed_in(email) if email else None
        context = browser.new_context(
            storage_state=state, viewport={"width": width, "height": 800}, base_url=site.address, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: asked.append(_address(request)))
        page.on("requestfailed", lambda request: _forget(asked, request))
        if strict:
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.goto(path)
        return page

    yield open_
    for context in contexts:
        context.close()
    # The frame of a mail is expected to be refused what it asks for; that is what its policy is for.
    ours = [
        text for text in said if "sandboxed" not in text and "img-src data:" not in text and "status of 4" not in text
    ]
    assert ours == []
    hosts = {urlsplit(address).netloc for address in asked if not address.startswith("data:")}
    assert hosts <= {urlsplit(site.address).netloc}


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The accessibility checker's source, at the locked version."""
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_AXE / name, folder / name)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, check=True, timeout=100)
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


def sign_in(page: Page, site: Site, email: str, password: str = PASSWORD) -> None:
    """By the form, as a person does."""
    page.goto(f"{site.address}/sign-in")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def _forget(asked: list[str], request: Request) -> None:
    """What the page's own policy stopped was never sent."""
    if request.failure == "csp":
        asked.remove(request.url)


def _address(request: Request) -> str:
    return str(request.url)
