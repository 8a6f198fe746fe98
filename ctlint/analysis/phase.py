# SPDX-License-Identifier: GPL-2.0-only
"""The phases of a connection: packets that lead into each, and what conntrack's clock is then.

A phase is a state of the entry with a reason for silence. The clock is not looked up but played:
the packets go through the model of the tracker, and what the entry's timer shows behind the last
one is how long the entry lives without another.

Sources: net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks and nf_conntrack_tcp_packet() (which
timeout is set behind a packet); RFC 9293, section 3.6 for who closes how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ctlint.analysis.losses import Kind
from ctlint.analysis.settings import Settings
from ctlint.analysis.stage import HANDSHAKE, NEXT, as_scenario
from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import KernelProfile, profile
from ctlint.model.kernel.sysctls import NETFILTER, resolve
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.play import Player
from ctlint.scenario.reader import highest_value
from ctlint.scenario.scenario import DIR_NAMES
from ctlint.wire.tcp_flags import TcpFlags

SYN_ACK: Final = TcpFlags.SYN | TcpFlags.ACK
MAX_RETRANS: Final = f"{NETFILTER}tcp_max_retrans"

_LENGTH: Final = 100
_MOST_REPEATS: Final = 16
"""TCP gives up behind tcp_retries2, 15, repeats."""

TIMEOUTS: Final = {
    short: f"{NETFILTER}tcp_timeout_{short}"
    for short in (
        "syn_sent",
        "syn_recv",
        "established",
        "unacknowledged",
        "max_retrans",
        "fin_wait",
        "close_wait",
        "last_ack",
        "time_wait",
        "close",
    )
}
"""The sysctls that are timeouts of TCP entries, by the ends of their names."""

PLAYED: Final = (
    *TIMEOUTS.values(),
    MAX_RETRANS,
    f"{NETFILTER}tcp_loose",
    f"{NETFILTER}tcp_be_liberal",
    f"{NETFILTER}tcp_ignore_invalid_rst",
)
"""The sysctls on which the clock of an entry, and the fate of a packet in time, may depend."""


class Next(NamedTuple):
    """What an end may send next, and what that is called."""

    sender: Dir
    kind: Kind | None  # None: a SYN/ACK

    @property
    def flags(self) -> TcpFlags:
        """Its TCP flags."""
        return SYN_ACK if self.kind is None else self.kind.flags


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase. ``timeouts`` are the sysctls that may set the clock then; ``waits_for`` is what is
    waited for, in words. Of some phases there are two, by the end that acts ``first``.
    """

    name: str
    timeouts: tuple[str, ...]
    waits_for: str
    has_sides: bool = True


IDLE: Final = Phase("idle", ("established",), "the next packet of either end", has_sides=False)
HALF_CLOSED: Final = Phase(
    "half-closed", ("close_wait",), "what the other end still sends, and its FIN"
)
UNANSWERED: Final = Phase(
    "unanswered data", ("established", "unacknowledged"), "the repeats of the data"
)
REPEATED: Final = Phase(
    "repeated data",
    ("established", "unacknowledged", "max_retrans"),
    "further repeats of the data",
)
WINDOW_SHUT: Final = Phase(
    "window shut", ("established", "max_retrans"), "the probes of the shut window"
)
CLOSING: Final = Phase("closing", ("fin_wait",), "the repeats of the first FIN")
LAST_FIN: Final = Phase("last FIN", ("last_ack",), "the repeats of the last FIN")
CLOSED: Final = Phase("closed", ("time_wait",), "the repeats of a last FIN whose ACK was lost")
SYN_SENT: Final = Phase("SYN", ("syn_sent",), "the SYN/ACK", has_sides=False)
SYN_RECV: Final = Phase("SYN/ACK", ("syn_recv",), "the repeats of the SYN/ACK", has_sides=False)

PHASES: Final = (
    IDLE,
    HALF_CLOSED,
    UNANSWERED,
    REPEATED,
    WINDOW_SHUT,
    CLOSING,
    LAST_FIN,
    CLOSED,
    SYN_SENT,
    SYN_RECV,
)


def sides(phase: Phase) -> tuple[Dir, ...]:
    """The ends that may act first in a phase; the client stands for both where none does."""
    return tuple(Dir) if phase.has_sides else (Dir.ORIGINAL,)


def next_packets(phase: Phase, first: Dir) -> tuple[Next, ...]:
    """What may come next, the packet that matters most before others."""
    other = first.other
    if phase is IDLE:
        return tuple(Next(sender, kind) for kind in Kind for sender in Dir)
    if phase is HALF_CLOSED:
        return (Next(other, Kind.FIN), Next(other, Kind.DATA), Next(other, Kind.RST))
    if phase in (UNANSWERED, REPEATED):
        return (Next(first, Kind.DATA),)
    if phase is WINDOW_SHUT:
        return (Next(first, Kind.ACK),)
    if phase is CLOSING:
        return (Next(first, Kind.FIN),)
    if phase in (LAST_FIN, CLOSED):
        return (Next(other, Kind.FIN),)
    return (Next(Dir.REPLY, None),)


def packets_into(phase: Phase, first: Dir, max_retrans: int) -> list[dict[str, Any]]:
    """The packets of a scenario that lead from nothing into a phase (docs/scenario.md)."""
    handshake = [dict(packet) for packet in HANDSHAKE]
    if phase is SYN_SENT:
        return handshake[:1]
    if phase is SYN_RECV:
        return handshake[:2]
    other = first.other
    if phase is IDLE:
        return handshake
    if phase in (UNANSWERED, REPEATED):
        repeats = min(max_retrans, _MOST_REPEATS) if phase is REPEATED else 0
        return handshake + [_segment(first, "PA", length=_LENGTH)] * (1 + repeats)
    if phase is WINDOW_SHUT:
        shut = _segment(other, "A", acked=_LENGTH, window=0)
        return [*handshake, _segment(first, "PA", length=_LENGTH), shut]
    course = [
        _segment(first, "FA"),
        _segment(other, "A", acked=1),
        _segment(other, "FA", acked=1),
        _segment(first, "A", sent=1, acked=1),
    ]
    # The other end closes at once behind a FIN, or later: the ACK between is its own.
    number = {CLOSING: 1, HALF_CLOSED: 2, LAST_FIN: 3, CLOSED: 4}[phase]
    return handshake + course[:number]


def packet_next(phase: Phase, first: Dir, following: Next) -> dict[str, Any]:
    """The packet of a scenario that comes next in a phase, as that end sends it then."""
    sender = following.sender
    if following.kind is None:
        return dict(HANDSHAKE[1])
    letters = following.kind.flags.letters
    if phase is WINDOW_SHUT:
        # tcp_xmit_probe_skb(): an old byte, that has been acknowledged.
        return _segment(sender, letters, sent=_LENGTH - 1)
    if phase in (UNANSWERED, REPEATED):
        return _segment(sender, letters, length=_LENGTH)
    has_got_fin = phase in (HALF_CLOSED, LAST_FIN, CLOSED) and sender is not first
    length = 1 if following.kind is Kind.DATA else 0
    return _segment(sender, letters, length=length, acked=int(has_got_fin))


def keepalive(sender: Dir) -> tuple[dict[str, Any], dict[str, Any]]:
    """A keepalive probe on an open connection (tcp_xmit_probe_skb(): an old byte's number, and no
    byte), and its answer.
    """
    return _segment(sender, "A", sent=-1), _segment(sender.other, "A")


def _segment(
    sender: Dir, flags: str, *, sent: int = 0, acked: int = 0, length: int = 0, window: int = 502
) -> dict[str, Any]:
    seq, ack = NEXT[sender]
    packet: dict[str, Any] = {
        "dir": DIR_NAMES[sender],
        "flags": flags,
        "seq": seq + sent,
        "ack": ack + acked,
        "win": window,
    }
    return packet | {"len": length} if length else packet


# Clocks


def played_sysctls(settings: Settings) -> dict[str, int]:
    """The sysctls of the tracker that a scenario must set, by their full names."""
    kernel = settings.kernel
    found = {name: _value(name, settings) for name in PLAYED if kernel.has_sysctl(name)}
    return {name: value for name, value in found.items() if value != kernel.sysctl_default(name)}


def ends_at_once(settings: Settings) -> bool:
    """Whether a timeout is 0, so that an entry is gone as soon as it comes to that state."""
    return any(
        settings.value(name) == 0 for name in TIMEOUTS.values() if settings.kernel.has_sysctl(name)
    )


def _value(name: str, settings: Settings) -> int:
    return min(settings.value(name), highest_value(resolve(name).sysctl))


def lifetime(phase: Phase, settings: Settings) -> int:
    """Seconds that an entry lives in this phase without a packet, by the model of the tracker.

    Raises BadSettingError.
    """
    sysctls = played_sysctls(settings)
    if not ends_at_once(settings):
        # The other timeouts are those of states that are passed in no time.
        names = {*_setting_names(phase), *PLAYED[len(TIMEOUTS) :]}
        sysctls = {name: value for name, value in sysctls.items() if name in names}
    key = settings.kernel.name, phase, settings.value(MAX_RETRANS), tuple(sysctls.items())
    return _lifetime(*key)


def setters(phase: Phase, settings: Settings) -> tuple[str, ...]:
    """The sysctls that set the clock: with one a second less, the entry would live less."""
    seconds = lifetime(phase, settings)
    return tuple(
        name
        for name in _setting_names(phase)
        if settings.kernel.has_sysctl(name)
        and settings.value(name) == seconds
        and lifetime(phase, settings.replaced(name, max(seconds - 1, 0))) < max(seconds, 1)
    )


def _setting_names(phase: Phase) -> list[str]:
    """The timeouts that may set the clock in a phase: its state's, and those that cap all."""
    names = dict.fromkeys((*phase.timeouts, "unacknowledged", "max_retrans"))
    return [TIMEOUTS[short] for short in names]


@lru_cache(maxsize=1 << 14)
def _lifetime(
    kernel: str, phase: Phase, max_retrans: int, sysctls: Sequence[tuple[str, int]]
) -> int:
    found = []
    for first in sides(phase):
        scenario: dict[str, Any] = {
            **_EMPTY_STAGE,
            "sysctls": dict(sysctls),
            "packets": packets_into(phase, first, max_retrans),
        }
        entry = _play(scenario, profile(kernel))[-1].entry
        found.append(0 if entry is None else entry.timeout)
    return min(found)


_EMPTY_STAGE: Final[Mapping[str, Any]] = {
    "topology": {
        "kind": "forward",
        "left_if": "left",
        "left_addr": "10.1.0.1/16",
        "right_if": "right",
        "right_addr": "10.2.0.1/16",
    },
    "flow": {"saddr": "10.1.0.2", "sport": 40000, "daddr": "10.2.0.2", "dport": 80},
}


def _play(scenario: Mapping[str, Any], kernel: KernelProfile) -> list[PacketAnswer]:
    read = as_scenario(scenario)
    player = Player(read, kernel)
    answers = map(player.step, read.steps)
    return [answer for answer in answers if isinstance(answer, PacketAnswer)]
