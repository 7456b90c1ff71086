"""Use the page of `gankit demo` as a visitor does, in a headless Chromium, and keep screenshots.

    python scripts/try_demo.py RUN INPAINTING_RUN --out screenshots

RUN has attention and two directions. Uploads, translates both ways, paints a hole, and sends a text and a file that
is too large. Exits 1 with what did not happen. Needs selenium, and chromium with chromium-driver.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
from browser import browser, running, shot, wait
from PIL import Image
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement


def find(page: Chrome, selector: str) -> WebElement:
    """An element that can be seen, or an upload, which never can."""
    for element in page.find_elements(By.CSS_SELECTOR, selector):
        if element.is_displayed() or element.get_attribute("type") == "file":
            return element
    raise LookupError(selector)


def sources(page: Chrome) -> list[str]:
    """The pictures of the results."""
    return [
        str(one.get_attribute("src"))
        for one in page.find_elements(By.CSS_SELECTOR, "#results .gallery-item img, #results .grid-container img")
    ]


def toasts(page: Chrome) -> str:
    return " ".join(one.text for one in page.find_elements(By.CSS_SELECTOR, ".toast-body, .toast-wrap"))


def close_toasts(page: Chrome) -> None:
    for one in page.find_elements(By.CSS_SELECTOR, ".toast-close"):
        page.execute_script("arguments[0].click()", one)
    wait(page, "an empty page", lambda p: not p.find_elements(By.CSS_SELECTOR, ".toast-body"))


def choose(page: Chrome, place: str, text: str) -> None:
    for label in page.find_elements(By.CSS_SELECTOR, f"{place} label"):
        if label.text.strip() == text:
            page.execute_script("arguments[0].click()", label.find_element(By.TAG_NAME, "input"))
            return
    raise LookupError(f"{place}: {text}")


def press(page: Chrome) -> None:
    """Press the button, wherever it is: what is dropped may move it meanwhile."""
    page.execute_script("arguments[0].click()", find(page, "#translate"))


def translate(page: Chrome, count: int) -> list[str]:
    """Press the button; the results, once there are so many; where there were as many before, all new ones."""
    old = sources(page)
    before = set(old) if len(old) == count else set()
    press(page)
    return wait(page, f"{count} results", lambda p: len(now := sources(p)) == count and before.isdisjoint(now) and now)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("inpainting", type=Path)
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--port", default="7861")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    gradient = np.linspace(0, 255, 96 * 128 * 3).reshape(96, 128, 3).astype(np.uint8)
    Image.fromarray(gradient).save(folder / "photo.png")
    (folder / "text.txt").write_text("no picture")
    (folder / "text.png").write_text("no picture, whatever its name says")
    (folder / "huge.png").write_bytes(b"x" * 3_000_000)
    runs = [str(options.run), str(options.inpainting)]
    command = ["demo", *runs, "--port", options.port, "--max-mb", "2", "--device", "cpu"]
    with running(*command, mark="Ctrl-C") as line, browser() as page:
        address = re.search(r"http://\S+?(?=/?;)", line)
        assert address is not None, line
        page.get(address[0])
        page.execute_script("performance.setResourceTimingBufferSize(100000)")  # all that is asked for, to the end
        wait(page, "the page", lambda p: find(p, "#translate"))
        shot(page, options.out, "1-empty")

        wait(page, "the names of the runs", lambda p: len(p.find_elements(By.CSS_SELECTOR, "#runs label")) == 2)
        run, inpainting = (one.text.strip() for one in page.find_elements(By.CSS_SELECTOR, "#runs label"))
        press(page)
        wait(page, "a word on the missing picture", lambda p: "drop a picture first" in toasts(p))
        shot(page, options.out, "2-no-picture")
        close_toasts(page)

        page.find_element(By.CSS_SELECTOR, "#picture input[type=file]").send_keys(str(folder / "photo.png"))
        wait(page, "the picture", lambda p: find(p, "#picture img"))
        there = translate(page, 2)
        shot(page, options.out, "3-translated")
        choose(page, "#direction", "b2a")
        back = translate(page, 2)
        print(f"one direction {len(there)} pictures, the other {len(back)}, none of them alike")
        shot(page, options.out, "4-other-direction")

        choose(page, "#runs", inpainting)
        wait(page, "the brush", lambda p: find(p, "#editor"))
        choose(page, "#runs", run)
        page.find_element(By.CSS_SELECTOR, "#editor input[type=file]").send_keys(str(folder / "photo.png"))
        canvas = wait(page, "the canvas", lambda p: find(p, "#editor canvas"))
        wait(
            page,
            "the brush",
            lambda p: p.find_elements(
                By.CSS_SELECTOR, "#editor button[aria-label='Brush'], #editor button[aria-label='Draw button']"
            ),
        )
        page.implicitly_wait(0)
        paint(page, canvas)
        shot(page, options.out, "5-painted")
        translate(page, 1)
        shot(page, options.out, "6-filled")
        choose(page, "#runs", run)
        translate(page, 3)
        shot(page, options.out, "7-beside-one-another")

        choose(page, "#runs", inpainting)
        wait(page, "the other picture", lambda p: find(p, "#picture"))
        for name, words in (("text.txt", "drop a picture first"), ("text.png", "picture"), ("huge.png", "size")):
            for button in page.find_elements(
                By.CSS_SELECTOR, "#picture button[aria-label='Clear'], #picture button[aria-label='Remove Image']"
            ):
                page.execute_script("arguments[0].click()", button)
            upload = wait(
                page, "an empty place", lambda p: p.find_element(By.CSS_SELECTOR, "#picture input[type=file]")
            )
            upload.send_keys(str(folder / name))
            if name == "text.png":
                wait(page, "the upload", lambda p: find(p, "#picture img"))
            if name != "huge.png":  # which is refused when it is dropped; the browser takes a .txt for no picture
                press(page)
            wait(page, f"a word on {name}", lambda p, w=words: w in toasts(p).lower())
            print(f"{name}: {toasts(page)!r}")
            shot(page, options.out, f"8-{name}")
            close_toasts(page)

        loaded = page.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        outside = [name for name in loaded if name.startswith("http") and not name.startswith(address[0])]
        if outside:
            sys.exit(f"the page asked for {outside}")
        print("all as a visitor expects; nothing was asked for outside of this machine")


def paint(page: Chrome, canvas: WebElement) -> None:
    """A few strokes over the middle."""
    actions = ActionChains(page, duration=50)
    actions.move_to_element_with_offset(canvas, -30, -20).click_and_hold()
    for step in range(6):
        actions.move_by_offset(10, 8 if step % 2 else -4)
    actions.release().perform()


if __name__ == "__main__":
    main()
