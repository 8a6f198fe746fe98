# SPDX-License-Identifier: GPL-2.0-only
"""A headless Chromium that opens files with the network off, and tells what a page tried.

It is led over two pipes by the Chrome DevTools Protocol (``--remote-debugging-pipe``): messages are
JSON, each ends with a NUL byte.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from base64 import b64decode
from pathlib import Path
from types import TracebackType
from typing import Any, Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
_PATIENCE: Final = 60.0
"""Seconds that an answer may take: the machine may be busy."""

_SWITCHES: Final = (
    "--headless=new",
    "--no-sandbox",  # the only way as root; what is opened is ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-default-browser-check",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)


def find_chromium() -> str | None:
    """The program, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name)) is not None), None)


def _high(descriptor: int) -> int:
    """The same under a number that is none of those that the browser uses."""
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return high


class BrowserError(Exception):
    """The browser does not answer, or refuses."""


class Browser:
    """Chromium with one page. ``told`` are the page's errors and whatever it says on the console,
    ``requests`` what it asked for beside itself, ``dialogs`` what it opened.
    """

    def __init__(self, program: str) -> None:
        self.told: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self._loaded = 0
        self._number = 0
        self._buffer = b""
        self._session: str | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="ctlint-chromium-")
        theirs_in, self._to = map(_high, os.pipe())
        self._from, theirs_out = map(_high, os.pipe())
        command = [program, *_SWITCHES, f"--user-data-dir={self._folder.name}", "about:blank"]
        # The browser reads from descriptor 3 and writes to 4.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out} {theirs_in}<&- {theirs_out}>&-'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "HOME": self._folder.name},
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def __enter__(self) -> Browser:
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        self._ask(
            "Network.emulateNetworkConditions",
            **{"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._to)  # it ends with its pipe
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._from)
        self._folder.cleanup()

    def open(self, file: Path, *, width: int, height: int = 900, scheme: str = "light") -> None:
        """Opens a file in a window of that size, in the light or dark scheme."""
        self.told.clear()
        self.requests.clear()
        self.dialogs.clear()
        self.resize(width, height)
        self.show_as("screen", scheme)
        before = self._loaded
        done = self._ask("Page.navigate", url=file.resolve().as_uri())
        if "errorText" in done:
            raise BrowserError(f"{file}: {done['errorText']}")
        self._await(lambda: self._loaded > before)

    def show_as(self, medium: str, scheme: str = "light") -> None:
        """Shows the page as on a screen, or in print, in the light or dark scheme."""
        self._ask(
            "Emulation.setEmulatedMedia",
            media=medium,
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        """Gives the window another size."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        done = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in done:
            raise BrowserError(str(done["exceptionDetails"]))
        return done["result"].get("value")

    def press(self, key: str) -> None:
        """Presses a key: Tab, Enter, or a blank."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        known = {"key": key, "windowsVirtualKeyCode": code}
        self._ask("Input.dispatchKeyEvent", type="keyDown", text=text, **known)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **known)

    def screenshot(self) -> bytes:
        """A PNG of the window."""
        return b64decode(self._ask("Page.captureScreenshot", format="png")["data"])

    # The protocol

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        answer: dict[str, Any] = {}

        def has_come() -> bool:
            return bool(answer)

        self._await(has_come, number, answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        return answer["result"]

    def _await(
        self, is_done: Any, number: int | None = None, answer: dict[str, Any] | None = None
    ) -> None:
        """Reads messages until something has come."""
        end = time.monotonic() + _PATIENCE
        while not is_done():
            message = self._read(end)
            if answer is not None and message.get("id") == number:
                answer.update(message)
            elif "method" in message:
                self._note(message["method"], message.get("params", {}))

    def _read(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(end - time.monotonic(), 0))
            piece = os.read(self._from, 1 << 16) if ready else b""
            if not piece:
                raise BrowserError("the browser does not answer")
            self._buffer += piece
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, method: str, given: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded += 1
        elif method == "Log.entryAdded":
            self.told.append(given["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.told.append(str(given["args"]))
        elif method == "Runtime.exceptionThrown":
            self.told.append(str(given["exceptionDetails"]))
        elif method == "Network.requestWillBeSent" and given.get("type") != "Document":
            self.requests.append(given["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(given["message"])
