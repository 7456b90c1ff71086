"""Ctrl-C that loses nothing."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Within this, the first SIGINT or SIGTERM only sets `asked`; the second raises KeyboardInterrupt at once.

    Processes that fork from this one ignore Ctrl-C, which a terminal sends to them too, and end at SIGTERM; the
    loader's at the second one (`gankit.data.loader`). Outside of the main thread, where Python has no signals, it does
    nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
