"""A client of yaml-language-server, over its standard streams."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SERVER = os.environ.get("YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")
"""The program; `npm install yaml-language-server` brings it."""
CAPABILITIES = {
    "textDocument": {
        "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}},
        "hover": {"contentFormat": ["markdown"]},
    },
    "workspace": {"configuration": True},
}
SETTINGS = {"yaml": {"completion": True, "hover": True, "validate": True, "schemaStore": {"enable": False}}}


class Editor:
    """One document after the other, each with the schema in its folder."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process, self._folder, self._number = process, folder, 0
        self._ask("initialize", {"processId": os.getpid(), "rootUri": folder.as_uri(), "capabilities": CAPABILITIES})
        self._send({"method": "initialized", "params": {}})
        self._send({"method": "workspace/didChangeConfiguration", "params": {"settings": SETTINGS}})

    def completions(self, text: str) -> list[dict[str, Any]]:
        """The items at the mark `|` of a document."""
        found = self._at(text, "textDocument/completion")
        return found["items"] if isinstance(found, dict) else found or []

    def hover(self, text: str) -> str:
        """What is shown over the mark `|` of a document."""
        found = self._at(text, "textDocument/hover")
        return found["contents"]["value"] if found else ""

    def problems(self, text: str) -> list[str]:
        """What the schema refuses."""
        uri = self._open(text)
        while True:
            message = self._read()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                return [problem["message"] for problem in message["params"]["diagnostics"]]

    def _at(self, text: str, method: str) -> Any:
        before = text.partition("|")[0]
        place = {"line": before.count("\n") + 1, "character": len(before) - before.rfind("\n") - 1}
        uri = self._open(text.replace("|", "", 1))
        return self._ask(method, {"textDocument": {"uri": uri}, "position": place})

    def _open(self, text: str) -> str:
        self._number += 1
        uri = (self._folder / f"{self._number}.yaml").as_uri()
        content = f"# yaml-language-server: $schema=recipe.schema.json\n{text}"
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": content}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def _ask(self, method: str, params: Any) -> Any:
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        while (message := self._read()).get("id") != number or "method" in message:
            pass
        assert "error" not in message, message
        return message["result"]

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        """The next message; what the server asks for itself is answered."""
        stream = self._process.stdout
        assert stream
        length = 0
        while (line := stream.readline().strip()) or not length:
            assert line or self._process.poll() is None, "the server has ended"
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        message = json.loads(stream.read(length))
        if "id" in message and "method" in message:
            items = message.get("params", {}).get("items", []) if isinstance(message.get("params"), dict) else []
            answer = [SETTINGS.get(item.get("section")) for item in items] or None
            self._send({"id": message["id"], "result": answer})
        return message


@contextmanager
def editor(folder: Path) -> Iterator[Editor]:
    """An editor of recipes in a folder that has `recipe.schema.json`."""
    assert SERVER
    process = subprocess.Popen([SERVER, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield Editor(process, folder)
    finally:
        process.kill()
        process.wait()
