"""Commands of gankit as processes, some at a time; ended together."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PROGRAM = (sys.executable, "-m", "gankit.cli.main")
BUSY = "another process is training it"
STOPPED = "stopped"


class Processes:
    """Runs commands, `count` at once, each with a log of its own.

    Ctrl-C and SIGTERM end them: each is asked once, saves and ends; at a second Ctrl-C, at once. They have sessions of
    their own, so that the terminal's Ctrl-C does not reach them twice. A log is locked as long as its process lives,
    even if this one is killed: so that nothing is trained by two processes.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, commands: Mapping[Path, Sequence[str]], done: Callable[[Path, str], None]) -> None:
        """Run the commands, by their logs; tell `done` of each as it ends: its log, and what went wrong or "".

        Raises KeyboardInterrupt when all have ended that were running at Ctrl-C.
        """
        with _sigterm_too(), ThreadPoolExecutor(self._count) as threads:
            futures = {threads.submit(self._one, log, command): log for log, command in commands.items()}
            try:
                for future in as_completed(futures):
                    done(futures[future], future.result())
            except BaseException:
                self._end(futures)
                raise

    def _one(self, log: Path, command: Sequence[str]) -> str:
        if self._stopped:
            return STOPPED
        try:
            with open(log, "ab") as file:
                if not _locked(file):
                    return BUSY
                with self._lock:
                    if self._stopped:
                        return STOPPED
                    file.write(f"$ gankit {shlex.join(command)}\n".encode())
                    file.flush()
                    process = subprocess.Popen(
                        [*PROGRAM, *command],
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                    self._running.add(process)
                code = process.wait()
        except OSError as e:
            return f"{log}: {(e.strerror or str(e)).lower()}"
        with self._lock:
            self._running.discard(process)
        return _failure(log, code) if code else ""

    def _end(self, futures: Mapping[Future[str], Path]) -> None:
        """Ask all to end, and wait for them."""
        self._stop()
        try:
            wait(futures)
        except KeyboardInterrupt:
            self._stop()
            wait(futures)

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()


def _failure(log: Path, code: int) -> str:
    """How it ended, with the last line that it said."""
    how = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
    said = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f"{how}: {said[-1]}" if said and not said[-1].startswith("$ gankit ") else how


@contextmanager
def _sigterm_too() -> Iterator[None]:
    """SIGTERM is as Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _locked(file: BinaryIO) -> bool:
    """Lock a file for this process and those that inherit it; true too where there are no such locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
