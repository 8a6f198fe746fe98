# SPDX-License-Identifier: GPL-2.0-only
"""Which documents are looked at, and when: what has changed, after a pause, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Final, NamedTuple, Protocol

from ctlint.lsp.checking import Answer, Question
from ctlint.lsp.documents import Document, Kind
from ctlint.lsp.worker import NoAnswer

PAUSE: Final = 0.3
"""Seconds without a change before a document is looked at."""

PATIENCE: Final = 1.0
"""Seconds that an answer may have taken and still be waited for, when it is out of date: to start
the process anew takes as long.
"""

LARGE: Final = 1 << 20
"""Characters. Larger documents are looked at when they are opened or saved, not as they change."""

MOST: Final = 32 << 20
"""Characters. Larger documents are not looked at."""


class Answering(Protocol):
    """Who answers; see :class:`ctlint.lsp.worker.Worker`."""

    async def ask(self, question: Question) -> Answer:
        """The answer. Raises NoAnswer."""
        ...


class Readers(Protocol):
    """Who is told what comes of it."""

    def found(self, answer: Answer) -> None:
        """What holds of a unit from now on."""
        ...

    def over(self, unit: str) -> None:
        """Nothing is known of a unit any more."""
        ...

    def failed(self, name: str, why: str) -> None:
        """A document cannot be looked at."""
        ...


class Checked(NamedTuple):
    """An answer, and the versions of the open documents that it is about, by name."""

    answer: Answer
    versions: Mapping[str, int]


class Rounds:
    """The open documents and what is known of them."""

    def __init__(self, worker: Answering, readers: Readers) -> None:
        self.documents: dict[str, Document] = {}
        """By URI."""
        self.workspace = ""
        self._worker = worker
        self._readers = readers
        self._checked: dict[str, Checked] = {}
        self._units: dict[str, str] = {}
        # What is to be looked at, each with the number of the wish.
        self._wanted: dict[str, int] = {}
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._now: tuple[str, float] = ("", 0.0)

    # What happens to documents

    def opened(self, document: Document) -> None:
        """A document is open, with this text."""
        self.documents[document.uri] = document
        self._want([document.name, *self._readers_of(document.name)], 0)

    def changed(self, document: Document) -> None:
        """A document has another text."""
        self.documents[document.uri] = document
        if len(document.text) <= LARGE:
            self._want([document.name, *self._readers_of(document.name)], PAUSE)

    def saved(self, uri: str) -> None:
        """A document is as its file is."""
        document = self.documents.get(uri)
        if document is None:
            return
        if document.kind is Kind.CONFIG:
            self.everything()
        elif len(document.text) > LARGE:
            self._want([document.name], 0)

    def closed(self, uri: str) -> None:
        """A document counts no more; its file does."""
        document = self.documents.pop(uri, None)
        if document is None or self.named(document.name) is not None:
            return
        self._wanted.pop(document.name, None)
        self._want(self._readers_of(document.name), 0)
        self._leave(document.name)

    def everything(self) -> None:
        """What documents hang on has changed."""
        self._want([document.name for document in self.documents.values()], PAUSE)

    def stop(self) -> None:
        """Nothing is looked at any more."""
        self._wanted.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    # What is known

    def named(self, name: str) -> Document | None:
        """The open document of that name."""
        return next((each for each in self.documents.values() if each.name == name), None)

    def checked(self, name: str) -> Checked | None:
        """What is known of a document, if it is about the text that it has now."""
        found = self._checked.get(self._units.get(name, ""))
        return found if found is not None and self.is_current(found, name) else None

    def is_current(self, checked: Checked, name: str) -> bool:
        """Whether an answer is about the text that a file has now."""
        document = self.named(name)
        return checked.versions.get(name) == (None if document is None else document.version)

    def again(self) -> Iterator[Answer]:
        """All that is known, to be told anew."""
        for checked in self._checked.values():
            yield checked.answer

    def _readers_of(self, name: str) -> list[str]:
        """Open documents whose answers hang on a file."""
        units = {unit for unit, found in self._checked.items() if name in found.answer.read}
        return [each for each, unit in self._units.items() if unit in units and each != name]

    # Rounds

    def _want(self, names: Iterable[str], delay: float) -> None:
        loop = asyncio.get_running_loop()
        unit, began = self._now
        for name in names:
            self._wanted[name] = next(self._numbers)
            is_late = loop.time() - began > PATIENCE
            if self._task is not None and is_late and unit in (name, self._units.get(name)):
                self._task.cancel()
        if self._wanted:
            self._wake(delay)

    def _wake(self, delay: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay, self._go)

    def _go(self) -> None:
        self._timer = None
        while self._wanted and self._task is None:
            name = next(iter(self._wanted))
            del self._wanted[name]
            document = self.named(name)
            if document is None:
                continue
            if document.kind is None or len(document.text) > MOST:
                if document.kind is not None:
                    self._readers.failed(name, "too large for an editor; ctlint lint reads it")
                self._leave(name)
                continue
            number = next(self._numbers)
            self._now = (self._units.get(name, name), asyncio.get_running_loop().time())
            self._task = asyncio.create_task(self._round(document, document.kind, number))
            self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._readers.failed("", f"{type(error).__name__}: {error}")
        if self._wanted and self._timer is None:
            self._go()

    async def _round(self, document: Document, kind: Kind, number: int) -> None:
        ours = [each for each in self.documents.values() if _counts(each) or each is document]
        texts = {each.name: each.text for each in ours}
        versions = {each.name: each.version for each in ours}
        try:
            answer = await self._worker.ask(Question(document.name, kind, texts, self.workspace))
        except NoAnswer as error:
            self._readers.failed(document.name, str(error))
            self._leave(document.name)
            return
        checked = Checked(answer, {file: versions[file] for file in answer.files if file in texts})
        if not all(self.is_current(checked, file) for file in answer.files):
            return
        for file in answer.files:
            if self.named(file) is not None and self._wanted.get(file, number) < number:
                del self._wanted[file]
        for file in answer.own:
            if file in checked.versions:
                self._enter(file, answer.unit)
        self._checked[answer.unit] = checked
        self._readers.found(answer)

    def _enter(self, name: str, unit: str) -> None:
        """A document belongs to a unit."""
        if self._units.get(name) != unit:
            self._leave(name)
            self._units[name] = unit

    def _leave(self, name: str) -> None:
        """A document belongs to no unit; one without documents is over."""
        unit = self._units.pop(name, None)
        if unit is None:
            return
        others = [each for each, its in self._units.items() if its == unit]
        if others:
            self._want(others, 0)
        else:
            del self._checked[unit]
            self._readers.over(unit)


def _counts(document: Document) -> bool:
    """Whether the text of an open document wins over its file."""
    return document.kind not in (None, Kind.CONFIG)
