# SPDX-License-Identifier: GPL-2.0-only
"""What a lint rule looks at, and how it makes findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from ctlint.analysis.consequence import stranded
from ctlint.analysis.first_packets import first_after_expiry
from ctlint.analysis.losses import Cause, Kind, Nature, Stranding
from ctlint.analysis.remedy import Remedy
from ctlint.analysis.untranslated import Escape
from ctlint.finding import Confidence, Finding, Fix, Location, Role, Severity
from ctlint.headerspace.boxes import merged
from ctlint.ir.sysctl import Setting
from ctlint.lint.editing import renamed_edit, setting_edit
from ctlint.lint.naming import packet_kind, port_text, setting_location
from ctlint.lint.rule_api import RuleInfo
from ctlint.lint.subject import Subject
from ctlint.model.conntrack.status import CtState
from ctlint.model.netfilter.tern import Tern


class Context:
    """A subject as one rule sees it."""

    def __init__(self, subject: Subject, info: RuleInfo) -> None:
        self.subject = subject
        self.info = info
        self.settings = subject.settings
        self.circumstances = subject.circumstances

    def strandings(self, *natures: Nature) -> Iterator[Stranding]:
        """The strandings whose decisive packet is lost in one of these ways, a row as one; but for
        those of resets alone that are dropped.
        """
        for stranding in self.all_strandings():
            if stranding.nature in natures and not _is_of_resets(stranding):
                yield stranding

    def reset_strandings(self) -> Iterator[Stranding]:
        """The strandings that lose RSTs and nothing else, and answer nothing."""
        return filter(_is_of_resets, self.all_strandings())

    def all_strandings(self) -> Iterator[Stranding]:
        """The strandings of all roles by what drops or rejects, a row as one."""
        for rows in self.subject.rows:
            yield from (each for each in rows if each.nature is not Nature.TRANSLATION)

    def translations(self) -> Iterator[tuple[Stranding, Sequence[Stranding]]]:
        """The strandings of rules that translate, those of one role and hook that do so alike
        together: the first in the file, and the others.
        """
        groups: dict[tuple[object, ...], list[Stranding]] = {}
        every = (one for report in self.subject.reports for one in report.strandings)
        for stranding in every:
            lost = stranding.decisive
            if lost.nature is not Nature.TRANSLATION:
                continue
            is_first = lost.ctstate is CtState.NEW
            key = (stranding.role, lost.hook, is_first, self.subject.apart(stranding.cause))
            groups.setdefault(key, []).append(stranding)
        for group in groups.values():
            group.sort(key=self._by_certainty)
            yield group[0], group[1:]

    def _by_certainty(self, stranding: Stranding) -> tuple[bool, int]:
        is_open = stranding.confidence is not Confidence.CERTAIN
        return is_open, self.location(stranding.cause).line

    def translation_finding(
        self, stranding: Stranding, others: Sequence[Stranding], message: str, remedy: str
    ) -> Finding:
        """One finding for rules that translate alike: the others are related."""
        finding = self.stranding_finding(stranding, message, remedy)
        every = (stranding, *others)
        is_any = not all(each.ports for each in every)
        ports = merged(one for each in every for one in each.ports)
        packets = dict.fromkeys(packet_kind(lost) for each in every for lost in each.lost)
        causes = [each.cause for each in others]
        causes += [cause for each in every for cause in each.alike]
        related = {self.location(cause): None for cause in causes}
        related.pop(finding.location, None)
        places = sorted(related, key=lambda place: (place.line, place.position or 0))
        shown = [replace(each, message="so it is here") for each in places[:MAX_ALIKE]]
        if len(places) > MAX_ALIKE:
            more = len(places) - MAX_ALIKE
            shown[-1] = replace(shown[-1], message=f"so it is here, and at {more:,} more rules")
        return replace(
            finding,
            ports=() if is_any else tuple(map(port_text, ports)),
            packets=tuple(packets),
            related=tuple(shown),
            further=self.subject.further([stranding.cause, *causes]),
        )

    def stranding_finding(
        self, stranding: Stranding, message: str, remedy: Remedy | str
    ) -> Finding:
        """The finding for a stranding, with its witness; severity by the timeouts."""
        if isinstance(remedy, str):
            remedy = Remedy(remedy)
        subject = self.subject
        settings = self.settings
        judged = subject.exposure
        packets = [packet_kind(lost) for lost in stranding.lost]
        return Finding(
            rule=self.info.id,
            name=self.info.name,
            severity=judged.severity,
            confidence=stranding.confidence,
            message=f"{message}{_said_of_row(stranding)}; {judged.reason}",
            remedy=remedy.text,
            location=self.location(stranding.cause),
            related=self.dropping(stranding) + self.alike(stranding),
            family=subject.ruleset.family,
            role=stranding.role,
            packet=packets[0],
            packets=tuple(packets),
            ports=tuple(port_text(ports) for ports in stranding.ports),
            stranded=stranded(stranding, settings),
            witness=subject.witnesses.witness(stranding),
            fix=subject.fix(remedy),
            further=subject.further((stranding.cause, *stranding.alike)),
        )

    def lost_to_loose(self) -> Iterator[Stranding]:
        """For each role one stranding that loses data or ACKs only because tcp_loose is 0."""
        subject = self.subject
        for report in subject.reports:
            found = next(
                (
                    only_loose
                    for stranding in report.strandings
                    if (only_loose := self._due_to_loose(stranding)) is not None
                ),
                None,
            )
            if found is not None:
                yield found

    def _due_to_loose(self, stranding: Stranding) -> Stranding | None:
        """The part of a stranding that passes with tcp_loose=1, asked again."""
        for kind in (Kind.DATA, Kind.ACK):
            for lost in stranding.lost:
                if lost.kind is not kind or lost.ctstate is not CtState.INVALID:
                    continue
                part = replace(stranding, lost=[lost])
                fate = first_after_expiry(
                    self.subject.chains,
                    part.case.connection,
                    lost.sender,
                    lost.kind,
                    loose=True,
                    kernel=self.settings.kernel,
                )
                if fate.delivered is Tern.TRUE:
                    return part
        return None

    def loose_finding(
        self, setting: Setting, stranding: Stranding, message: str, remedy: str
    ) -> Finding:
        """A finding at the line of tcp_loose, with the rule that loses the packet as related; the
        remedy is 1, and what that does is added to it.
        """
        what = self.subject.remedies.of_loose(stranding.role)
        remedy = f"{remedy}; {what}" if what else remedy
        finding = self.stranding_finding(stranding, message, remedy)
        related = self.location(stranding.cause, "this loses the packet")
        at = self.setting_finding(setting, finding.severity, message, remedy).location
        fix = self.setting_fix(setting, 1, is_safe=False, what=what)
        return replace(finding, location=at, related=(related,), fix=fix)

    def setting_fix(
        self, setting: Setting, value: int, *, is_safe: bool, what: str = ""
    ) -> Fix | None:
        """Another value for a sysctl, where its line can be edited; ``what`` is what that does."""
        text = self.subject.texts.get(setting.span.file)
        edit = None if text is None else setting_edit(setting, value, text)
        if edit is None:
            return None
        done = f"set {setting.raw_key} to {value}"
        return Fix(f"{done}; {what}" if what else done, (edit,), is_safe)

    def renaming_fix(self, setting: Setting, name: str) -> Fix | None:
        """The same value for another key, where its line can be edited."""
        text = self.subject.texts.get(setting.span.file)
        edit = None if text is None else renamed_edit(setting, name, text)
        if edit is None:
            return None
        return Fix(f"write {name} for {setting.raw_key}", (edit,), is_safe=False)

    def setting_finding(
        self,
        setting: Setting,
        severity: Severity,
        message: str,
        remedy: str,
        fix: Fix | None = None,
    ) -> Finding:
        """A finding about a sysctl alone, at its line."""
        return Finding(
            rule=self.info.id,
            name=self.info.name,
            severity=severity,
            confidence=Confidence.CERTAIN,
            message=message,
            remedy=remedy,
            location=setting_location(setting),
            fix=fix,
        )

    def value_finding(
        self, name: str, severity: Severity, message: str, remedy: str, fix: Fix | None = None
    ) -> Finding:
        """A finding about a sysctl that may have its default: then at the head of the rules."""
        setting = self.settings.setting(name)
        if setting is not None:
            return self.setting_finding(setting, severity, message, remedy, fix)
        return Finding(
            rule=self.info.id,
            name=self.info.name,
            severity=severity,
            confidence=Confidence.CERTAIN,
            message=message,
            remedy=remedy,
            location=self.head(),
        )

    def head(self) -> Location:
        """Where the rules begin: the place of what stands in no line."""
        span = next(iter(self.subject.ruleset.tables.values())).span
        return Location(span.file, span.line)

    def escape_finding(
        self, escape: Escape, severity: Severity, message: str, remedy: str
    ) -> Finding:
        """A finding at a rule that translates, with a packet that it does not."""
        return Finding(
            rule=self.info.id,
            name=self.info.name,
            severity=severity,
            confidence=Confidence.CERTAIN,
            message=message,
            remedy=remedy,
            location=self.location(escape.ref),
            family=self.subject.ruleset.family,
            role=Role.FORWARD,
            packet=escape.packet,
            packets=(escape.packet,),
            witness=escape.witness,
        )

    def dropping(self, stranding: Stranding) -> tuple[Location, ...]:
        """The rules that drop, where the cause only sends packets to them."""
        causes = {lost.dropped_by for lost in stranding.lost} - {stranding.cause}
        places = [self.location(cause, "drops it in the end") for cause in causes]
        places.sort(key=lambda place: (place.line, place.chain or "", place.position or 0))
        return tuple(places)

    def alike(self, stranding: Stranding) -> tuple[Location, ...]:
        """The first of the other rules of a row."""
        return tuple(
            self.location(each, "loses it as well") for each in stranding.alike[:MAX_ALIKE]
        )

    def location(self, cause: Cause, message: str = "") -> Location:
        """Where a rule or policy stands, and what is to be said of it there."""
        place = self.subject.location(cause)
        return replace(place, message=message) if message else place

    def remedy(self, stranding: Stranding) -> Remedy:
        """The change of the rules that helps most, if any does; else longer timeouts."""
        found = self.subject.remedies.remedy(stranding)
        if found is None:
            return Remedy(LONGER)
        return found._replace(text=f"{found.text}; or {LONGER}")


MAX_ALIKE: Final = 10
"""Rules that are named behind the first; the message counts all."""


def _said_of_row(stranding: Stranding) -> str:
    number = len(stranding.alike)
    if not number:
        return ""
    rules, lose = ("rule", "loses") if number == 1 else ("rules", "lose")
    but = "alike but for addresses or ports"
    return f"; {number:,} more {rules} of this row, {but}, {lose} it as well"


LONGER: Final = (
    "let entries outlive silence: nf_conntrack_tcp_timeout_established above the longest idle "
    "time, with keepalives (SO_KEEPALIVE, tcp_keepalive_time) more often than that"
)


def _is_of_resets(stranding: Stranding) -> bool:
    return stranding.loses_only_resets and stranding.nature is not Nature.INVALID_REJECT
