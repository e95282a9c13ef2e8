"""Makes the README's screenshots into docs/images, from the real pages over a seeded workspace, in a real Chromium.

`make screenshots` runs it. The system font is drawn as Inter where that is installed (Debian: fonts-inter, fonts-jetbrains-mono),
so that the pictures look the same on every machine.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.conftest import TestServer  # noqa: E402
from tests.page_world import EMAIL, PASSWORD, Site, SiteThread  # noqa: E402

IMAGES = ROOT / "docs/images"
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<include ignore_missing="yes">/etc/fonts/fonts.conf</include>
<match target="pattern"><test name="family" compare="eq"><string>DejaVu Sans</string></test>
<edit name="family" mode="assign" binding="strong"><string>Inter</string></edit></match>
<match target="pattern"><test name="family"><string>sans-serif</string></test>
<edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit></match>
<match target="pattern"><test name="family"><string>ui-monospace</string></test>
<edit name="family" mode="assign" binding="strong"><string>JetBrains Mono</string></edit></match></fontconfig>"""


def main() -> None:
    """Seeds, serves, looks."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="posthouse-screenshots-") as name:
        folder = Path(name)
        (folder / "fonts.conf").write_text(FONTS, encoding="utf-8")
        os.environ["FONTCONFIG_FILE"] = str(folder / "fonts.conf")
        server = TestServer(_made(folder / "server"))
        asyncio.run(server.start())
        try:
            with SiteThread(server, _made(folder / "site")) as site:
                _pictures(site)
        finally:
            asyncio.run(server.stop())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _pictures(site: Site) -> None:
    wide, phone = {"width": 1280, "height": 800}, {"width": 390, "height": 800}
    waiting, unverified = site.world.examples["waiting"], site.world.unverified_domain
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        light = {
            "home": "/",
            "messages": "/messages",
            "message": f"/messages/{waiting}",
            "send": "/send",
            "queue": "/queue",
        }
        _take(browser, site, light | {"domain": f"/domains/{unverified}"}, wide, "light", "")
        _take(browser, site, {"home": "/", "message": f"/messages/{waiting}"}, wide, "dark", "-dark")
        _take(browser, site, {"messages": "/messages", "message": f"/messages/{waiting}"}, phone, "light", "-phone")
        browser.close()


def _take(browser: Browser, site: Site, pages: dict[str, str], size: dict[str, int], scheme: str, suffix: str) -> None:
    context = browser.new_context(
        viewport=size, color_scheme=scheme, base_url=site.address, timezone_id="Europe/Copenhagen"
    )
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(site.address + "/")
    for name, path in pages.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        page.screenshot(path=IMAGES / f"{name}{suffix}.png")
        print(f"docs/images/{name}{suffix}.png")
    context.close()


if __name__ == "__main__":
    main()
