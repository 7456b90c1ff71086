"""Other processes that begin with gankit loaded: forks of a server that has imported it once.

They are processes like any other, to be killed, signalled, or told to train together; what is spared are the seconds
of CPU that each of them would take to import torch.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

FORKS = multiprocessing.get_context("forkserver")
LATE = ["torch._dynamo", "torch.utils.tensorboard", "gankit.report.page", "gankit.report.showcase"]
"""What a training imports when it begins or ends: two seconds of CPU for each process."""
FORKS.set_forkserver_preload(["gankit.api", "gankit.cli.main", "gankit.training.loop", "tests.training.tiny", *LATE])
LONGEST = 600


class Other:
    """A function in a process of its own, in this one's directory. environment: variables beside this one's.

    log: the file for what it writes to stdout and stderr. The function is one of a module, for it is found by name.
    """

    def __init__(self, log: Path, function: Callable[..., Any], *arguments: Any, **environment: str) -> None:
        self.log = log
        given = str(log), os.getcwd(), os.environ | environment, function, arguments
        self.process = FORKS.Process(target=_inside, args=given)
        self.process.start()

    def end(self) -> tuple[int | None, str]:
        """Its exit code, minus the number of a signal, and what it wrote."""
        try:
            self.process.join(LONGEST)
        finally:
            self.process.kill()
        self.process.join()
        return self.process.exitcode, self.log.read_text()


def _inside(log: str, folder: str, environment: dict[str, str], function: Callable[..., Any], arguments: Any) -> None:
    multiprocessing.set_start_method(None, force=True)  # its own processes are its children, not the server's
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    function(*arguments)
