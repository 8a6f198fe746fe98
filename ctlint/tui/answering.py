# SPDX-License-Identifier: GPL-2.0-only
"""A thread that answers, one question after the other: the last that was asked, always.

Who leaves the view does not wait for an answer: the thread is a daemon. A process must not end in
the usual way while it works, for then the interpreter goes away under what it calls (diagrams in
Rust).
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread
from typing import NamedTuple

from rich.text import Text
from textual.message import Message

from ctlint.analysis.settings import BadSettingError
from ctlint.analysis.whatif import Question
from ctlint.model.netfilter.traverse import EndlessWalkError
from ctlint.report.escape import visible
from ctlint.tui.desk import Desk
from ctlint.tui.panes import Pane, pane_text, status_text


class Request(NamedTuple):
    """What a pane of this size shall show; ``sysctl`` is the one that is chosen."""

    question: Question
    pane: Pane
    sysctl: str | None
    width: int
    height: int


class Answered(Message):
    """What the pane and the line below it show from now on."""

    def __init__(self, request: Request, status: Text, text: Text) -> None:
        super().__init__()
        self.request = request
        self.status = status
        self.text = text


class Failed(Message):
    """A fault of our own."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Answering(Thread):
    """The thread. ``post`` takes its messages, from any thread; ``wanted`` was asked last."""

    def __init__(self, desk: Desk, post: Callable[[Message], bool]) -> None:
        super().__init__(name="answering", daemon=True)
        self._desk = desk
        self._post = post
        self._changed = Condition()
        self._is_over = False
        self.wanted: Request | None = None

    def ask(self, request: Request) -> None:
        """This is wanted now, and nothing that was before."""
        with self._changed:
            self.wanted = request
            self._changed.notify()

    def end(self) -> None:
        """Nothing is wanted any more."""
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def run(self) -> None:
        """Answers until the end."""
        done: Request | None = None
        while True:
            with self._changed:
                while self.wanted is done and not self._is_over:
                    self._changed.wait()
                if self._is_over:
                    return
                request = self.wanted
            done = request
            if request is None:
                continue
            message = self._answer(request)
            if not self._is_over:
                self._post(message)

    def _answer(self, request: Request) -> Message:
        try:
            status = status_text(self._desk.answer(request.question))
            text = pane_text(
                request.pane,
                self._desk,
                request.question,
                request.sysctl,
                request.width,
                request.height,
            )
        except (BadSettingError, EndlessWalkError) as error:
            status = text = Text(visible(str(error)), "bold red")
        except Exception as error:  # told where the view has ended
            return Failed(error)
        return Answered(request, status, text)
