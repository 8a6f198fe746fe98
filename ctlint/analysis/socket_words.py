# SPDX-License-Identifier: GPL-2.0-only
"""Sockets, and rules that eat their packets, in words; the command that ends a socket."""

from __future__ import annotations

from ctlint.analysis.diagnosis import Advice, LostPacket
from ctlint.analysis.socket_packets import say_flags
from ctlint.ir.evidence import SocketEnd, SocketLine
from ctlint.wire.addresses import Family, format_address


def kill(socket: SocketLine, what: str = "end the socket") -> Advice:
    """The command that ends a socket; it needs CONFIG_INET_DIAG_DESTROY."""
    local, peer = _words(socket.local), _words(socket.peer)
    command = (
        f"ss -K src {local} sport = :{socket.local.port} dst {peer} dport = :{socket.peer.port}"
    )
    return Advice(what, (command,))


def _words(end: SocketEnd) -> str:
    if end.address is None or end.family is None:
        return "0.0.0.0/0"
    text = format_address(end.family, end.address)
    return f"[{text}]" if end.family is Family.IPV6 else text


def say_socket(socket: SocketLine) -> str:
    """A socket in words: ``10.0.0.5:80 to 10.0.0.9:5000``."""
    return f"{say_end(socket.local)} to {say_end(socket.peer)}"


def say_end(end: SocketEnd) -> str:
    """An end in words."""
    port = "*" if end.port is None else end.port
    if end.address is None or end.family is None:
        return f"*:{port}"
    text = format_address(end.family, end.address)
    return f"[{text}]:{port}" if end.family is Family.IPV6 else f"{text}:{port}"


def say_owner(socket: SocketLine) -> str:
    """Who has a socket open, behind a semicolon; empty where ss does not say."""
    if not socket.processes:
        return ""
    names = ", ".join(f"{one.name} (pid {one.pid})" for one in socket.processes[:3])
    return f"; its program: {names}"


def say_lost(lost: LostPacket) -> str:
    """Which rule eats a packet: ``filter/OUTPUT at rules:5 drops the FIN,ACK of this host``."""
    verb = "rejects" if lost.rejected else "drops"
    kind = f" ({lost.ctstate.name})" if lost.ctstate is not None else ""
    return f"{say_place(lost)} {verb} the {say_flags(lost.flags)} of {lost.sender}{kind}"


def say_place(lost: LostPacket) -> str:
    """Where that rule stands."""
    where = lost.location
    return f"{where.table}/{where.chain} at {where.file}:{where.line}"
