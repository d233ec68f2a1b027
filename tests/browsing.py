"""A real browser for the pages, without a network, and what a page did in it that it should not have done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_path() -> str:
    """This machine's browser; without one the test is skipped, or fails where INSTAR_NEEDS_BROWSER says that it must not be."""
    found = os.environ.get("INSTAR_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return found
    if os.environ.get("INSTAR_NEEDS_BROWSER"):
        pytest.fail(f"there is no browser: install one of {', '.join(NAMES)}")
    pytest.skip(f"no browser here (one of {', '.join(NAMES)}, or INSTAR_BROWSER names it)")


@dataclass
class Seen:
    """What went on in a page: errors and warnings of its console, what it asked the network for, boxes that it opened."""

    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        return not (self.console or self.requests or self.dialogs)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser itself, headless."""
    from playwright.sync_api import sync_playwright

    path = browser_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Any, file: Path, *, width: int = 1100, scheme: Literal["light", "dark"] = "light"
) -> Iterator[tuple[Any, Seen]]:
    """A file in a tab of its own, so wide."""
    seen = Seen()
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    page = context.new_page()
    page.on("console", lambda message: seen.console.append(message.text))
    page.on("pageerror", lambda error: seen.console.append(str(error)))
    page.on("request", lambda request: seen.requests.append(request.url) if request.url != file.as_uri() else None)
    page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(file.as_uri())
    try:
        yield page, seen
    finally:
        context.close()
