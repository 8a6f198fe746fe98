# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with a host as a whole: full queues, a full table, tcp_tw_recycle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ctlint.analysis.diagnosis import Advice, Lasts, Pattern, Trouble
from ctlint.analysis.evidence import Evidence
from ctlint.analysis.settings import (
    SYN_COOKIES,
    TABLE_COUNT,
    TABLE_MAX,
    TIMESTAMPS,
    TW_RECYCLE,
    BadSettingError,
    Settings,
)
from ctlint.analysis.socket_troubles import is_full
from ctlint.analysis.socket_words import say_end
from ctlint.ir.evidence import SocketLine

_SOMAXCONN: Final = "net.core.somaxconn"
_OVERFLOWS: Final = "TcpExtListenOverflows"
_REJECTED: Final = "TcpExtPAWSPassive"
_REQUESTS: Final = "TcpExtTCPReqQFullDrop"


def host_troubles(evidence: Evidence, settings: Settings) -> Iterator[Trouble]:
    """All of them. Raises BadSettingError."""
    yield from _accept_queues(evidence, settings)
    yield from _recycled(evidence, settings)
    yield from _request_queue(evidence, settings)
    yield from _table(evidence, settings)


def notes(evidence: Evidence) -> Iterator[str]:
    """What has happened since the machine started, nobody knows when."""
    if evidence.counters is None or evidence.later_counters is None:
        for name, what in (
            (_OVERFLOWS, "an accept queue was full"),
            (_REJECTED, "a SYN was dropped for its timestamp"),
            (_REQUESTS, "a request queue was full"),
        ):
            if total := evidence.total(name):
                yield f"{total:,} times since the start {what} ({name}): one dump does not say when"
    for kind in ("table full", "SYN flooding"):
        found = [one for one in evidence.log.events if one.kind == kind] if evidence.log else []
        if found:
            assert evidence.log is not None
            yield f"the log says {found[-1].text!r} ({evidence.log.file}:{found[-1].line})"


def _accept_queues(evidence: Evidence, settings: Settings) -> Iterator[Trouble]:
    risen = evidence.risen(_OVERFLOWS)
    signs: tuple[str, ...] = ()
    if risen:
        over = f" in {evidence.interval} s" if evidence.interval is not None else ""
        signs = (f"{risen:,} SYNs or last ACKs were dropped for it{over} ({_OVERFLOWS})",)
    sockets = evidence.sockets.sockets if evidence.sockets is not None else ()
    full = [socket for socket in sockets if is_full(socket)]
    for socket in full:
        yield Trouble(
            Pattern.ACCEPT_QUEUE,
            f"the accept queue of {say_end(socket.local)} is full: {socket.recv_q} connections "
            f"wait, its backlog is {socket.send_q}; further SYNs get no answer",
            socket,
            lasts=Lasts(None, None, f"until the program accepts{_program(socket)}"),
            signs=signs,
            now=(Advice("look at what the program waits for: it does not call accept()"),),
            change=tuple(_longer(socket, settings)),
        )
    if risen and not full:
        yield Trouble(
            Pattern.ACCEPT_QUEUE,
            "an accept queue was full between the two dumps; none is in the table of sockets",
            signs=signs,
            change=(Advice("find the listener whose Recv-Q comes near its Send-Q (ss -lnt)"),),
        )


def _program(socket: SocketLine) -> str:
    names = ", ".join(f"{one.name} (pid {one.pid})" for one in socket.processes[:3])
    return f": {names}" if names else ""


def _longer(socket: SocketLine, settings: Settings) -> Iterator[Advice]:
    try:
        most = settings.value(_SOMAXCONN)
    except (BadSettingError, ValueError):
        most = None
    if most is not None and socket.send_q >= most:
        yield Advice(
            f"{_SOMAXCONN} = {most} bounds the backlog: raise it, and start the program anew",
            (f"sysctl -w {_SOMAXCONN}={max(4096, most * 2)}",),
        )
    else:
        yield Advice("a longer backlog in the program's listen() bears longer pauses")


def _recycled(evidence: Evidence, settings: Settings) -> Iterator[Trouble]:
    if not settings.kernel.has_sysctl(TW_RECYCLE) or not settings.value(TW_RECYCLE):
        return
    risen = evidence.risen(_REJECTED)
    if not risen or not settings.value(TIMESTAMPS):
        return
    setting = settings.setting(TW_RECYCLE)
    where = f" ({setting.span.file}:{setting.span.line})" if setting is not None else ""
    yield Trouble(
        Pattern.TW_RECYCLE,
        f"tcp_tw_recycle = 1{where} drops SYNs of clients that share an address, by their "
        "timestamps",
        signs=(f"{risen:,} SYNs were dropped for it between the dumps ({_REJECTED})",),
        lasts=Lasts(None, None, "60 s after each connection from that address, again and again"),
        now=(Advice("turn it off", (f"sysctl -w {TW_RECYCLE}=0",)),),
        change=(Advice(f"take {TW_RECYCLE} out of the files that set it"),),
    )


def _request_queue(evidence: Evidence, settings: Settings) -> Iterator[Trouble]:
    risen = evidence.risen(_REQUESTS)
    if not risen:
        return
    setting = settings.setting(SYN_COOKIES)
    off = setting is not None and setting.value.strip() == "0"
    change = Advice("turn SYN cookies on", (f"sysctl -w {SYN_COOKIES}=1",))
    yield Trouble(
        Pattern.REQUEST_QUEUE,
        "SYNs are dropped: a queue of requests is full"
        + (f", and {SYN_COOKIES} = 0" if off else ""),
        signs=(f"{risen:,} SYNs were dropped for it between the dumps ({_REQUESTS})",),
        change=(change,) if off else (),
    )


def _table(evidence: Evidence, settings: Settings) -> Iterator[Trouble]:
    if settings.setting(TABLE_COUNT) is None or settings.setting(TABLE_MAX) is None:
        return
    count, most = settings.value(TABLE_COUNT), settings.value(TABLE_MAX)
    if not most or count < most:
        return
    logged = (
        [one for one in evidence.log.events if one.kind == "table full"] if evidence.log else []
    )
    signs = [f"{TABLE_COUNT} = {count}, {TABLE_MAX} = {most}"]
    if logged and evidence.log is not None:
        signs.append(f"the log says so: {evidence.log.file}:{logged[-1].line}")
    yield Trouble(
        Pattern.TABLE_FULL,
        "the table of conntrack is full: packets that would make an entry are dropped",
        signs=tuple(signs),
        lasts=Lasts(None, None, "until entries time out"),
        now=(Advice("allow more entries", (f"sysctl -w {TABLE_MAX}={most * 2}",)),),
        change=(Advice("`ctlint whatif --rate N` says how large the table must be"),),
    )
