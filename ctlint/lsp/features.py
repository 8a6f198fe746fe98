# SPDX-License-Identifier: GPL-2.0-only
"""The messages of the client that are answered."""

from __future__ import annotations

from typing import Any, Final

from lsprotocol import types

from ctlint.lint.registry import shipped_rules
from ctlint.lsp.actions import FIX_ALL, OPEN_PAGE
from ctlint.lsp.documents import Kind
from ctlint.lsp.hover import hover
from ctlint.lsp.names import is_path, name_of
from ctlint.lsp.pages import page_uri
from ctlint.lsp.positions import whole
from ctlint.lsp.preferences import SECTION
from ctlint.lsp.server import Server
from ctlint.lsp.worker import Worker

WATCHED: Final = (
    "**/ctlint.toml",
    "**/pyproject.toml",
    "**/*iptables*",
    "**/*ip6tables*",
    "**/rules.v4",
    "**/rules.v6",
    "**/*sysctl*",
    "**/sysctl.d/*.conf",
    "**/*ipset*",
)
"""Files that answers may hang on."""

_ACTIONS: Final = types.CodeActionOptions([types.CodeActionKind.QuickFix, FIX_ALL])


def create(worker: Worker) -> Server:
    """A server that answers."""
    server = Server(worker)
    for method, handler, options in (
        (types.INITIALIZE, _initialize, None),
        (types.INITIALIZED, _initialized, None),
        (types.SHUTDOWN, _shutdown, None),
        (types.TEXT_DOCUMENT_DID_OPEN, _opened, None),
        (types.TEXT_DOCUMENT_DID_CHANGE, _changed, None),
        (types.TEXT_DOCUMENT_DID_SAVE, _saved, None),
        (types.TEXT_DOCUMENT_DID_CLOSE, _closed, None),
        (types.WORKSPACE_DID_CHANGE_CONFIGURATION, _configured, None),
        (types.WORKSPACE_DID_CHANGE_WATCHED_FILES, _files_changed, None),
        (types.TEXT_DOCUMENT_HOVER, _hover, None),
        (types.TEXT_DOCUMENT_CODE_ACTION, _code_action, _ACTIONS),
    ):
        server.feature(method, options)(handler)
    server.command(OPEN_PAGE)(_open_page)
    return server


# Life


def _initialize(ls: Server, params: types.InitializeParams) -> None:
    folders = params.workspace_folders or []
    root = folders[0].uri if folders else params.root_uri or ""
    name = name_of(root)
    ls.rounds.workspace = name if is_path(name) else ""
    ls.prefer(params.initialization_options)


async def _initialized(ls: Server, params: types.InitializedParams) -> None:
    del params
    workspace = ls.client_capabilities.workspace
    watched = workspace and workspace.did_change_watched_files
    if watched and watched.dynamic_registration:
        watchers = [types.FileSystemWatcher(glob) for glob in WATCHED]
        what = types.Registration(
            "ctlint-files",
            types.WORKSPACE_DID_CHANGE_WATCHED_FILES,
            types.DidChangeWatchedFilesRegistrationOptions(watchers),
        )
        await ls.client_register_capability_async(types.RegistrationParams([what]))
    await _ask_for_settings(ls)


def _shutdown(ls: Server, params: None) -> None:
    del params
    ls.was_shut_down = True
    ls.rounds.stop()


# Documents


def _opened(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    ls.rounds.opened(ls.document_of(params.text_document))


def _changed(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    uri = params.text_document.uri
    document = ls.rounds.documents.get(uri)
    if document is not None:
        text = whole(ls.workspace.get_text_document(uri).source)
        version = params.text_document.version
        ls.rounds.changed(document._replace(text=text, version=version))


def _saved(ls: Server, params: types.DidSaveTextDocumentParams) -> None:
    ls.rounds.saved(params.text_document.uri)


def _closed(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    document = ls.rounds.documents.get(params.text_document.uri)
    ls.rounds.closed(params.text_document.uri)
    if document is not None:
        ls.forget(document)


# Settings and files


async def _configured(ls: Server, params: types.DidChangeConfigurationParams) -> None:
    if params.settings:
        ls.prefer(params.settings)
    else:
        await _ask_for_settings(ls)


async def _ask_for_settings(ls: Server) -> None:
    workspace = ls.client_capabilities.workspace
    if workspace and workspace.configuration:
        item = types.ConfigurationItem(section=SECTION)
        found = await ls.workspace_configuration_async(types.ConfigurationParams([item]))
        if found and found[0] is not None:
            ls.prefer(found[0])


def _files_changed(ls: Server, params: types.DidChangeWatchedFilesParams) -> None:
    del params
    ls.rounds.everything()


# Questions


def _hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    document = ls.rounds.documents.get(params.text_document.uri)
    if document is None or document.kind in (None, Kind.CONFIG):
        return None
    places = ls.places_in(document)
    line = places.line(params.position)
    checked = ls.rounds.checked(document.name)
    answer = None if checked is None else checked.answer
    said = hover(document.name, document.kind, places, line, answer)
    if not said:
        return None
    abilities = ls.client_capabilities.text_document
    forms = abilities and abilities.hover and abilities.hover.content_format
    is_plain = bool(forms) and types.MarkupKind.Markdown not in (forms or ())
    form = types.MarkupKind.PlainText if is_plain else types.MarkupKind.Markdown
    return types.Hover(types.MarkupContent(form, said), places.range(line, 1, 1))


def _code_action(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction] | None:
    document = ls.rounds.documents.get(params.text_document.uri)
    checked = None if document is None else ls.rounds.checked(document.name)
    if document is None or checked is None:
        return None
    actions = ls.actions(checked)
    found = list(actions.at(checked.answer.findings, document.name, params.range))
    everywhere = ls.fix_all(checked, document.name)
    found += [] if everywhere is None else [everywhere]
    only = params.context.only
    return [each for each in found if only is None or _is_asked(each, only)]


def _is_asked(action: types.CodeAction, only: Any) -> bool:
    """Whether a kind of action is one of those, or a part of one."""
    kind = str(getattr(action.kind, "value", action.kind))
    asked = [str(getattr(each, "value", each)) for each in only]
    return any(not each or kind == each or kind.startswith(f"{each}.") for each in asked)


def _open_page(ls: Server, rule: str) -> None:
    uri = page_uri(rule) if any(info.id == rule for info in shipped_rules()) else None
    if uri is not None:
        ls.window_show_document(types.ShowDocumentParams(uri, take_focus=True))
