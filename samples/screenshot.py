"""`make screenshot`: docs/images/report.png, the page of the sample's flights: in light, and in dark on a phone.

What differs from machine to machine (who, where, paths) is made up, so that it shows nothing of the one that it was made on.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parent
sys.path.insert(0, str(SAMPLES.parent / "tests"))
TARGET = SAMPLES.parent / "docs" / "images" / "report.png"
HEIGHT = 1160


def main() -> None:
    import instar
    from instar.cli.report_page.page import run_page

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        shutil.copytree(SAMPLES / "project", folder, ignore=shutil.ignore_patterns(".instar"))
        flights = instar.open(folder).dataset("flights")
        flights.upgrade()
        told = json.loads(json.dumps(flights.account().as_json()).replace(name, "/lake"))
        told["provenance"] |= {"user": "ada", "host": "lake"}
        page = Path(name) / "page.html"
        page.write_text(run_page(told), encoding="utf-8")
        picture(page).save(TARGET, optimize=True)
    print(f"{TARGET.relative_to(SAMPLES.parent)}: {TARGET.stat().st_size / 1000:.0f} kB")


def picture(page: Path) -> Any:
    """Both views beside each other, in the few colours that they have."""
    from browsing import chromium, opened
    from PIL import Image

    with chromium() as browser:
        with opened(browser, page, width=1000) as (wide, _):
            wide.set_viewport_size({"width": 1000, "height": HEIGHT})
            left = wide.screenshot()
        with opened(browser, page, width=390, scheme="dark") as (narrow, _):
            narrow.set_viewport_size({"width": 390, "height": HEIGHT})
            narrow.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
            narrow.locator("#values").evaluate("section => window.scrollTo(0, section.offsetTop - 24)")
            right = narrow.screenshot()
    whole = Image.new("RGB", (1000 + 390, HEIGHT), "white")
    whole.paste(Image.open(io.BytesIO(left)), (0, 0))
    whole.paste(Image.open(io.BytesIO(right)), (1000, 0))
    return whole.quantize(160)


if __name__ == "__main__":
    main()
