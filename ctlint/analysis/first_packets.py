# SPDX-License-Identifier: GPL-2.0-only
"""Packets of one connection by itself: those that open it, the first that finds no entry."""

from __future__ import annotations

from collections.abc import Iterator

from ctlint.analysis.connection import Connection
from ctlint.analysis.fate import Fate, send
from ctlint.analysis.losses import (
    Kind,
)
from ctlint.analysis.regions import OPENING, SYN, SYN_ACK
from ctlint.model.conntrack.first_packet import classify_first, classify_with_state
from ctlint.model.conntrack.status import CtState, Dir, TcpCt
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import EntryView


def handshake(
    chains: ChainStore, connection: Connection, *, loose: bool, kernel: KernelProfile
) -> Iterator[tuple[Dir, Fate]]:
    """The packets that open a connection and carry its first data, with a live entry.

    Where NOTRACK takes the client's SYN there is none: later packets are first packets, if they
    are tracked at all; one of the client makes an entry then, in which the server answers. Where
    it takes the SYN/ACK alone, the entry stays in SYN_SENT, in which the client's packets are
    INVALID (measured on 6.18).
    """
    no_entry = no_answer = picked_up = False
    for sender, flags in OPENING:
        packet = connection.packet(sender, flags)
        view: EntryView | None
        if picked_up and sender is Dir.REPLY:
            ctstate = CtState.ESTABLISHED
            view = connection.entry(sender, confirmed=True, replied=True)
        elif no_entry:
            ctstate = classify_first(flags, tcp_loose=loose, kernel=kernel).ctstate
            view = connection.picked_up(sender)
        elif flags == SYN:
            ctstate, view = CtState.NEW, connection.entry(sender)
        elif no_answer:
            state = TcpCt.SYN_SENT
            ctstate = classify_with_state(flags, sender, state, kernel, seen_reply=False)
            view = connection.entry(sender, confirmed=True, replied=sender is Dir.REPLY)
        else:
            ctstate = CtState.ESTABLISHED
            assured = flags != SYN_ACK
            view = connection.entry(sender, confirmed=True, replied=True, assured=assured)
        if ctstate is CtState.INVALID:
            view = None
        fate = send(chains, packet, connection.ends(sender), ctstate, view)
        picks_up = no_entry and ctstate is CtState.NEW and not fate.was_untracked
        picked_up = picked_up or picks_up
        no_entry = no_entry or (flags == SYN and fate.was_untracked)
        no_answer = no_answer or (flags == SYN_ACK and fate.was_untracked)
        yield sender, fate


def first_after_expiry(
    chains: ChainStore,
    connection: Connection,
    sender: Dir,
    kind: Kind,
    *,
    loose: bool,
    kernel: KernelProfile,
    explain: bool = False,
) -> Fate:
    """The fate of a packet that finds no entry any more."""
    first = classify_first(kind.flags, tcp_loose=loose, kernel=kernel)
    entry = connection.picked_up(sender) if first.ctstate is CtState.NEW else None
    payload = 1 if kind is Kind.DATA else 0
    packet = connection.packet(sender, kind.flags, payload)
    return send(chains, packet, connection.ends(sender), first.ctstate, entry, explain=explain)
