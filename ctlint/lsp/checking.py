# SPDX-License-Identifier: GPL-2.0-only
"""What lint says of a document: of the host whose folder it lies in, else of it alone.

Texts of open documents win over what files hold. Nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from ctlint.analysis.settings import BadSettingError
from ctlint.finding import Finding, LintResult, Undecided
from ctlint.ir.span import Span
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.lint.baseline import compared
from ctlint.lint.config_reader import SECTION, read_config
from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona
from ctlint.lint.runner import Host, lint
from ctlint.lsp.documents import Kind, host_folders
from ctlint.lsp.names import is_path
from ctlint.parse.errors import ParseError, Problem
from ctlint.parse.ipset_save import parse_ipset_save
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.sysctl import parse_sysctl
from ctlint.source.baseline_files import read_baseline
from ctlint.source.config_files import NO_CONFIG, PROJECT_NAME, ConfigFile, config_of
from ctlint.source.configured import Configured
from ctlint.source.errors import SourceError
from ctlint.source.files import read_text
from ctlint.source.host_folders import host_files
from ctlint.source.inputs import HostInput, read_inputs

NO_RULES: Final = "*filter\nCOMMIT\n"
"""The rules under which settings without a host are looked at."""


class Question(NamedTuple):
    """A document, the texts of all that are open, by name, and the folder of the workspace, whose
    configuration holds for what is no file.
    """

    name: str
    kind: Kind
    texts: Mapping[str, str]
    workspace: str


class Answer(NamedTuple):
    """What was found. ``unit`` names what was looked at: a host's folder, or the document; ``own``
    are its files.

    ``files`` are those that findings may stand in, such as settings that several hosts share,
    ``read`` all that the answer hangs on. ``texts`` are those of files that are not open and in
    which something stands.
    """

    unit: str
    own: tuple[str, ...]
    files: tuple[str, ...]
    read: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    findings: tuple[Finding, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    is_pedantic: bool = False
    kernel: str = ""
    texts: Mapping[str, str] = {}


def answer(question: Question) -> Answer:
    """The answer to a question. Raises what is a fault of ctlint's own."""
    name, kind, texts, workspace = question
    if kind is Kind.CONFIG:
        return Answer(name, (name,), (name,), (), _problems_of_config(name, texts[name]))
    try:
        config = _config(name, workspace)
    except ParseError as error:
        first = error.problems[0]
        said = f"not looked at, since this is not read: {first.span}"
        here = Problem(Span(name, 1), said, first.message)
        found = Answer(name, (name,), (name,), (), (here, *error.problems))
        return _with_texts(found, texts)
    except SourceError as error:
        problem = Problem(Span(name, 1), error.message, error.hint)
        return Answer(name, (name,), (name,), (), (problem,))
    configured = Configured(config, {})
    if is_path(name) and configured.is_excluded(name):
        return Answer(name, (name,), (name,))
    unit, files = _unit(name, texts)
    if unit == name and kind is Kind.SETS:
        return Answer(name, files, files, (), _problems_of_sets(name, texts[name]))
    found = _Check(question, configured, unit, files).answer()
    return _with_texts(found, texts)


class _Check:
    def __init__(
        self, question: Question, configured: Configured, unit: str, files: tuple[str, ...]
    ) -> None:
        self.name = question.name
        self.kind = question.kind
        self.texts = question.texts
        self.configured = configured
        self.unit = unit
        self.files = files
        self.shared = self._paths("sysctl")
        self.sets = self._paths("sets")

    def _paths(self, key: str) -> tuple[str, ...]:
        return tuple(map(os.path.abspath, self.configured.paths(key)))

    def answer(self) -> Answer:
        read = (*self.files, *self.shared, *self.sets, *self.configured.read)
        nothing = Answer(self.unit, self.files, self.files, read)
        try:
            one = self._input()
            files = (*self.files, *(file for file in one.texts if file not in self.files))
            result = self._result(self.configured.host(one))
        except ParseError as error:
            return nothing._replace(problems=self._everywhere(*error.problems))
        except BadSettingError as error:
            problem = Problem(error.setting.span, str(error))
            return nothing._replace(problems=self._everywhere(problem))
        except SourceError as error:
            message = error.message.removeprefix(f"{self.name}: ")
            return nothing._replace(problems=(Problem(Span(self.name, 1), message, error.hint),))
        return nothing._replace(
            files=files,
            read=(*read, *one.texts),
            findings=tuple(each for each in result.findings if each.location.file in files),
            undecided=tuple(each for each in result.undecided if each.location.file in files),
            is_pedantic=self._persona is Persona.PEDANTIC,
            kernel=result.kernel,
        )

    def _everywhere(self, *problems: Problem) -> tuple[Problem, ...]:
        """Problems, and a word in each open document that is not looked at for those of others."""
        first = problems[0]
        concerned = {problem.span.file for problem in problems}
        others = [file for file in self.files if file in self.texts and file not in concerned]
        said = f"not looked at, since this is not read: {first.span}"
        return (*problems, *(Problem(Span(file, 1), said, first.message) for file in others))

    def _input(self) -> HostInput:
        """Raises SourceError, ParseError."""
        if self.kind is Kind.SETTINGS and self.unit == self.name:
            settings = SysctlSet((SysctlRun((parse_sysctl(self.texts[self.name], self.name),)),))
            rules = parse_rulesets(NO_RULES, "")
            return HostInput(self.name, rules, settings, {}, {self.name: self.texts[self.name]})
        (one,) = read_inputs([self.unit], self.shared, self.sets, self.texts)
        return one

    @property
    def _persona(self) -> Persona:
        return Persona(self.configured.effective()["persona"])

    def _result(self, host: Host) -> LintResult:
        """Raises SourceError, BadSettingError, and what is a fault of our own."""
        baselines = {file: read_baseline(file) for file in self._paths("baseline")}
        rules = self.configured.effective().rules(shipped_rules())
        result = lint([host], self.configured.kernel, rules, persona=self._persona)
        asked = {info.id for info in (host.terms.rules if host.terms else rules)}
        for file, baseline in baselines.items():
            result = compared(result, baseline, file, asked)
        return result


def _config(name: str, workspace: str) -> ConfigFile:
    """Raises SourceError, ParseError."""
    if is_path(name):
        return config_of(str(PurePosixPath(name).parent))
    return config_of(workspace) if workspace else NO_CONFIG


def _unit(name: str, texts: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The folder whose host a document belongs to, else the document; and the files of that."""
    for folder in host_folders(name):
        try:
            files = host_files(folder, texts)
        except SourceError:
            continue
        if name in files:
            return folder, files
    return name, (name,)


def _problems_of_config(name: str, text: str) -> tuple[Problem, ...]:
    try:
        is_project = PurePosixPath(name).name == PROJECT_NAME
        if not is_project or "ctlint" in text:
            read_config(text, name, SECTION if is_project else ())
    except ParseError as error:
        return error.problems
    return ()


def _problems_of_sets(name: str, text: str) -> tuple[Problem, ...]:
    try:
        parse_ipset_save(text, name)
    except ParseError as error:
        return error.problems
    return ()


def _with_texts(found: Answer, known: Mapping[str, str]) -> Answer:
    """The answer with the texts of files that are not open and in which something stands."""
    missing: dict[str, str] = {}
    for file in dict.fromkeys(_mentioned(found)):
        if is_path(file) and file not in known:
            try:
                missing[file] = read_text(file)
            except SourceError:
                continue
    return found._replace(texts=missing)


def _mentioned(found: Answer) -> Iterator[str]:
    for problem in found.problems:
        yield problem.span.file
    for finding in found.findings:
        yield finding.location.file
        yield from (place.file for place in finding.related)
        yield from (edit.file for edit in (finding.fix.edits if finding.fix else ()))
    for what in found.undecided:
        yield what.location.file
