# SPDX-License-Identifier: GPL-2.0-only
"""The settings of a script's tests, as JSON knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from ctlint.ir.span import Span
from ctlint.parse.connection_script import (
    FactText,
    FileText,
    FlowText,
    KernelText,
    NameText,
    SysctlText,
    TopologyText,
)
from ctlint.parse.script_reader import Word
from ctlint.scenario.reader import scenario_from_json
from ctlint.scenario.scenario import ScenarioError
from ctlint.scenario.script_words import (
    KEY_OF_MESSAGE,
    StatementError,
    place_of,
    plain,
    read_endpoint,
    read_integer,
    read_sysctl,
)
from ctlint.wire.addresses import Family

_ROLES: Final = {"client": "orig", "server": "reply"}

Setting: TypeAlias = (
    NameText | FileText | KernelText | TopologyText | FlowText | FactText | SysctlText
)


class Reference(NamedTuple):
    """A file that a script names. `kind` is rules, rules6 or ipsets; `path` is as it is written."""

    kind: str
    path: str
    span: Span


def references_of(statements: Iterable[object]) -> tuple[Reference, ...]:
    """The files that statements name, in the order of the text."""
    return tuple(
        Reference(each.kind, each.path.text, each.path.span)
        for each in statements
        if isinstance(each, FileText)
    )


def key_of(setting: Setting) -> str:
    if isinstance(setting, FileText):
        return setting.kind
    if isinstance(setting, FactText):
        return f"fact {'time' if setting.kind == 'clock' else setting.kind}"
    return {NameText: "name", KernelText: "kernel", TopologyText: "topology", FlowText: "flow"}[
        type(setting)
    ]


@dataclass(slots=True)
class Stage:
    """Settings as statements by their keys, and as JSON."""

    given: dict[str, Setting]
    written: dict[str, Any]
    family: Family = Family.IPV4

    def copy(self) -> Stage:
        return Stage(dict(self.given), dict(self.written), self.family)

    @property
    def rules(self) -> Reference | None:
        """The file of rules that count."""
        found = self.given.get("rules6" if self.family is Family.IPV6 else "rules")
        if not isinstance(found, FileText):
            return None
        return Reference(found.kind, found.path.text, found.path.span)

    def fill(self, settings: Iterable[SysctlText], contents: Mapping[Reference, str]) -> None:
        """Makes JSON of the statements, which is tried after each. Raises StatementError."""
        self.family = self._find_family()
        sysctls = dict(self.written.get("sysctls", {}))
        self.written = {"sysctls": sysctls} if sysctls else {}
        # In this order: the flow's defaults are the topology's.
        for key in ("kernel", "topology", "flow", "fact owner", "fact time", "fact mac"):
            setting = self.given.get(key)
            if setting is not None:
                self._add(setting)
        for key, name in (("rules", "ruleset"), ("rules6", "ruleset6"), ("ipsets", "ipsets")):
            setting = self.given.get(key)
            if isinstance(setting, FileText):
                reference = Reference(setting.kind, setting.path.text, setting.path.span)
                self.written[name] = contents[reference]
        for each in settings:
            for pair in each.settings:
                found = read_sysctl(pair)
                if found.keys() <= sysctls.keys():
                    raise StatementError(pair[0].span, f"{pair[0].text} is set twice")
                sysctls |= found
        if sysctls:
            self.written["sysctls"] = sysctls

    def _add(self, setting: Setting) -> None:
        span, _ = place_of(setting)
        match setting:
            case KernelText():
                self.written["kernel"] = setting.version.text
            case TopologyText():
                self.written["topology"] = self._topology(setting)
            case FlowText():
                self.written["flow"] = self._flow(setting)
            case FactText():
                facts = dict(self.written.get("facts", {}))
                facts |= _fact(setting)
                self.written["facts"] = facts
        try:
            scenario_from_json(self.written | {"packets": []})
        except ScenarioError as error:
            raise StatementError(_narrowed(span, setting, error), plain(error.message)) from None

    def _find_family(self) -> Family:
        """IPv6 where an address of the topology or the flow is, or the topology says so."""
        topology, flow = self.given.get("topology"), self.given.get("flow")
        words: list[Word] = []
        if isinstance(topology, TopologyText):
            if topology.is_v6:
                return Family.IPV6
            words += [address for _, address in topology.interfaces if address is not None]
        if isinstance(flow, FlowText):
            words += [flow.source, flow.target]
        has_v6 = any(word.text.count(":") > 1 for word in words)
        return Family.IPV6 if has_v6 else Family.IPV4

    def _topology(self, setting: TopologyText) -> dict[str, Any]:
        suffix = "6" if self.family is Family.IPV6 else ""
        written: dict[str, Any] = {"kind": setting.kind, "v6": self.family is Family.IPV6}
        names = ("left_", "right_") if setting.kind == "forward" else ("",)
        for name, (interface, address) in zip(names, setting.interfaces, strict=False):
            written[f"{name}if"] = interface.text
            if address is not None:
                written[f"{name}addr{suffix}"] = address.text
        if setting.role is not None:
            written["role"] = _ROLES[setting.role.text]
        return written

    def _flow(self, setting: FlowText) -> dict[str, Any]:
        if "topology" not in self.written and self.family is Family.IPV6:
            self.written["topology"] = {"kind": "forward", "v6": True}
        written: dict[str, Any] = {}
        for side, word in (("s", setting.source), ("d", setting.target)):
            address, port = read_endpoint(word, self.family)
            written[f"{side}addr"] = address
            if port is not None:
                written[f"{side}port"] = port
        return written


def _narrowed(span: Span, setting: Setting, error: ScenarioError) -> Span:
    """The word of a setting that the message is about, where that can be told."""
    if isinstance(setting, TopologyText):
        key = KEY_OF_MESSAGE.match(error.message)
        parts = ("left_", "right_") if setting.kind == "forward" else ("",)
        for part, words in zip(parts, setting.interfaces, strict=False):
            for name, word in zip((f"{part}if", f"{part}addr"), words, strict=True):
                if key is not None and word is not None and key[1].removesuffix("6") == name:
                    return word.span
        return span
    if isinstance(setting, FactText):
        if setting.value is not None:
            return setting.value.span
        key = KEY_OF_MESSAGE.match(error.message)
        return next(
            (value.span for name, value in setting.pairs if key and name.text == key[1]), span
        )
    return span


def _fact(setting: FactText) -> dict[str, Any]:
    if setting.kind == "owner":
        owner: dict[str, Any] = {}
        for key, value in setting.pairs:
            if key.text in owner:
                raise StatementError(key.span, f"{key.text} stands twice")
            if key.text == "groups":
                owner["groups"] = [read_integer(value, each) for each in value.text.split(",")]
            else:
                owner[key.text] = read_integer(value, value.text)
        return {"owner": owner}
    assert setting.value is not None
    text = setting.value.text
    if setting.kind == "clock":
        return {"time": text}
    return {"mac": None if text == "none" else text}
