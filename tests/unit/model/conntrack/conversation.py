# SPDX-License-Identifier: GPL-2.0-only
"""A tracker and two ends that speak through it, for tests that look at the tracker alone."""

from __future__ import annotations

from collections.abc import Mapping

from ctlint.model.conntrack.core import NO_TEMPLATE, Template, Tracked, Tracker
from ctlint.model.conntrack.entry import Entry
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState, TcpCt, Verdict
from ctlint.model.conntrack.tuple import get_tuple
from ctlint.model.kernel.profiles import profile
from ctlint.model.kernel.sysctls import canonical_name
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Packet, TcpOptions
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

CLIENT = 0x0A010002
SERVER = 0x0A020002

SYN_OPTIONS = TcpOptions(mss=1460, wscale=7, sack_permitted=True)


class Conversation:
    """One connection, 10.1.0.2:40000 to 10.2.0.2:80, in a table of its own.

    `log` are the kernel's words about the last packet, without their prefix.
    """

    def __init__(
        self, kernel: str = "6.18", sysctls: Mapping[str, int] | None = None, **given: int
    ) -> None:
        self.kernel = profile(kernel)
        named = {
            canonical_name(name): value for name, value in {**(sysctls or {}), **given}.items()
        }
        self.sysctls = named
        self.tracker = Tracker(self.kernel, read_settings(self.kernel, named))
        self.now = 0
        self.tracked: Tracked | None = None

    def packet(
        self,
        side: str,
        flags: str,
        seq: int = 0,
        ack: int = 0,
        length: int = 0,
        *,
        win: int = 64240,
        options: TcpOptions | None = None,
        sport: int = 40000,
    ) -> Packet:
        """A segment of the side "o" (the client) or "r" (the server)."""
        ends = (CLIENT, SERVER, sport, 80) if side == "o" else (SERVER, CLIENT, 80, sport)
        return Packet(
            Family.IPV4,
            ends[0],
            ends[1],
            TCP,
            ends[2],
            ends[3],
            TcpFlags.parse(flags),
            payload=length,
            seq=seq,
            ack=ack,
            window=win,
            options=options,
        )

    def send(
        self,
        side: str,
        flags: str,
        seq: int = 0,
        ack: int = 0,
        length: int = 0,
        *,
        win: int = 64240,
        options: TcpOptions | None = None,
    ) -> str:
        """Send a segment; what became of it: "CTSTATE STATE SECONDS", with a or u for the flags."""
        return self.give(self.packet(side, flags, seq, ack, length, win=win, options=options))

    def give(
        self, packet: Packet, template: Template = NO_TEMPLATE, *, is_received: bool = True
    ) -> str:
        """Let a packet pass, see `send`."""
        tracked = self.tracker.nf_conntrack_in(packet, self.now, template, is_received=is_received)
        self.tracked = tracked
        if tracked.verdict is Verdict.DROP:
            return "DROP"
        self.tracker.nf_conntrack_confirm(tracked, self.now)
        half = self.tracker.find(get_tuple(packet), self.now, template.zone)
        ctstate = CtState(tracked.ctstate).name
        return f"{ctstate} {self.shown(None if half is None else half[0])}"

    def shown(self, entry: Entry | None) -> str:
        """An entry in short."""
        if entry is None:
            return "none"
        words = []
        if entry.original.protocol == TCP:
            words.append(TcpCt(entry.tcp.state).name)
        words.append(str(entry.remaining(self.now)))
        if entry.is_assured:
            words.append("a")
        if not entry.has_reply:
            words.append("u")
        return " ".join(words)

    @property
    def log(self) -> list[str]:
        """The kernel's words about the last packet, without their prefix."""
        assert self.tracked is not None
        lines = [line.words(self.kernel) for line in self.tracked.log]
        return [words.partition(": ")[2] for words in lines if words is not None]

    @property
    def entry(self) -> Entry:
        """The only entry."""
        (found,) = self.tracker.entries(self.now)
        return found

    def entry_key(self) -> tuple[int, int, int, int, int, int]:
        """The client's tuple."""
        return get_tuple(self.packet("o", "A"))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * SECOND)

    def shake_hands(self, *, options: TcpOptions | None = None, win: int = 64240) -> None:
        """The handshake: client at 1001, server at 5001."""
        self.send("o", "S", 1000, options=options, win=win)
        self.send("r", "SA", 5000, 1001, options=options, win=win)
        self.send("o", "A", 1001, 5001, win=win)
