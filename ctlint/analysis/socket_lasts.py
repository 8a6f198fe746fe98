# SPDX-License-Identifier: GPL-2.0-only
"""For how much longer a socket stays as it is, by the timer that ss shows and the model of its end.

Where no program owns a socket that closes, tcp_orphan_retries bounds it (tcp_write_timeout() and
tcp_probe_timer() in net/ipv4/tcp_timer.c), else tcp_retries2; connect() is bound by
tcp_syn_retries.
"""

from __future__ import annotations

import re
from typing import Final

from ctlint.analysis.diagnosis import Lasts
from ctlint.analysis.lasting import Lasting, rest_of_close, rest_of_connect
from ctlint.analysis.settings import ORPHAN_RETRIES, RETRIES2, Settings
from ctlint.ir.evidence import SocketLine, SocketTable
from ctlint.model.endpoint.settings import EndSettings, read_end_settings
from ctlint.wire.moments import SECOND, Micros

SYN_RETRIES: Final = "net.ipv4.tcp_syn_retries"
_RTT: Final = re.compile(r"(\d{1,6})(?:\.(\d{1,3}))?/.*")
_LONGEST_RTT: Final[Micros] = 10 * SECOND
_MOST_COUNTED: Final = 64
_NO_TIMER: Final = "ss was run without -o, so its timer is not known"


class SocketLasts:
    """Tells how long sockets last."""

    def __init__(self, settings: Settings, sockets: SocketTable) -> None:
        self._settings = settings
        self._sockets = sockets

    def closing(self, socket: SocketLine) -> Lasts:
        """A socket that repeats its FIN."""
        timer = socket.timer
        if timer is None or timer.kind not in ("on", "persist"):
            why = _NO_TIMER if not self._sockets.has_timers else "no timer of its FIN is running"
            return Lasts(None, None, why, is_known=False)
        is_refused = timer.kind == "persist"
        if is_refused and not self._is_unsent(socket):
            why = "it probes a window that the peer has closed"
            return Lasts(None, None, why, is_known=False)
        is_owned = self._sockets.has_owners and bool(socket.number("ino"))
        kernel, ends = self._settings.kernel, self._ends(RETRIES2 if is_owned else ORPHAN_RETRIES)
        rest = rest_of_close(
            kernel,
            ends,
            min(timer.counted, _MOST_COUNTED),
            round_trip(socket),
            is_refused=is_refused,
            is_owned=is_owned,
        )
        name = RETRIES2 if is_owned else ORPHAN_RETRIES
        why = f"{name} = {self._settings.value(name)} bounds it"
        if not self._sockets.has_owners:
            why += ", if no program owns it any more (ss -e would say)"
        return self._behind(socket, rest, why)

    def connecting(self, socket: SocketLine) -> Lasts:
        """A socket whose SYN is not answered."""
        timer = socket.timer
        if timer is None or timer.kind != "on":
            return Lasts(None, None, _NO_TIMER, is_known=False)
        kernel, ends = self._settings.kernel, self._ends(SYN_RETRIES)
        rest = rest_of_connect(kernel, ends, min(timer.counted, _MOST_COUNTED))
        retries = self._settings.value(SYN_RETRIES)
        return self._behind(socket, rest, f"{SYN_RETRIES} = {retries} bounds connect()")

    def waiting(self, socket: SocketLine) -> Lasts | None:
        """A socket that its own timer ends (``timewait``); None where none does."""
        timer = socket.timer
        if timer is None or timer.kind != "timewait":
            return None
        return Lasts(timer.least // SECOND, -(-timer.most // SECOND), "tcp_fin_timeout bounds it")

    def _behind(self, socket: SocketLine, rest: Lasting | None, why: str) -> Lasts:
        assert socket.timer is not None
        if rest is None:
            said = "its timer has gone off more often than the sysctls of this evidence allow"
            return Lasts(None, None, said, is_known=False)
        least = socket.timer.least // SECOND + rest.least
        return Lasts(least, -(-socket.timer.most // SECOND) + rest.most, why)

    def _is_unsent(self, socket: SocketLine) -> bool:
        """Whether all that waits is the FIN, which the host itself refuses to send; without
        ``ss -i`` that is taken to be so.
        """
        if socket.word("rto") is None:
            return socket.send_q <= 1
        return socket.number("notsent") == 1 and socket.send_q == 1

    def _ends(self, name: str) -> EndSettings:
        """Raises BadSettingError for the sysctl that is needed."""
        self._settings.value(name)
        return read_end_settings(self._settings.kernel, self._settings.numbers())


def round_trip(socket: SocketLine) -> Micros | None:
    """The round trip that the socket has measured; None where ss does not say."""
    found = _RTT.fullmatch(socket.word("rtt") or "")
    if found is None:
        return None
    micros = int(found[1]) * 1_000 + int((found[2] or "0").ljust(3, "0"))
    return micros if 0 < micros <= _LONGEST_RTT else None
