# SPDX-License-Identifier: GPL-2.0-only
"""The two ends of a TCP connection as far as their sequence numbers go: what each would send next.

An end acknowledges what has arrived in order, and nothing else. Before its first SYN an end is in
the middle of a connection, as if the handshake stood before the script. Sources: RFC 9293, sections
3.4, 3.5.2 (resets) and 3.10; RFC 7323, section 2.2 (a scale is used where both offer one).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.wire.sequence import MODULUS, before
from ctlint.wire.tcp_flags import TcpFlags

CLIENT_START: Final = 1000
SERVER_START: Final = 5000
_NEXT_START: Final = 1_000_000
"""So far is the first number of a new connection from that of the one before (RFC 6528)."""

WSCALE: Final = 7
SYN_WINDOW: Final = 64240
SYN_ACK_WINDOW: Final = 65160
SCALED_WINDOW: Final = 502
UNSCALED_WINDOW: Final = 64240


class Offer(NamedTuple):
    """What a SYN offers, or answers."""

    wscale: bool = True
    sackok: bool = True


class Numbers(NamedTuple):
    """What stands in a header."""

    seq: int
    ack: int
    window: int


class Sent(NamedTuple):
    """A segment that was sent, as it goes once more."""

    seq: int
    window: int


class End:
    """One end."""

    def __init__(self, start: int, other: int) -> None:
        self.start = start
        self.next = (start + 1) % MODULUS
        """The number of the next byte that it sends."""
        self.awaited = (other + 1) % MODULUS
        """The number of the next byte that it wants."""
        self.fin: int | None = None
        self.has_begun = False
        self.offer = Offer()
        self.asked: int | None = None
        """Where the other end's SYN that is not answered yet begins."""
        self.asked_offer = Offer()
        self.answered: int | None = None
        """Where the SYN begins that it answered last."""
        self.is_asking = False
        self.challenge: int | None = None
        """What an ACK acknowledged that came instead of the answer to a SYN."""
        self.sent: dict[tuple[TcpFlags, int], Sent] = {}

    def begin(self, seq: int | None) -> None:
        """A new connection begins, at this number if one is given."""
        if seq is not None:
            self.start = seq
        elif self.has_begun:
            self.start = (self.start + _NEXT_START) % MODULUS
        self.has_begun = True
        self.next = (self.start + 1) % MODULUS
        self.fin = None


class Connection:
    """What the ends of one connection have sent and seen."""

    def __init__(self) -> None:
        self.client = End(CLIENT_START, SERVER_START)
        self.server = End(SERVER_START, CLIENT_START)

    def numbers(
        self,
        end: End,
        flags: TcpFlags,
        length: int,
        *,
        offer: Offer | None = None,
        start: int | None = None,
    ) -> Numbers:
        """What an end sends with these flags and bytes of payload; it has sent them then.

        `offer` and `start` are those of a SYN: its options, and where it begins, None where the end
        chooses.
        """
        ack = end.awaited if flags & TcpFlags.ACK else 0
        if flags & TcpFlags.SYN:
            return self._synchronise(end, flags, length, offer or Offer(), start)
        seq, window = end.next, self._window(end)
        if flags & TcpFlags.RST:
            window = 0
            if not flags & TcpFlags.ACK and end.challenge is not None:
                seq = end.challenge
            elif flags & TcpFlags.ACK and end.asked not in (None, end.answered):
                assert end.asked is not None
                seq, ack = 0, (end.asked + 1) % MODULUS
        elif flags & TcpFlags.FIN:
            # No end sends two: the second is the first once more.
            if end.fin is None:
                end.fin = (seq + length) % MODULUS
            seq = (end.fin - length) % MODULUS
            end.next = (end.fin + 1) % MODULUS
        else:
            end.next = (seq + length) % MODULUS
        end.sent[flags, length] = Sent(seq, window)
        return Numbers(seq, ack, window)

    def peek(self, end: End, flags: TcpFlags) -> Numbers:
        """What an end would send with these flags, but no SYN; it has not sent it."""
        ack = end.awaited if flags & TcpFlags.ACK else 0
        return Numbers(end.next, ack, 0 if flags & TcpFlags.RST else self._window(end))

    def again(self, end: End, flags: TcpFlags, length: int) -> Numbers | None:
        """What an end has sent, once more, acknowledging what has arrived since; None where it has
        not sent such a segment.
        """
        found = end.sent.get((flags, length))
        if found is None:
            return None
        if flags & TcpFlags.SYN:
            end.challenge = None
        return Numbers(found.seq, end.awaited if flags & TcpFlags.ACK else 0, found.window)

    def _synchronise(
        self, end: End, flags: TcpFlags, length: int, offer: Offer, start: int | None
    ) -> Numbers:
        is_answer = bool(flags & TcpFlags.ACK)
        is_asked = is_answer and end.asked not in (None, end.answered)
        # Another SYN is another connection's; another answer to the same SYN is the same.
        if not is_answer or is_asked or start is not None or not end.has_begun:
            end.begin(start)
            end.next = (end.next + length) % MODULUS
        if is_asked and end.asked is not None:
            end.answered = end.asked
            end.awaited = (end.asked + 1) % MODULUS
        end.is_asking = end.is_asking or not is_answer
        end.challenge = None
        end.offer = offer
        window = SYN_ACK_WINDOW if is_answer else SYN_WINDOW
        end.sent[flags, length] = Sent(end.start, window)
        return Numbers(end.start, end.awaited if is_answer else 0, window)

    def _window(self, end: End) -> int:
        other = self.server if end is self.client else self.client
        is_scaled = end.offer.wscale and other.offer.wscale
        return SCALED_WINDOW if is_scaled else UNSCALED_WINDOW

    def arrive(
        self, end: End, flags: TcpFlags, length: int, numbers: Numbers, offer: Offer
    ) -> None:
        """A segment arrives at an end."""
        if flags & TcpFlags.RST:
            return
        if flags & TcpFlags.SYN:
            if not flags & TcpFlags.ACK:
                end.asked, end.asked_offer = numbers.seq, offer
                return
            if not end.is_asking and end.awaited != numbers.seq:
                return  # the answer to a SYN that it has not sent, or an old one
            end.is_asking = False
            end.awaited = (numbers.seq + 1 + length) % MODULUS
            return
        if end.is_asking:
            end.challenge = numbers.ack
            return
        size = length + bool(flags & TcpFlags.FIN)
        last = (numbers.seq + size) % MODULUS
        # What begins behind a hole is not acknowledged.
        if size and not before(end.awaited, numbers.seq) and before(end.awaited, last):
            end.awaited = last
