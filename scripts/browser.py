"""A headless Chromium for the scripts that look at pages: selenium with the driver and browser of the system."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

FAILED = Path(tempfile.gettempdir()) / "failed.png"
SECONDS = 120
"""A page may be slow on a machine that has other work."""


@contextmanager
def browser(width: int = 1400, height: int = 1000) -> Iterator[webdriver.Chrome]:
    """Debian's packages are `chromium` and `chromium-driver`."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        sys.exit("chromium and chromedriver are needed: apt-get install chromium chromium-driver")
    options = Options()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    page = webdriver.Chrome(options, Service(driver))
    try:
        yield page
    finally:
        page.quit()


def wait(page: webdriver.Chrome, what: str, until: Callable[[webdriver.Chrome], Any]) -> Any:
    """The first true value of a condition. Ends the script, in words, where it never comes."""
    try:
        return WebDriverWait(page, SECONDS, ignored_exceptions=(Exception,)).until(until)
    except Exception:
        page.save_screenshot(str(FAILED))
        for entry in page.get_log("browser")[-10:]:
            print(entry["message"], file=sys.stderr)
        sys.exit(f"{what}: not within {SECONDS} seconds; see {FAILED}")


@contextmanager
def running(*command: str, mark: str) -> Iterator[str]:
    """A command of gankit that serves; its first line on stderr with `mark` in it is given."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gankit.cli.main", *command], stderr=subprocess.PIPE, stdout=sys.stderr, text=True
    )
    try:
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if mark in line:
                break
        else:
            sys.exit("".join(lines))
        # What it says later is read on, for a full pipe would stop it.
        threading.Thread(target=shutil.copyfileobj, args=(process.stderr, sys.stderr), daemon=True).start()
        yield line
    finally:
        process.terminate()
        process.wait(30)


def shot(page: webdriver.Chrome, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    page.save_screenshot(str(folder / f"{name}.png"))
