"""Run what `gankit export --to web` has written in a headless Chromium, and hold its results against the run's own.

    python scripts/try_web_export.py RUN FOLDER [--direction b2a] --out screenshots

The network gets the very tensors that the page made of a picture; what it gave is compared with the method in torch. A
run that fills holes is painted on first. A text file must be refused with a sentence. Needs selenium and chromium, and
where the browser reaches no other server, a folder that was exported with `--runtime`.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import torch
from browser import browser, shot, wait
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By

import gankit

LARGEST = 1e-3
READ = "const t = {...gankit.inputs, output: gankit.output}; return Object.fromEntries(Object.entries(t).map("
READ += "([k, v]) => [k, [Array.from(v.dims), Array.from(v.data, Number)]]))"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--direction", default="a2b")
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    options = parser.parse_args()
    method = gankit.load(options.run, "cpu").method
    with tempfile.TemporaryDirectory() as place:
        photo, text = Path(place, "photo.png"), Path(place, "text.png")
        waves = np.sin(np.arange(90)[:, None, None] / 9 + np.arange(130)[None, :, None] / 13 + np.arange(3))
        Image.fromarray((waves * 127 + 128).astype(np.uint8)).save(photo)
        text.write_text("no picture")
        handler = functools.partial(Quiet, directory=str(options.folder))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, browser() as page:
            threading.Thread(target=server.serve_forever, daemon=True).start()

            def message() -> str:
                return page.find_element(By.ID, "message").text

            page.get(f"http://127.0.0.1:{server.server_port}/")
            wait(page, "the network", lambda p: p.find_element(By.ID, "go").is_enabled() or "cannot" in message())
            if "cannot" in message():
                sys.exit(message())
            page.find_element(By.ID, "file").send_keys(str(text))
            wait(page, "a word on the text", lambda p: "is no picture" in message())
            page.find_element(By.ID, "file").send_keys(str(photo))
            wait(page, "the picture", lambda p: "is no picture" not in message())
            if "hole" in method.inputs:
                page.find_element(By.ID, "go").click()
                wait(page, "a word on the hole", lambda p: "paint over" in message())
                canvas = page.find_element(By.ID, "source")
                strokes = ActionChains(page, duration=50).move_to_element(canvas).click_and_hold()
                strokes.move_by_offset(40, 10).move_by_offset(-30, 20).release().perform()
            page.find_element(By.ID, "go").click()
            wait(page, "the result", lambda p: " px in " in message())
            shot(page, options.out, f"web-{options.run.name}")
            tensors = {
                name: torch.tensor(data).reshape(dims) for name, (dims, data) in page.execute_script(READ).items()
            }
            theirs = tensors.pop("output")
            ours = method.translate(tensors, options.direction)
            difference = float((ours - theirs).abs().max())
            seen = [r["name"] for r in page.execute_script("return performance.getEntriesByType('resource')")]
            print(f"{message()} {tuple(theirs.shape)}: largest difference from torch {difference:.1e} of [-1, 1]")
            print(
                "asked of other servers:",
                [n for n in seen if n.startswith("http") and "127.0.0.1" not in n] or "nothing",
            )
            server.shutdown()
    sys.exit(0 if difference < LARGEST else f"more than {LARGEST:g}")


if __name__ == "__main__":
    main()
