# SPDX-License-Identifier: GPL-2.0-only
"""The server of one client: its documents, what is known of them, and what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from ctlint import __version__
from ctlint.lsp.actions import Actions, OpenFile
from ctlint.lsp.board import Board
from ctlint.lsp.checking import Answer
from ctlint.lsp.diagnostics import Reporter
from ctlint.lsp.documents import Document
from ctlint.lsp.names import is_path, name_of, uri_of
from ctlint.lsp.positions import Places, whole
from ctlint.lsp.preferences import Preferences, read_preferences
from ctlint.lsp.rounds import Checked, Rounds
from ctlint.lsp.worker import Worker
from ctlint.report.escape import visible


class Server(LanguageServer):
    """The language server of one client."""

    def __init__(self, worker: Worker) -> None:
        # Whole texts: pygls counts lines that no client does (U+2028), which edits of parts of a
        # text would fall for.
        super().__init__(
            "ctlint", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full
        )
        self.rounds = Rounds(worker, self)
        self.board = Board(self._publish)
        self.preferences = Preferences()
        self.was_shut_down = False
        self._places: dict[str, Places] = {}
        self._fixed: tuple[Checked, str, types.CodeAction | None] | None = None
        # How the client spells the URIs of documents, also of those that it has closed.
        self._uris: dict[str, str] = {}

    # What the rounds tell

    def found(self, answer: Answer) -> None:
        """Shows what holds of a unit."""
        reporter = Reporter(lambda name: self.places(name, answer), self.uri)
        shows_undecided = self.preferences.undecided or answer.is_pedantic
        self.board.put(answer.unit, reporter.diagnostics(answer, shows_undecided=shows_undecided))

    def over(self, unit: str) -> None:
        """Shows nothing of a unit any more."""
        self.board.put(unit, {})

    def failed(self, name: str, why: str) -> None:
        """Tells why a document is not looked at."""
        self.log(f"{name}: {why}" if name else why, types.MessageType.Error)

    # Documents

    def document_of(self, item: types.TextDocumentItem) -> Document:
        """A document that the client has opened."""
        name = name_of(item.uri)
        self._uris[name] = item.uri
        return Document(item.uri, name, item.version, item.language_id, whole(item.text))

    def uri(self, name: str) -> str:
        """The URI of a file, as the client spells it where it has."""
        return self._uris.get(name) or uri_of(name)

    def places(self, name: str, answer: Answer) -> Places | None:
        """The places of a file: of its open document, else of what an answer knows of it."""
        document = self.rounds.named(name)
        if document is None:
            text = answer.texts.get(name)
            return None if text is None else Places(text, self.encoding)
        return self.places_in(document)

    def places_in(self, document: Document) -> Places:
        """The places of an open document."""
        known = self._places.get(document.name)
        if known is None or known.text is not document.text:
            known = self._places[document.name] = Places(document.text, self.encoding)
        return known

    def forget(self, document: Document) -> None:
        """The text of a closed document is needed no more."""
        self._places.pop(document.name, None)

    @property
    def encoding(self) -> types.PositionEncodingKind:
        """The encoding of positions."""
        return types.PositionEncodingKind(self.workspace.position_encoding)

    def actions(self, checked: Checked) -> Actions:
        """What can be done about findings. Files that have changed since are not edited."""
        answer = checked.answer
        abilities = self.client_capabilities

        def file(name: str) -> OpenFile | None:
            places = self.places(name, answer)
            if places is None or not (is_path(name) or self.rounds.named(name)):
                return None
            if name in answer.files and not self.rounds.is_current(checked, name):
                return None
            return OpenFile(self.uri(name), checked.versions.get(name), places)

        edits = abilities.workspace and abilities.workspace.workspace_edit
        window = abilities.window
        return Actions(
            file,
            Reporter(lambda name: self.places(name, answer), self.uri),
            has_versions=bool(edits and edits.document_changes),
            shows_pages=bool(window and window.show_document and window.show_document.support),
        )

    def fix_all(self, checked: Checked, name: str) -> types.CodeAction | None:
        """All safe fixes of a document. Some clients ask at each move of the cursor."""
        if self._fixed is None or self._fixed[0] is not checked or self._fixed[1] != name:
            found = self.actions(checked).fix_all(checked.answer.findings, name)
            self._fixed = checked, name, found
        return self._fixed[2]

    # What the client is told

    def _publish(self, name: str, diagnostics: Sequence[types.Diagnostic]) -> None:
        document = self.rounds.named(name)
        version = None if document is None else document.version
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(self.uri(name), list(diagnostics), version)
        )

    def prefer(self, given: Any) -> None:
        """The client's settings."""
        self.preferences, wrong = read_preferences(given)
        for what in wrong:
            self.log(what, types.MessageType.Warning)
        for answer in self.rounds.again():
            self.found(answer)

    def log(self, what: str, kind: types.MessageType) -> None:
        """Tells something that concerns no place in a document."""
        self.window_log_message(types.LogMessageParams(kind, f"ctlint: {visible(what)}"))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """An error in a handler; requests have an answer that says it."""
        del source
        self.log(f"{type(error).__name__}: {error}", types.MessageType.Error)
