# SPDX-License-Identifier: GPL-2.0-only
"""Random TCP conversations that look real and then go wrong.

Each is built from two simulated ends that keep their own books (RFC 9293): what they sent, what
they acknowledged, which window they offered. From the books come sensible packets, and hostile
ones that lie exactly at, one before and one behind each edge that conntrack looks at.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.sysctls import NETFILTER
from ctlint.scenario.scenario import Expire, Flush, Send, SetSysctls, Step, Topology, Wait
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import TcpOptions
from ctlint.wire.protocols import TCP
from ctlint.wire.sequence import MODULUS, after
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.random_icmp import icmp_error
from tests.conformance.random_weights import Shares, Weights, any_of, choose

MAXACKWINDOW: Final = 66000
"""How far back conntrack accepts an ACK at least (nf_conntrack_proto_tcp.c)."""

TIMEOUTS: Final[Mapping[str, tuple[int, ...]]] = {
    "syn_sent": (120, 120, 120, 47),
    "syn_recv": (60, 60, 60, 400),
    "established": (432000, 432000, 432000, 500, 200, 90),
    "fin_wait": (134, 134, 134, 20, 1000),
    "close_wait": (68, 68, 68, 360),
    "last_ack": (30, 30, 30, 156),
    "time_wait": (138, 138, 138, 16),
    "close": (10, 10, 10, 56),
    "max_retrans": (310, 310, 310, 25, 800),
    "unacknowledged": (300, 300, 300, 40, 700),
}
"""Seconds each timer may be set to; the first is the usual one. All are at least 4 apart."""

FLAG_SHARES: Final[Shares] = {"S": 5, "SA": 4, "A": 6, "PA": 6, "FA": 4, "R": 4, "RA": 4}


@dataclass(slots=True)
class _End:
    """The books of one end. `offered` is the highest number it lets the other send."""

    next: int
    acked: int = 0
    offered: int = 0
    window: int = 1
    scale: int = 0
    options: TcpOptions | None = None
    last: Send | None = None


class Ports(NamedTuple):
    """The client's and the server's own ports; None: the flow's."""

    client: int | None = None
    server: int | None = None


def _mod(number: int) -> int:
    return number % MODULUS


class TcpTalk:
    """One conversation in the making."""

    def __init__(
        self, chance: random.Random, weights: Weights, topology: Topology, ports: Ports
    ) -> None:
        self.chance = chance
        self.weights = weights
        self.topology = topology
        self.ports = ports
        self.steps: list[Step] = []
        self.timeouts = {name: _timeout(chance, values) for name, values in TIMEOUTS.items()}
        self.timer = "syn_sent"  # which timeout the last packet most likely set
        self.waited = 0  # seconds since then
        # Few, so that most conversations get to where there is more to see.
        self.edits = weights.edits / 6
        self.windows = chance.choice(
            ((502, 502, 65535), (502,), (65535, 8192), (1000, 500, 0), (1, 10, 100), (0, 502))
        )
        self.ends = {Dir.ORIGINAL: _End(self._isn()), Dir.REPLY: _End(self._isn())}
        self._openings: dict[str, Callable[[], None]] = {
            "handshake": self._handshake,
            "simultaneous": self._simultaneous_open,
            "middle": self._middle,
            "syn": self._syn,
            "refused": self._refused,
            "challenged": self._challenged,
            "nothing": self._nothing,
        }
        self._moves: dict[str, Callable[[], None]] = {
            "data": self._data,
            "ack": self._ack,
            "exchange": self._exchange,
            "retransmission": self._retransmission,
            "repeat": self._repeat,
            "keepalive": self._keepalive,
            "sack": self._sack,
            "window_update": self._window_update,
            "zero_window": self._zero_window,
            "fin": self._fin,
            "close": self._close,
            "simultaneous_close": self._simultaneous_close,
            "rst": self._rst,
            "rst_train": self._rst_train,
            "inexact_rst": self._inexact_rst,
            "reuse": self._reuse,
            "challenge": self._challenge,
            "resync": self._resync,
            "late_synack": self._late_synack,
            "last_ack": self._last_ack,
            "own_rst": self._own_rst,
            "zero_rst": self._zero_rst,
            "far_fins": self._far_fins,
            "beyond": self._beyond,
            "any_flags": self._any_flags,
            "any_packet": self._any_packet,
            "expiry": self._expiry,
            "hold": self._hold,
            "flush": self._flush,
            "sysctl": self._sysctl,
            "icmp_error": self._icmp_error,
        }

    def talk(self, packets: int) -> list[Step]:
        """The steps of a conversation of about that many packets."""
        self._openings[choose(self.chance, self.weights.openings)]()
        self.edits = self.weights.edits
        while len(self.steps) < packets:
            if self.timer == "close" and self.chance.random() < 0.2:
                self._afresh()
            self._moves[choose(self.chance, self.weights.moves)]()
        return self.steps

    def _afresh(self) -> None:
        """Leaves a closed connection behind: the same ports, soon or after its timer, new books."""
        if self.chance.random() < 0.3:
            self.steps.append(Wait((self.timeouts["close"] + self._near()) * SECOND))
        self.ends = {end: _End(self._isn()) for end in self.ends}
        self._handshake()

    # -- numbers

    def _isn(self) -> int:
        return self.chance.choice(
            (
                self.chance.randrange(MODULUS),
                _mod(-self.chance.randrange(1, 3000)),
                self.chance.randrange(3000),
                1000,
                5000,
                _mod((1 << 31) - self.chance.randrange(3000)),
            )
        )

    def _dir(self) -> Dir:
        return self.chance.choice((Dir.ORIGINAL, Dir.REPLY))

    def _near(self) -> int:
        return self.chance.choice((-1, 0, 1))

    def _window(self) -> int:
        return self.chance.choice(self.windows)

    def _length(self) -> int:
        return self.chance.choice((1, 1, 10, 100, 100, 512, 1400))

    def _seq_edges(self, sender: Dir, length: int) -> tuple[int, ...]:
        """Sequence numbers at which conntrack's opinion of a packet may change."""
        own, peer = self.ends[sender], self.ends[sender.other]
        return (
            peer.offered,
            own.next - peer.window - length,
            peer.offered + peer.window - length,
            own.next,
            own.next - length,
            peer.acked,
            own.next + (1 << 31),
            own.next - (1 << 31) + peer.window,
        )

    def _ack_edges(self, sender: Dir) -> tuple[int, ...]:
        own, peer = self.ends[sender], self.ends[sender.other]
        return (
            peer.next,
            peer.next,
            peer.next - max(MAXACKWINDOW, own.window),
            peer.next - max(MAXACKWINDOW, own.window),
            own.acked,
            peer.next + (1 << 31),
            0,
        )

    # -- packets

    def _send(
        self,
        sender: Dir,
        flags: str,
        *,
        seq: int | None = None,
        ack: int | None = None,
        length: int = 0,
        window: int | None = None,
        options: TcpOptions | None = None,
        is_edited: bool = False,
    ) -> Send:
        """Sends a packet of the end's books, or one that departs from them.

        Only a packet that does not depart is written into the books; `is_edited`: this one does.
        """
        own, peer = self.ends[sender], self.ends[sender.other]
        bits = TcpFlags.parse(flags)
        if window is None:
            window = 64240 if bits & TcpFlags.SYN else self._window()
        is_honest = not is_edited and (seq is None or seq == own.next)
        if not is_edited and self.chance.random() < self.edits:
            bits, seq, ack, is_bad = self._edited(sender, bits, seq, ack, length)
            is_honest = False
        else:
            is_bad = False
        if seq is None:
            seq = own.next
        if ack is None:
            ack = peer.next if bits & TcpFlags.ACK else 0
        packet = self._to_ports(
            Send(
                sender,
                TCP,
                flags=bits,
                seq=_mod(seq),
                ack=_mod(ack),
                window=window,
                length=length,
                options=options,
                has_bad_checksum=is_bad,
                wait=self._wait() * SECOND,
                expire=self.chance.random() < 0.004,
            )
        )
        self.steps.append(packet)
        if is_honest:
            self._enter(own, packet)
        self._guess_timer(packet)
        return packet

    def _edited(
        self, sender: Dir, bits: TcpFlags, seq: int | None, ack: int | None, length: int
    ) -> tuple[TcpFlags, int | None, int | None, bool]:
        """One thing about a packet changed."""
        what = self.chance.random()
        if what < 0.40:
            seq = self.chance.choice(self._seq_edges(sender, length)) + self._near()
        elif what < 0.65:
            ack = self.chance.choice(self._ack_edges(sender)) + self._near()
        elif what < 0.75:
            seq = (self.ends[sender].next if seq is None else seq) + self._far()
        elif what < 0.85:
            bits = TcpFlags(self.chance.randrange(256))
        elif what < 0.90:
            bits |= self.chance.choice((TcpFlags.URG, TcpFlags.PSH, TcpFlags.ECE, TcpFlags.CWR))
        elif what < 0.95:
            seq = ack = 0
        else:
            return bits, seq, ack, True
        return bits, seq, ack, False

    def _far(self) -> int:
        distance = self.chance.choice((1, 100, 1000, 60_000, 70_000, 10**6, 10**7, 10**9))
        return self.chance.choice((-1, 1)) * distance

    def _to_ports(self, packet: Send) -> Send:
        client, server = self.ports
        if packet.sender is Dir.REPLY:
            client, server = server, client
        return replace(packet, sport=client, dport=server)

    def _enter(self, own: _End, packet: Send) -> None:
        bits = packet.flags
        occupied = packet.length + bool(bits & TcpFlags.SYN) + bool(bits & TcpFlags.FIN)
        if bits & TcpFlags.RST:
            return
        if bits & TcpFlags.SYN:
            own.options = packet.options
            own.scale = min((packet.options and packet.options.wscale) or 0, 14)
            own.window = 1
        own.next = _mod(packet.seq + occupied)
        scaled = packet.window << (0 if bits & TcpFlags.SYN else own.scale)
        own.window = max(own.window, scaled)
        if bits & TcpFlags.ACK:
            if own.acked == 0 or after(packet.ack, own.acked):
                own.acked = packet.ack
            if own.offered == 0 or after(packet.ack + scaled, own.offered):
                own.offered = _mod(packet.ack + max(scaled, 1))
        own.last = packet

    def _guess_timer(self, packet: Send) -> None:
        bits = packet.flags
        if bits & TcpFlags.RST:
            timer = "close"
        elif bits & TcpFlags.SYN:
            timer = "syn_recv" if bits & TcpFlags.ACK else "syn_sent"
        elif bits & TcpFlags.FIN:
            timer = "last_ack" if self.timer in ("fin_wait", "close_wait") else "fin_wait"
        else:
            timer = {
                "fin_wait": "close_wait",
                "last_ack": "time_wait",
                "syn_recv": "established",
                "unacknowledged": "established",
            }.get(self.timer, self.timer)
            if timer == "established" and packet.length:
                timer = "unacknowledged"
        self.timer, self.waited = timer, 0

    def _wait(self) -> int:
        """Seconds before the next packet: 0, a few, or until about the end of a timer."""
        if self.chance.random() >= self.weights.waits:
            return 0
        if self.chance.random() < 0.35:
            seconds = self.chance.choice((1, 2, 3, 5, 8))
        else:
            name = self.timer if self.chance.random() < 0.7 else any_of(self.chance, TIMEOUTS)
            seconds = self.timeouts[name] - self.waited + self.chance.choice((-2, -1, 0, 1, 3))
        self.waited += max(seconds, 0)
        return max(seconds, 0)

    def _syn_options(self, other: TcpOptions | None = None) -> TcpOptions | None:
        if self.chance.random() < 0.12:
            return None
        wscale: int | None = None
        if self.chance.random() < 0.8:
            wscale = self.chance.choice((7, 7, 7, 0, 1, 2, 8, 13, 14, 15, 255))
        stamp = None
        if self.chance.random() < 0.3:
            stamp = (self.chance.randrange(MODULUS), 0 if other is None else 1)
        has_mss = self.chance.random() < 0.9
        options = TcpOptions(
            mss=1460 if has_mss else None,
            wscale=wscale,
            sack_permitted=self.chance.random() < 0.7,
            timestamps=stamp,
        )
        return None if options == TcpOptions() else options

    def _stamps(self) -> TcpOptions | None:
        """What stands in the header of a packet that is no SYN: mostly nothing."""
        if self.chance.random() < 0.9:
            return None
        return TcpOptions(timestamps=(self.chance.randrange(MODULUS), 1))

    # -- openings

    def _syn(self) -> None:
        for _ in range(self.chance.choice((1, 1, 1, 2))):
            window = self.chance.choice((64240, 64240, 30000, 1, 0))
            options = self._syn_options()
            length = 100 if self.chance.random() < 0.05 else 0  # RFC 7413
            self._send(Dir.ORIGINAL, "S", length=length, window=window, options=options)
            if self.chance.random() < 0.15:  # again, with the same number or another
                seq = self.ends[Dir.ORIGINAL].next - 1 + self.chance.choice((0, 0, 1, 5000, -5000))
                self._send(Dir.ORIGINAL, "S", seq=seq, options=options)

    def _handshake(self) -> None:
        client, server = self.ends[Dir.ORIGINAL], self.ends[Dir.REPLY]
        self._syn()
        window = self.chance.choice((64240, 64240, 30000, 1, 0))
        options = self._syn_options(client.options)
        for _ in range(self.chance.choice((1, 1, 1, 1, 2))):
            seq = None if server.last is None else server.next - 1
            self._send(Dir.REPLY, "SA", seq=seq, window=window, options=options)
        third = self.chance.choice(("A", "A", "A", "A", "PA", "FA", "none"))
        if third != "none":
            self._send(Dir.ORIGINAL, third, length=10 if third == "PA" else 0)
        if self.chance.random() < 0.5:
            self._exchange()

    def _simultaneous_open(self) -> None:
        self._syn()
        self._send(Dir.REPLY, "S", options=self._syn_options())
        first = self._dir()
        for sender in (first, first.other):
            own = self.ends[sender]
            seq = own.next - self.chance.choice((0, 1))
            self._send(sender, "SA", seq=seq, options=own.options)
        self._send(self._dir(), "A")

    def _middle(self) -> None:
        first = self._dir()
        self._send(first, "A", length=self.chance.choice((0, 0, 100)), options=self._stamps())
        for _ in range(self.chance.randrange(4)):
            self._send(self._dir(), "A", length=self.chance.choice((0, 0, 10)))

    def _refused(self) -> None:
        self._syn()
        seq = self.chance.choice((None, 0))
        ack = self.ends[Dir.ORIGINAL].next + self.chance.choice((0, 0, 0, 1, 2, -1))
        self._send(Dir.REPLY, "RA", seq=seq, ack=ack, window=0)

    def _challenged(self) -> None:
        """A SYN meets a live socket of which conntrack knows nothing."""
        self._syn()
        old = self.chance.randrange(MODULUS)
        self._send(Dir.REPLY, "A", ack=old)
        if self.chance.random() < 0.3:
            self._send(Dir.ORIGINAL, "S", seq=self.ends[Dir.ORIGINAL].next - 1)
        self._send(Dir.ORIGINAL, "R", seq=old + self.chance.choice((0, 0, 0, 1, -1)), window=0)
        self._syn()

    def _nothing(self) -> None:
        """The first packet comes from any move."""

    # -- moves

    def _data(self) -> None:
        sender = self._dir()
        for _ in range(self.chance.choice((1, 1, 2, 3))):
            flags = self.chance.choice(("PA", "A", "PAE", "AU"))
            self._send(sender, flags, length=self._length(), options=self._stamps())

    def _ack(self) -> None:
        self._send(self._dir(), "A", options=self._stamps())

    def _exchange(self) -> None:
        sender = self._dir()
        self._send(sender, "PA", length=self._length())
        self._send(sender.other, "A")
        if self.chance.random() < 0.5:
            self._send(sender.other, "PA", length=self._length())
            self._send(sender, "A")

    def _retransmission(self) -> None:
        sender = self._dir()
        own = self.ends[sender]
        if own.last is None:
            return
        for _ in range(self.chance.choice((1, 1, 3, 5))):
            self.steps.append(replace(own.last, wait=self._wait() * SECOND, expire=False))

    def _repeat(self) -> None:
        """The same ACK again and again: what conntrack counts as retransmissions."""
        sender = self._dir()
        window = self._window()
        for _ in range(self.chance.choice((2, 4, 5))):
            self._send(sender, "A", window=window)

    def _keepalive(self) -> None:
        sender = self._dir()
        seq = self.ends[sender].next - 1
        self._send(sender, "A", seq=seq, length=self.chance.choice((0, 1)))
        self._send(sender.other, "A")

    def _sack(self) -> None:
        sender = self._dir()
        end = self.ends[sender.other].next
        right = end + self.chance.choice((0, 0, -100, 1, 1000, -70_000))
        blocks = [(_mod(right - 100), _mod(right))]
        if self.chance.random() < 0.4:
            blocks.append((_mod(right - 400), _mod(right - 300)))
        self.chance.shuffle(blocks)
        ack = end - self.chance.choice((0, 100, 500, 66_000, 66_100))
        stamp = self.chance.choice((None, (1, 1)))
        self._send(sender, "A", ack=ack, options=TcpOptions(timestamps=stamp, sack=tuple(blocks)))

    def _window_update(self) -> None:
        self._send(self._dir(), "A", window=self.chance.choice((1, 100, 2000, 65535)))

    def _zero_window(self) -> None:
        sender = self._dir()
        self._send(sender, "A", window=0)
        if self.chance.random() < 0.6:
            peer = sender.other
            self._send(peer, "A", length=1)
            self._send(sender, "A", window=self.chance.choice((0, 0, 502)))

    def _fin(self) -> None:
        self._send(self._dir(), self.chance.choice(("FA", "FA", "FPA")), length=0)

    def _close(self) -> None:
        sender = self._dir()
        self._send(sender, "FA")
        self._send(sender.other, "A")
        if self.chance.random() < 0.4:
            self._send(sender.other, "PA", length=self._length())
            self._send(sender, "A")
        self._send(sender.other, "FA")
        self._send(sender, "A")

    def _simultaneous_close(self) -> None:
        sender = self._dir()
        peer = self.ends[sender.other]
        seen = peer.next
        self._send(sender, "FA")
        self._send(sender.other, "FA", ack=self.ends[sender].next - 1)
        self._send(sender, "A", ack=seen + 1)
        self._send(sender.other, "A")

    def _rst(self) -> None:
        sender = self._dir()
        exact = self.ends[sender.other].acked
        seq = exact + self.chance.choice((0, 0, -1, 1, -100, 100))
        flags = self.chance.choice(("R", "RA"))
        self._send(sender, flags, seq=self.chance.choice((seq, seq, seq, 0)), window=0)

    def _rst_train(self) -> None:
        sender = self._dir()
        self._send(sender, "PA", length=10)
        if self.chance.random() < 0.3:
            self._send(sender.other, "A", ack=self.ends[sender.other].acked)
        self._send(sender, "R", seq=self.ends[sender].next + self._near(), window=0)

    def _inexact_rst(self) -> None:
        sender = self._dir()
        self._send(sender, "R", seq=self.ends[sender].next + self.chance.choice((1, 100, 3000)))
        self._send(self._dir(), "A")
        if self.chance.random() < 0.5:
            self._send(sender, "R", seq=self.ends[sender.other].acked)

    def _reopen(self, sender: Dir) -> None:
        """The end forgets the old connection and starts anew."""
        own = self.ends[sender]
        jump = self.chance.choice((1, 0, -1, 1000, 10**6, -(10**6), 1 << 30, 400_000_000))
        own.next = _mod(own.next + jump)
        own.offered = own.acked = 0
        length = 100 if self.chance.random() < 0.1 else 0  # RFC 7413
        window = self.chance.choice((64240, 64240, 64240, 0))
        self._send(sender, "S", length=length, window=window, options=self._syn_options())

    def _reuse(self) -> None:
        sender = self._dir() if self.chance.random() < 0.3 else Dir.ORIGINAL
        self._reopen(sender)
        if self.chance.random() < 0.6:
            self._send(sender.other, "SA", options=self._syn_options())
            self._send(sender, "A")

    def _challenge(self) -> None:
        """A new SYN on a live connection, the challenge ACK, the RST, the SYN again."""
        old = self.ends[Dir.ORIGINAL].next
        self._reopen(Dir.ORIGINAL)
        isn = self.ends[Dir.ORIGINAL].next - 1
        self._send(Dir.REPLY, "A", ack=old, is_edited=True)
        self._send(Dir.ORIGINAL, "R", seq=old + self.chance.choice((0, 0, 0, 1, -1)), window=0)
        self._send(Dir.ORIGINAL, "S", seq=isn, options=self.ends[Dir.ORIGINAL].options)
        if self.chance.random() < 0.6:
            self.ends[Dir.REPLY].next = self._isn()
            self._send(Dir.REPLY, "SA", options=self._syn_options())
            self._send(Dir.ORIGINAL, "A")

    def _resync(self) -> None:
        """A SYN that conntrack ignores, and what the server says to it."""
        self._reopen(Dir.ORIGINAL)
        client, server = self.ends[Dir.ORIGINAL], self.ends[Dir.REPLY]
        ack = client.next + self.chance.choice((0, 0, 0, 1, -1))
        if self.chance.random() < 0.3:
            seq = self.chance.choice((0, server.next))
            self._send(Dir.REPLY, "RA", seq=seq, ack=ack, window=0)
            return
        server.next = self._isn()
        self._send(Dir.REPLY, "SA", ack=ack, options=self._syn_options())
        self._send(Dir.ORIGINAL, "A")
        self._send(Dir.REPLY, "PA", length=100)

    def _late_synack(self) -> None:
        sender = self._dir()
        own = self.ends[sender]
        seq = self.chance.choice((own.next - 1, own.next, own.next + 5000))
        self._send(sender, "SA", seq=seq, options=self._syn_options(), is_edited=True)

    def _last_ack(self) -> None:
        """Both FINs are on their way when a new SYN of the client comes."""
        first = self._dir()
        self._send(first, "FA")
        if self.chance.random() < 0.5:
            self._send(first.other, "A")
        self._send(first.other, "FA")
        self.chance.choice((self._challenge, self._challenge, self._resync))()

    def _own_rst(self) -> None:
        """A RST that acknowledges a SYN which conntrack has let by; its own end may send it too."""
        self._reopen(Dir.ORIGINAL)
        ack = self.ends[Dir.ORIGINAL].next
        sender = self._dir()
        seq = self.chance.choice((0, self.ends[sender].next, self.ends[sender].next + 10**6))
        self._send(sender, "RA", seq=seq, ack=ack, is_edited=True)

    def _zero_rst(self) -> None:
        """A RST with the number 0, of a connection that may still be opening."""
        if self.chance.random() < 0.6:
            self.ends = {end: _End(self._isn()) for end in self.ends}
            self.steps.append(Flush())
            self._syn()
            if self.chance.random() < 0.6:
                self._send(Dir.REPLY, "SA", options=self._syn_options())
        sender = self._dir()
        self._send(sender, self.chance.choice(("R", "RA")), seq=0, window=0)

    def _far_fins(self) -> None:
        """FIN or RST far away from both ends: the second lowers the timer."""
        first = self._dir()
        for sender in (first, self.chance.choice((first, first.other, first.other))):
            flags = self.chance.choice(("FA", "R", "RA"))
            seq = self.ends[sender].next + self.chance.choice((10**7, 10**6, -(10**6), 10**9))
            self._send(sender, flags, seq=seq, is_edited=True)

    def _beyond(self) -> None:
        """A packet at an edge of the window, then the answer to it."""
        sender = self._dir()
        flags = self.chance.choice(("A", "PA", "PA", "FA", "R"))
        length = self._length() if flags == "PA" else 0
        seq = self.chance.choice(self._seq_edges(sender, length)) + self._near()
        self._send(sender, flags, seq=seq, length=length, is_edited=True)
        if self.chance.random() < 0.5:
            ack = seq + length + (flags == "FA") + self.chance.choice((0, 0, 1))
            self._send(sender.other, "A", ack=ack, is_edited=True)

    def _any_flags(self) -> None:
        bits = TcpFlags(self.chance.randrange(256))
        if self.chance.random() < 0.5:
            bits = TcpFlags.parse(choose(self.chance, FLAG_SHARES))
        self._send(self._dir(), bits.letters, is_edited=self.chance.random() < 0.5)

    def _any_packet(self) -> None:
        sender = self._dir()
        length = self.chance.choice((0, 0, 100))
        self._send(
            sender,
            choose(self.chance, FLAG_SHARES),
            seq=self.chance.choice(self._seq_edges(sender, length)) + self._far(),
            ack=self.chance.choice(self._ack_edges(sender)) + self._far(),
            length=length,
            window=self.chance.choice((0, 1, 65535)),
            options=self.chance.choice((None, self._syn_options())),
            is_edited=True,
        )

    def _expiry(self) -> None:
        if not self.steps:
            return
        self.steps.append(Expire())
        flags = self.chance.choice(("A", "PA", "FA", "R", "RA", "SA", "S"))
        self._send(self._dir(), flags, length=10 if flags == "PA" else 0)

    def _hold(self) -> None:
        """Some seconds, a packet that may or may not refresh, the rest of the timer, a packet."""
        total = self.timeouts[self.timer]
        first = self.chance.choice((1, 2, 3, 5))
        if total <= first + 2:
            return
        self.steps.append(Wait(first * SECOND))
        sender = self._dir()
        flags = self.chance.choice(("A", "PA", "S", "SA", "FA", "R", "F"))
        length = 10 if flags == "PA" else 0
        seq = self.chance.choice((*self._seq_edges(sender, length), self.ends[sender].next))
        self._send(sender, flags, seq=seq + self._near(), length=length, is_edited=True)
        self.steps.append(Wait((total - first + self._near()) * SECOND))
        self._send(self._dir(), self.chance.choice(("A", "PA", "FA", "R", "S")))

    def _flush(self) -> None:
        self.steps.append(Flush())

    def _sysctl(self) -> None:
        name = self.chance.choice(
            (
                *("tcp_loose", "tcp_be_liberal", "tcp_ignore_invalid_rst"),
                "tcp_max_retrans",
                "timeout",
                "timeout",
            )
        )
        if name == "timeout":
            state = any_of(self.chance, TIMEOUTS)
            value = self.chance.choice(TIMEOUTS[state])
            self.timeouts[state] = value
            name = f"tcp_timeout_{state}"
        elif name == "tcp_max_retrans":
            value = self.chance.choice((0, 1, 2, 3, 5, 255))
        else:
            value = self.chance.choice((0, 1))
        self.steps.append(SetSysctls({NETFILTER + name: value}))

    def _icmp_error(self) -> None:
        sender = self._dir()
        if self.ends[sender.other].last is None:
            return
        self.steps.append(icmp_error(self.chance, self.topology, sender))


def _timeout(chance: random.Random, values: Sequence[int]) -> int:
    """The usual value nearly always, so that most conversations have the timers of real ones."""
    return values[0] if chance.random() < 0.85 else chance.choice(values)
