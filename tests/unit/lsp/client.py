# SPDX-License-Identifier: GPL-2.0-only
"""A small client of the language server: JSON-RPC over its standard streams, in a process of its
own (Language Server Protocol 3.17, "Base Protocol").
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any, Final

from tests.corpus import REPOSITORY

PATIENCE: Final = 60.0
"""Seconds: the machine may be busy."""

MARKDOWN: Final[Mapping[str, Any]] = {
    "workspace": {
        "workspaceEdit": {"documentChanges": True},
        "didChangeWatchedFiles": {"dynamicRegistration": True},
        "configuration": True,
    },
    "window": {"showDocument": {"support": True}},
    "textDocument": {"hover": {"contentFormat": ["markdown", "plaintext"]}},
}
"""What a modern editor can do."""

_ORIGIN: Final = {"line": 0, "character": 0}


class Client:
    """Talks to a server. ``settings`` are what it is told when it asks."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._arrived: Queue[dict[str, Any]] = Queue()
        self._number = 0
        self.settings: Any = None
        self.asked: list[dict[str, Any]] = []
        """The requests of the server."""
        self.told: list[dict[str, Any]] = []
        """The notifications of the server."""
        self._answers: dict[int, dict[str, Any]] = {}
        self._versions: dict[str, int] = {}
        self.reader = Thread(target=self._read, daemon=True)
        self.reader.start()

    # The wire

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            name, _, value = header.partition(b":")
            assert name == b"Content-Length", header
            while stream.readline() != b"\r\n":
                pass
            self._arrived.put(json.loads(stream.read(int(value))))

    def _send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def _take(self, seconds: float) -> bool:
        """Takes what has arrived. Whether anything has."""
        try:
            message = self._arrived.get(timeout=max(seconds, 0))
        except Empty:
            return False
        if "method" not in message:
            self._answers[message["id"]] = message
        elif "id" in message:
            self.asked.append(message)
            results = {
                "workspace/configuration": [self.settings],
                "window/showDocument": {"success": True},
            }
            self._send({"id": message["id"], "result": results.get(message["method"])})
        else:
            self.told.append(message)
        return True

    def wait(self, what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """What something gives as soon as it is true."""
        end = time.monotonic() + seconds
        while not (found := what()):
            left = end - time.monotonic()
            assert left > 0, f"nothing came; told: {self.told[-5:]}"
            self._take(min(left, 1))
        return found

    def quiet(self, seconds: float) -> None:
        """Takes what comes in so many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._take(left)

    def request(self, method: str, params: Any = None) -> Any:
        """The result of a request."""
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        answer = self.wait(lambda: self._answers.pop(number, None))
        assert "error" not in answer, answer
        return answer["result"]

    def notify(self, method: str, params: Any = None) -> None:
        """Tells something."""
        self._send({"method": method, "params": params})

    # Life

    def begin(self, abilities: Mapping[str, Any] = MARKDOWN, **more: Any) -> Any:
        """The first messages; what the server can do."""
        params = {"processId": os.getpid(), "rootUri": None, "capabilities": abilities, **more}
        result = self.request("initialize", params)
        self.notify("initialized", {})
        return result["capabilities"]

    def end(self) -> int:
        """The last messages; the exit code."""
        self.request("shutdown")
        self.notify("exit")
        return self.process.wait(PATIENCE)

    # Documents

    def open(self, path: Path | str, text: str | None = None, language: str = "") -> str:
        """Opens a document; its URI."""
        uri = path if isinstance(path, str) else path.as_uri()
        if text is None:
            assert isinstance(path, Path)
            text = path.read_text()
        self._versions[uri] = 1
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return uri

    def change(self, uri: str, text: str) -> None:
        """Changes a document."""
        self._versions[uri] += 1
        self.notify(
            "textDocument/didChange",
            {
                "textDocument": {"uri": uri, "version": self._versions[uri]},
                "contentChanges": [{"text": text}],
            },
        )

    def close(self, uri: str) -> None:
        """Closes a document."""
        del self._versions[uri]
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    def reset(self) -> None:
        """Closes all documents, and forgets what was said."""
        for uri in list(self._versions):
            self.close(uri)
        self.settings = None
        self.notify("workspace/didChangeConfiguration", {"settings": {"ctlint": {}}})
        self.request("textDocument/hover", {"textDocument": {"uri": ""}, "position": _ORIGIN})
        self.told.clear()
        self.asked.clear()

    def published(self, uri: str) -> list[dict[str, Any]]:
        """What was published of a file, message by message."""
        return [
            each["params"]
            for each in self.told
            if each["method"] == "textDocument/publishDiagnostics" and each["params"]["uri"] == uri
        ]

    def diagnostics(self, uri: str, version: int | None = None) -> list[dict[str, Any]]:
        """The diagnostics of a document in a version; by default that which was sent last."""
        wanted = self._versions.get(uri) if version is None else version
        self.wait(lambda: any(each.get("version") == wanted for each in self.published(uri)))
        found: list[dict[str, Any]] = self.published(uri)[-1]["diagnostics"]
        return found

    def hover(self, uri: str, line: int, character: int = 0) -> str:
        """What is said of a place, counted from 0; empty for nothing."""
        where = {"line": line, "character": character}
        params = {"textDocument": {"uri": uri}, "position": where}
        found = self.request("textDocument/hover", params)
        return "" if found is None else str(found["contents"]["value"])

    def actions(self, uri: str, line: int, only: Sequence[str] | None = None) -> list[Any]:
        """The code actions at a line, counted from 0."""
        where = {"line": line, "character": 0}
        context: dict[str, Any] = {"diagnostics": []}
        if only is not None:
            context["only"] = list(only)
        params = {
            "textDocument": {"uri": uri},
            "range": {"start": where, "end": where},
            "context": context,
        }
        return list(self.request("textDocument/codeAction", params) or [])

    def log(self) -> list[str]:
        """What was logged."""
        return [
            each["params"]["message"] for each in self.told if each["method"] == "window/logMessage"
        ]


@contextmanager
def serving(*modules: Path) -> Iterator[Client]:
    """A server that has begun to run, with more folders of modules; it is ended in the end."""
    command = [sys.executable, "-m", "ctlint", "lsp"]
    places = ":".join(map(str, (*modules, REPOSITORY)))
    environment = {**os.environ, "PYTHONPATH": places, "PYTHONWARNINGS": "error"}
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd="/",
    ) as process:
        client = Client(process)
        try:
            yield client
        finally:
            process.kill()
            client.reader.join()
