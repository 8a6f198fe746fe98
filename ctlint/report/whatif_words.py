# SPDX-License-Identifier: GPL-2.0-only
"""What ``ctlint whatif`` says, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from ctlint.analysis.occupancy import Occupancy
from ctlint.analysis.override import Override
from ctlint.analysis.phase import Phase, setters
from ctlint.analysis.silence import OFF, Keepalive, Share, Silences, Usage, percent_words
from ctlint.analysis.threshold import Threshold, Verdict
from ctlint.analysis.whatif import Alternative, Answer, Question, Shown
from ctlint.finding import Location, PacketKind, Role
from ctlint.model.kernel.sysctls import resolve
from ctlint.report.diff_words import say_stranded
from ctlint.report.sentence import say_packets, say_place
from ctlint.scenario.scenario import DIR_NAMES

_PREFIX: Final = "net.netfilter.nf_conntrack_tcp_timeout_"
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"))


def say_setter(threshold: Threshold, answer: Answer) -> str:
    """Which timeouts set the clock, by the ends of their names: "established"."""
    names = setters(threshold.phase, answer.settings)
    return ", ".join(name.removeprefix(_PREFIX) for name in names)


def say_silence(threshold: Threshold) -> str:
    """How long no packet passes then: "up to 900 s", "120 to 135 s (TCP)", "not told"."""
    if threshold.silences:
        longest = threshold.silences[-1].seconds
        return f"{'up to ' if len(threshold.silences) > 1 else ''}{longest} s"
    if threshold.pause is None:
        return "not told"
    least, most = threshold.pause
    return f"{least} to {most} s (TCP)"


def say_verdict(threshold: Threshold) -> str:
    """The answer for one phase in a few words."""
    needed = f"; safe from {threshold.safe_from} s" if threshold.safe_from is not None else ""
    verdict = threshold.verdict
    if verdict is Verdict.HARMLESS:
        return "the rules lose nothing"
    if verdict is Verdict.SAFE:
        return "safe"
    if verdict is Verdict.UNTOLD:
        return f"safe below {threshold.lifetime} s of silence"
    if verdict is Verdict.DEPENDS and threshold.silences:
        return f"keepalives may come too late{needed}"
    if verdict is Verdict.DEPENDS:
        return f"hangs on the round trip{needed}"
    if threshold.share is None:
        return f"repeats are lost{needed}"
    return f"{percent_words(threshold.share)} stranded{needed}"


def say_threshold(threshold: Threshold, keepalive: bool) -> str:
    """The threshold of idle connections, in a sentence."""
    seconds = threshold.lifetime
    said = f"safe as long as every silence is shorter than {seconds} s"
    if threshold.verdict is Verdict.HARMLESS:
        return "the rules lose nothing of what comes once an entry has gone"
    if threshold.verdict is Verdict.UNTOLD:
        return said
    longest = threshold.silences[-1].seconds
    with_them = " with these keepalives" if keepalive else ""
    if threshold.verdict is Verdict.DEPENDS:
        return f"{said}; these keepalives are, unless the kernel's timers make one late"
    if threshold.verdict is Verdict.SAFE:
        return f"{said}, and it is{with_them}: {longest} s at most"
    assert threshold.share is not None
    return (
        f"{said}; {percent_words(threshold.share)} of connections are silent for as long"
        f"{with_them}, up to {longest} s, and what comes next finds no entry"
    )


def say_alternative(each: Alternative) -> str:
    """What a timeout does: "5% stranded; safe with keepalives within less than 120 s, …"."""
    share = "" if each.share is None else f"{percent_words(each.share)} stranded; "
    said = f"{share}safe with keepalives after less than {each.lifetime} s of silence"
    said += f"; for certain up to {each.keepalive_sure} s"
    if each.keepalive_most is not None:
        said += f", up to {each.keepalive_most} s if one may be lost"
    return said


def say_moves(answer: Answer) -> str:
    """That a longer timeout is no cure."""
    others = [each for each in answer.alternatives[1:] if each.value > answer.alternatives[0].value]
    if not others:
        return "a longer timeout would merely move the threshold"
    values = " or ".join(f"{each.value} s" for each in others)
    return f"{values} would merely move the threshold: silences of that length strand there too"


def say_usage(usage: Usage) -> list[str]:
    """What was told of the connections, one item each."""
    found = []
    for name, told in (("idle", usage.idle), ("half-closed", usage.half_close)):
        if told:
            found.append(f"{name} {say_silences(told)}")
    if usage.keepalive is not None:
        found.append(f"keepalives {say_keepalive(usage.keepalive)}")
    if usage.rate is not None:
        found.append(f"{number(usage.rate)} connections a second")
    if usage.vanish:
        found.append(f"{percent_words(usage.vanish)} vanish")
    return found


def say_silences(told: Silences) -> str:
    """As they are told: "15m", "1s:50%,60s:50%"."""
    if len(told) == 1:
        return _say_share(told[0])
    return ",".join(f"{_say_share(each)}:{percent_words(each.share)}" for each in told)


def _say_share(each: Share) -> str:
    said = short_duration(each.seconds)
    if each.keepalive is None:
        return said
    own = each.keepalive
    return f"{said}@{OFF if own == OFF else say_keepalive(own)}"


def say_keepalive(keepalive: Keepalive) -> str:
    """As it is told: "60/10/3", "sysctl"."""
    if keepalive.time is None:
        return "sysctl"
    parts = [short_duration(keepalive.time)]
    if keepalive.interval is not None:
        parts.append(short_duration(keepalive.interval))
        if keepalive.probes is not None:
            parts.append(str(keepalive.probes))
    return "/".join(parts)


def short_duration(seconds: int) -> str:
    """Seconds with the largest unit that is exact: "15m"."""
    size, unit = next(((s, u) for s, u in _UNITS if seconds and seconds % s == 0), (1, "s"))
    return f"{seconds // size}{unit}"


def number(value: Fraction) -> str:
    """A number, rounded to what matters: "12,000", "0.25"."""
    if value >= 100:
        return f"{round(value):,}"
    return f"{float(value):.3g}"


def say_table(table: Occupancy) -> str:
    """The table: "12,000 of 262,144 entries: 900 ESTABLISHED, 11,100 TIME_WAIT"."""
    if table.entries is None or table.total is None:
        parts = [f"{number(each)} s in {state}" for state, each in table.seconds.items() if each]
        return f"an entry lives {' and '.join(parts) or 'no time'} on average"
    parts = [f"{number(each)} {state}" for state, each in table.entries.items() if each]
    most = f" of {table.maximum:,}" if table.maximum is not None else ""
    full = "; the table is too small: new connections are dropped" if table.is_full else ""
    return f"{number(table.total)}{most} entries: {', '.join(parts) or 'none'}{full}"


class LossGroup(NamedTuple):
    """What one place loses, by role: its packets, and the socket that the first leaves behind."""

    place: Location
    roles: Mapping[Role, tuple[str, str]]


def loss_groups(shown: Sequence[Shown], phase: Phase) -> list[LossGroup]:
    """What is lost in a phase, by place."""
    places: dict[Location, dict[Role, list[Shown]]] = {}
    for one in shown:
        if one.threshold.phase is phase:
            places.setdefault(one.location, {}).setdefault(one.loss.role, []).append(one)
    return [
        LossGroup(place, {role: _say_role(losses) for role, losses in roles.items()})
        for place, roles in places.items()
    ]


def _say_role(losses: Sequence[Shown]) -> tuple[str, str]:
    kinds = dict.fromkeys(
        PacketKind(
            one.loss.packet.flags.letters,
            DIR_NAMES[one.loss.packet.sender],
            "none",
            str(one.loss.ctstate.name),
        )
        for one in losses
    )
    left = next((say_stranded(one.stranded) for one in losses if one.stranded is not None), "")
    return "; ".join(say_packets(tuple(kinds))).replace(", no entry", ""), left


def say_where(place: Location) -> str:
    """A place: "filter/OUTPUT, rule 5 (rules.v4:22)"."""
    return f"{say_place(place)} ({place.file}:{place.line})"


def say_override(one: Override) -> str:
    """A setting as sysctl prints it, its name without the prefix."""
    return f"{one.name.rpartition('.')[2]} = {one.value}"


def command_line(
    question: Question, paths: Sequence[str], sysctls: Sequence[str], sets: Sequence[str]
) -> list[str]:
    """The words of a command that asks the same question."""
    words = ["ctlint", "whatif"]
    for option, files in (("--rules", paths), ("--sysctl", sysctls), ("--sets", sets)):
        for file in files:
            words += [option, file]
    words += ["--kernel", question.kernel.name]
    for name, value in question.overrides:
        words += ["--set", f"{resolve(name).sysctl.name.rpartition('.')[2]}={value}"]
    usage = question.usage
    if usage.idle:
        words += ["--idle", say_silences(usage.idle)]
    if usage.half_close:
        words += ["--half-close", say_silences(usage.half_close)]
    if usage.keepalive is not None:
        words += ["--keepalive", say_keepalive(usage.keepalive)]
    if usage.rate is not None:
        words += ["--rate", f"{float(usage.rate):.10g}"]
    if usage.vanish:
        words += ["--vanish", percent_words(usage.vanish)]
    if set(question.roles) != set(Role):
        for role in question.roles:
            words += ["--role", ROLE_WORDS[role]]
    return [*words, "--format", "text"]


ROLE_WORDS: Final = {
    Role.CLIENT: "client",
    Role.SERVER: "server",
    Role.FORWARD: "router",
    Role.LOOPBACK: "loopback",
}
"""Roles as they are told."""
