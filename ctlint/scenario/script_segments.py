# SPDX-License-Identifier: GPL-2.0-only
"""Segments of scripts: their flags, sequence numbers and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ctlint.parse.connection_script import (
    PacketText,
)
from ctlint.parse.script_reader import Word
from ctlint.scenario.ends import WSCALE, Connection, End, Numbers, Offer
from ctlint.scenario.script_words import StatementError, read_integer, read_number, read_pair
from ctlint.wire.addresses import Family
from ctlint.wire.tcp_flags import TcpFlags

_MSS: Final = {Family.IPV4: 1460, Family.IPV6: 1440}


def flags_of(text: PacketText) -> TcpFlags:
    """The flags that a statement names. Raises StatementError."""
    if text.what.text == "data":
        return TcpFlags.PSH | TcpFlags.ACK
    is_exact = text.what.text == "exactly"
    word = text.operand if is_exact else text.what
    assert word is not None
    try:
        flags = TcpFlags.parse("" if word.text == "none" else word.text)
    except ValueError as error:
        raise StatementError(word.span, str(error)) from None
    # No end sends a FIN that acknowledges nothing.
    if flags is TcpFlags.FIN and not is_exact:
        flags |= TcpFlags.ACK
    return flags


class SegmentWriter:
    """Writes the segments of one test as JSON, and counts what its ends have sent and seen."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._connection = Connection()

    def write(
        self,
        written: dict[str, Any],
        sender: str,
        flags: TcpFlags,
        length: int,
        options: Mapping[str, Word],
        *,
        is_again: bool,
        is_lost: bool,
    ) -> bool:
        """Numbers and options of a segment; False where it should go again and never went."""
        connection = self._connection
        end, other = connection.client, connection.server
        if sender == "server":
            end, other = other, end
        offer, opts = self._offer(end, flags, options)
        numbers: Numbers | None
        if is_again:
            numbers = connection.again(end, flags, length)
            if numbers is None:
                return False
        else:
            numbers = self._numbers(end, flags, length, offer, options)
        if "win" in options:
            window = read_integer(options["win"], options["win"].text)
            numbers = numbers._replace(window=window)
        if "ack" in options:
            numbers = numbers._replace(ack=read_number(options["ack"], numbers.ack))
        if "seq" in options and (is_again or not flags & TcpFlags.SYN):
            numbers = numbers._replace(seq=read_number(options["seq"], numbers.seq))
        written |= {"seq": numbers.seq, "ack": numbers.ack, "win": numbers.window}
        if opts:
            written["opts"] = opts
        if not is_lost:
            connection.arrive(other, flags, length, numbers, offer)
        return True

    def _numbers(
        self, end: End, flags: TcpFlags, length: int, offer: Offer, options: Mapping[str, Word]
    ) -> Numbers:
        connection = self._connection
        start = None
        if flags & TcpFlags.SYN and "seq" in options:
            start = read_number(options["seq"], end.start)
        elif "seq" in options:
            # What a segment with a number of its own says is not what the ends count.
            return connection.peek(end, flags)
        return connection.numbers(end, flags, length, offer=offer, start=start)

    def _offer(
        self, end: End, flags: TcpFlags, options: Mapping[str, Word]
    ) -> tuple[Offer, dict[str, Any]]:
        """What a segment offers, and its options: those of a SYN are there unless they are refused,
        and an answer offers only what was offered.
        """
        opts: dict[str, Any] = {}
        is_syn = bool(flags & TcpFlags.SYN) and not flags & TcpFlags.RST
        asked = end.asked_offer if flags & TcpFlags.ACK else Offer()
        if is_syn:
            opts["mss"] = _MSS[self._family]
            if asked.sackok:
                opts["sackok"] = True
            if asked.wscale:
                opts["wscale"] = WSCALE
        for key in ("mss", "wscale"):
            if key in options:
                word = options[key]
                opts.pop(key, None)
                if word.text != "none":
                    opts[key] = read_integer(word, word.text)
        if "sackok" in options:
            word = options["sackok"]
            opts.pop("sackok", None)
            if word.text not in ("yes", "no", "none"):
                raise StatementError(word.span, "yes or no is expected")
            if word.text == "yes":
                opts["sackok"] = True
        if "ts" in options:
            opts["ts"] = read_pair(options["ts"], options["ts"].text, "/")
        if "sack" in options:
            blocks = options["sack"].text.split(",")
            opts["sack"] = [read_pair(options["sack"], block, "-") for block in blocks]
        return Offer("wscale" in opts, "sackok" in opts) if is_syn else end.offer, opts
