# SPDX-License-Identifier: GPL-2.0-only
"""Which documents are looked at and when, with a worker that answers at a word of the test."""

from __future__ import annotations

import asyncio

import pytest

from ctlint.lsp import rounds as module
from ctlint.lsp.checking import Answer, Question
from ctlint.lsp.documents import Document
from ctlint.lsp.rounds import PATIENCE, PAUSE, Rounds
from ctlint.lsp.worker import NoAnswer
from tests.unit.lsp.clock import run

DUMP = "*filter\nCOMMIT\n"


class Bench:
    """Rounds, their worker, and what was told. ``units`` says to which host a file belongs."""

    def __init__(self, units: dict[str, tuple[str, tuple[str, ...]]] | None = None) -> None:
        self.units = units or {}
        self.asked: list[Question] = []
        self.cancelled = 0
        self.told: list[tuple[str, str]] = []
        self._going: asyncio.Future[Answer] | None = None
        self.rounds = Rounds(self, self)

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        self._going = asyncio.get_running_loop().create_future()
        try:
            return await self._going
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def done(self, error: Exception | None = None) -> None:
        """The question that waits has its answer."""
        assert self._going is not None
        name = self.asked[-1].name
        unit, files = self.units.get(name, (name, (name,)))
        if error is not None:
            self._going.set_exception(error)
        else:
            self._going.set_result(Answer(unit, files, files, files))
        self._going = None
        await asyncio.sleep(0.01)

    @property
    def is_asked(self) -> bool:
        """Whether a question waits."""
        return self._going is not None

    def found(self, answer: Answer) -> None:
        self.told.append(("found", answer.unit))

    def over(self, unit: str) -> None:
        self.told.append(("over", unit))

    def failed(self, name: str, why: str) -> None:
        self.told.append(("failed", f"{name}: {why}"))


def _document(name: str, version: int = 1, text: str = DUMP) -> Document:
    return Document(f"file://{name}", name, version, "", text)


def test_what_is_opened_is_looked_at() -> None:
    async def test() -> None:
        bench = Bench()
        bench.rounds.opened(_document("/a.v4"))
        await asyncio.sleep(0.01)
        assert [each.name for each in bench.asked] == ["/a.v4"]
        assert bench.asked[0].texts == {"/a.v4": DUMP}
        await bench.done()
        assert bench.told == [("found", "/a.v4")]
        assert bench.rounds.checked("/a.v4") is not None

    run(test())


def test_changes_wait_for_a_pause() -> None:
    async def test() -> None:
        bench = Bench()
        document = _document("/a.v4")
        bench.rounds.opened(document)
        await asyncio.sleep(0.01)
        await bench.done()
        for version in range(2, 6):
            bench.rounds.changed(document._replace(version=version, text=f"{DUMP}#{version}\n"))
            assert bench.rounds.checked("/a.v4") is None
            await asyncio.sleep(PAUSE / 2)
        assert len(bench.asked) == 1
        await asyncio.sleep(2 * PAUSE)
        assert [each.texts["/a.v4"] for each in bench.asked[1:]] == [f"{DUMP}#5\n"]
        await bench.done()
        assert bench.told == [("found", "/a.v4")] * 2

    run(test())


def test_an_answer_that_comes_too_late_is_not_told() -> None:
    async def test() -> None:
        bench = Bench()
        document = _document("/a.v4")
        bench.rounds.opened(document)
        await asyncio.sleep(0.01)
        bench.rounds.changed(document._replace(version=2))
        await bench.done()
        assert bench.told == []
        await asyncio.sleep(2 * PAUSE)
        await bench.done()
        assert bench.told == [("found", "/a.v4")]
        assert bench.cancelled == 0

    run(test())


def test_a_newer_version_cancels_what_takes_long() -> None:
    async def test() -> None:
        bench = Bench()
        document = _document("/a.v4")
        bench.rounds.opened(document)
        await asyncio.sleep(2 * PATIENCE)
        bench.rounds.changed(document._replace(version=2, text=f"{DUMP}#\n"))
        await asyncio.sleep(2 * PAUSE)
        assert bench.cancelled == 1
        assert bench.asked[-1].texts == {"/a.v4": f"{DUMP}#\n"}
        await bench.done()
        assert bench.told == [("found", "/a.v4")]

    run(test())


def test_another_document_cancels_nothing() -> None:
    async def test() -> None:
        bench = Bench()
        bench.rounds.opened(_document("/a.v4"))
        await asyncio.sleep(2 * PATIENCE)
        bench.rounds.opened(_document("/b.v4"))
        await asyncio.sleep(0.01)
        assert (bench.cancelled, len(bench.asked)) == (0, 1)
        await bench.done()
        await bench.done()
        assert bench.told == [("found", "/a.v4"), ("found", "/b.v4")]

    run(test())


HOST = ("/h", ("/h/rules.v4", "/h/sysctl"))


def test_documents_of_one_host_are_looked_at_once() -> None:
    async def test() -> None:
        bench = Bench({"/h/rules.v4": HOST, "/h/sysctl": HOST})
        for name in ("/h/rules.v4", "/h/sysctl"):
            bench.rounds.opened(_document(name))
        await asyncio.sleep(0.01)
        await bench.done()
        assert not bench.is_asked
        assert bench.told == [("found", "/h")]
        bench.rounds.changed(_document("/h/sysctl", 2))
        assert bench.rounds.checked("/h/rules.v4") is not None
        assert bench.rounds.checked("/h/sysctl") is None
        await asyncio.sleep(2 * PAUSE)
        await bench.done()
        assert bench.told == [("found", "/h")] * 2
        await asyncio.sleep(2 * PAUSE)
        assert not bench.is_asked

    run(test())


def test_the_host_of_what_is_closed_is_looked_at_again() -> None:
    """What was not saved is gone: the file counts."""

    async def test() -> None:
        bench = Bench({"/h/rules.v4": HOST, "/h/sysctl": HOST})
        rules, settings = _document("/h/rules.v4"), _document("/h/sysctl")
        bench.rounds.opened(rules)
        bench.rounds.opened(settings)
        await asyncio.sleep(0.01)
        await bench.done()
        bench.rounds.closed(settings.uri)
        await asyncio.sleep(0.01)
        assert set(bench.asked[-1].texts) == {"/h/rules.v4"}
        await bench.done()
        bench.rounds.closed(rules.uri)
        await asyncio.sleep(2 * PAUSE)
        assert bench.told == [("found", "/h"), ("found", "/h"), ("over", "/h")]
        assert not bench.is_asked

    run(test())


def test_what_is_closed_meanwhile_is_not_told() -> None:
    async def test() -> None:
        bench = Bench()
        document = _document("/a.v4")
        bench.rounds.opened(document)
        await asyncio.sleep(0.01)
        bench.rounds.closed(document.uri)
        await bench.done()
        assert bench.told == []

    run(test())


def test_settings_that_others_hang_on() -> None:
    async def test() -> None:
        bench = Bench()
        bench.rounds.opened(_document("/a.v4"))
        await asyncio.sleep(0.01)
        assert bench._going is not None
        bench._going.set_result(Answer("/a.v4", ("/a.v4",), ("/a.v4", "/s.conf"), ("/s.conf",)))
        await asyncio.sleep(0.01)
        bench.rounds.opened(Document("file:///s.conf", "/s.conf", 1, "sysctl", ""))
        await asyncio.sleep(0.01)
        await bench.done()
        await asyncio.sleep(0.01)
        assert [each.name for each in bench.asked] == ["/a.v4", "/s.conf", "/a.v4"]

    run(test())


def test_documents_that_are_none_of_ours() -> None:
    async def test() -> None:
        bench = Bench()
        document = _document("/a.txt", text="hello\n")
        bench.rounds.opened(document)
        await asyncio.sleep(2 * PAUSE)
        assert not bench.is_asked
        bench.rounds.changed(document._replace(version=2, text=DUMP))
        await asyncio.sleep(2 * PAUSE)
        await bench.done()
        bench.rounds.changed(document._replace(version=3, text="hello\n"))
        await asyncio.sleep(2 * PAUSE)
        assert bench.told == [("found", "/a.txt"), ("over", "/a.txt")]

    run(test())


def test_large_documents_wait_until_they_are_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 100)
    monkeypatch.setattr(module, "MOST", 1_000)

    async def test() -> None:
        bench = Bench()
        document = _document("/a.v4", text=DUMP + "#" * 100)
        bench.rounds.opened(document)
        await asyncio.sleep(0.01)
        await bench.done()
        bench.rounds.changed(document._replace(version=2))
        await asyncio.sleep(2 * PAUSE)
        assert not bench.is_asked
        bench.rounds.saved(document.uri)
        await asyncio.sleep(0.01)
        await bench.done()
        assert bench.told == [("found", "/a.v4")] * 2
        bench.rounds.changed(document._replace(version=3, text=DUMP + "#" * 1_000))
        bench.rounds.saved(document.uri)
        await asyncio.sleep(2 * PAUSE)
        assert not bench.is_asked
        assert bench.told[2][0] == "failed"
        assert bench.told[3] == ("over", "/a.v4")

    run(test())


def test_a_failure_leaves_nothing_that_may_be_wrong() -> None:
    async def test() -> None:
        bench = Bench()
        document = _document("/a.v4")
        bench.rounds.opened(document)
        await asyncio.sleep(0.01)
        await bench.done()
        bench.rounds.changed(document._replace(version=2))
        await asyncio.sleep(2 * PAUSE)
        await bench.done(NoAnswer("its process has ended"))
        expected = ("failed", "/a.v4: its process has ended")
        assert bench.told[1:] == [expected, ("over", "/a.v4")]
        # The next change is looked at as ever.
        bench.rounds.changed(document._replace(version=3))
        await asyncio.sleep(2 * PAUSE)
        await bench.done()
        assert bench.told[-1] == ("found", "/a.v4")

    run(test())


def test_a_saved_configuration_concerns_all() -> None:
    async def test() -> None:
        bench = Bench()
        config = _document("/ctlint.toml", text="")
        for document in (_document("/a.v4"), config):
            bench.rounds.opened(document)
        await asyncio.sleep(0.01)
        await bench.done()
        await bench.done()
        assert "/ctlint.toml" not in bench.asked[0].texts
        assert bench.asked[1].texts["/ctlint.toml"] == ""
        bench.rounds.changed(config._replace(version=2))
        await asyncio.sleep(2 * PAUSE)
        await bench.done()
        assert [each.name for each in bench.asked] == ["/a.v4", "/ctlint.toml", "/ctlint.toml"]
        bench.rounds.saved(config.uri)
        await asyncio.sleep(2 * PAUSE)
        await bench.done()
        await bench.done()
        assert {each.name for each in bench.asked[3:]} == {"/a.v4", "/ctlint.toml"}

    run(test())


def test_a_file_under_two_uris() -> None:
    async def test() -> None:
        bench = Bench()
        one = _document("/a.v4")
        other = one._replace(uri="file://localhost/a.v4")
        bench.rounds.opened(one)
        bench.rounds.opened(other)
        await asyncio.sleep(0.01)
        await bench.done()
        bench.rounds.closed(other.uri)
        assert ("over", "/a.v4") not in bench.told
        bench.rounds.closed(one.uri)
        await asyncio.sleep(2 * PAUSE)
        assert bench.told[-1] == ("over", "/a.v4")

    run(test())
