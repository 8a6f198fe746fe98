# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with a socket: which of its packets the rules eat, and which incident it is like.

A socket counts as stuck where it has repeated what it sends, or where both snapshots show it in
the same state. Healthy hosts have sockets in every state for a moment: those are no trouble.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ctlint.analysis.diagnosis import (
    Advice,
    EntryKnown,
    Lasts,
    LostPacket,
    Pattern,
    Trouble,
)
from ctlint.analysis.evidence import Evidence, family_of
from ctlint.analysis.settings import ESTABLISHED, Settings
from ctlint.analysis.socket_lasts import SocketLasts
from ctlint.analysis.socket_packets import (
    ACK,
    DATA,
    FIN,
    OURS,
    PEERS,
    RST,
    SYN,
    SYNACK,
    Passed,
    SocketPackets,
    accepting,
)
from ctlint.analysis.socket_words import kill, say_lost, say_owner, say_place, say_socket
from ctlint.analysis.tracking import EntryState
from ctlint.finding import Role
from ctlint.ir.evidence import EntryLine, SocketLine, SocketTable
from ctlint.ir.rule import Match, Target
from ctlint.model.kernel.features import Feature
from ctlint.model.netfilter.tern import Tern
from ctlint.wire.addresses import Family

CLOSING: Final = ("FIN_WAIT_1", "LAST_ACK", "CLOSING")
LOOKED_AT: Final = (*CLOSING, "CLOSE_WAIT", "SYN_SENT", "FIN_WAIT_2")
"""The states in which a socket can hang."""

LEAKED_AFTER: Final = 60
"""Seconds without a packet after which a socket in CLOSE_WAIT is told of; so long its entry lives
(nf_conntrack_tcp_timeout_close_wait)."""

_OFTEN: Final = 2
"""Repetitions after which a socket is told of whose packets the rules here do not eat."""


class SocketTroubles:
    """Looks at the sockets of one host."""

    def __init__(self, evidence: Evidence, sockets: SocketTable, settings: Settings) -> None:
        self.evidence = evidence
        self.settings = settings
        self.packets = SocketPackets(evidence, settings)
        self.lasts = SocketLasts(settings, sockets)
        self._uses = {one.family: uses_conntrack(evidence, one.family) for one in evidence.rulesets}
        self._leaked = {
            (one.local[:3], one.peer[:3]): one
            for one in sockets.sockets
            if one.state == "CLOSE_WAIT"
        }
        self._full = {
            (one.local.address, one.local.port) for one in sockets.sockets if is_full(one)
        }

    def trouble(self, socket: SocketLine) -> Trouble | None:
        """What is wrong with a socket in one of the states of LOOKED_AT, if anything is.

        Raises NotFollowedError, BadSettingError, EndlessWalkError.
        """
        looks = {
            **dict.fromkeys(CLOSING, self._closing),
            "SYN_SENT": self._connecting,
            "CLOSE_WAIT": self._leaking,
            "FIN_WAIT_2": self._half_closed,
        }
        found = looks[socket.state](socket)
        if found is None:
            return None
        return replace(found, role=self.packets.role(socket, found.entry))

    def entry(self, socket: SocketLine) -> tuple[EntryKnown, EntryLine | None]:
        """The entry of a socket, and whether that there is none says anything."""
        family = family_of(socket)
        found = self.evidence.entry(socket)
        if found is not None:
            return EntryKnown.FOUND, found
        if family is None or not self._uses.get(family, True):
            return EntryKnown.UNUSED, None
        is_known = family in self._uses and self.evidence.knows_entries(family)
        return (EntryKnown.MISSING if is_known else EntryKnown.UNKNOWN), None

    # The states

    def _closing(self, socket: SocketLine) -> Trouble | None:
        known, entry = self.entry(socket)
        walked = _Walked(known)
        fin = walked.take(self.packets.send(socket, entry, FIN, OURS))
        is_loopback = self.packets.role(socket, entry) is Role.LOOPBACK
        if fin is Tern.TRUE:
            # The other end answers the FIN; where both ends are here it passes the same rules.
            walked.take(self.packets.send(socket, entry, ACK, PEERS))
            if socket.state == "FIN_WAIT_1" and not is_loopback:
                walked.take(self.packets.send(socket, entry, FIN, PEERS))
        counted = socket.timer.counted if socket.timer is not None else 0
        if not walked.lost and not self._is_stuck(socket, counted):
            return None
        lasts = self.lasts.closing(socket)
        signs = list(self._signs(socket, known))
        is_unsent = socket.number("notsent") == 1 and lasts.is_known
        if is_unsent and socket.timer is not None and socket.timer.kind == "persist":
            signs.append("its FIN has never left: this host's own output refuses it (notsent)")
        first = walked.lost[0] if walked.lost else None
        if first is None:
            what = (
                f"{socket.state} repeats its FIN, and nobody answers; the rules of this host let "
                "it and its answer through"
                if not walked.undecided
                else f"{socket.state} repeats its FIN, and nobody answers"
            )
            return Trouble(
                Pattern.UNANSWERED, what, socket, known, entry, (), lasts, tuple(signs),
                now=(kill(socket),), undecided=tuple(walked.undecided),
            )  # fmt: skip
        what = f"{socket.state}: the connection {_HAS[known]}, and {say_lost(first)}"
        return Trouble(
            Pattern.FIN_WAIT_1, what, socket, known, entry, tuple(walked.lost), lasts,
            tuple(signs), tuple(self._ways_out(socket, entry)), tuple(self._timeout(known)),
            tuple(walked.undecided),
        )  # fmt: skip

    def _connecting(self, socket: SocketLine) -> Trouble | None:
        known, entry = self.entry(socket)
        twin = self._leaked.get((socket.peer[:3], socket.local[:3]))
        answered = {
            one.state
            for one in self.evidence.entries_of(socket)
            if one.state in ("SYN_SENT", "CLOSE") and "UNREPLIED" not in one.flags
        }
        counted = socket.timer.counted if socket.timer is not None else 0
        walked = _Walked(known)
        pattern = Pattern.SYN_RETRIES
        signs = list(self._signs(socket, known))
        state = EntryState.SYN_SENT
        if walked.take(self.packets.send(socket, None, SYN, OURS, state=EntryState.NONE)) is (
            Tern.TRUE
        ):
            refusal = self.packets.send(socket, entry, RST | ACK, PEERS, state=state)
            is_refused = refusal is not None and refusal.delivered is not Tern.TRUE
            if answered == {"CLOSE"} and twin is None and is_refused:
                # A RST has closed the entry: the peer's own, which comes no further.
                walked.take(refusal)
            elif twin is not None or answered:
                pattern = Pattern.PORT_REUSE
                walked.take(self.packets.send(socket, entry, ACK, PEERS, state=state))
                # The ACK was an answer, so the RST is ESTABLISHED: as in any state behind SYN_SENT.
                behind = EntryState.SYN_RECV
                walked.take(self.packets.send(socket, entry, RST, OURS, state=behind))
                if self._may_be_invalid:
                    found = self.packets.send(socket, None, RST, OURS)
                    if found is not None and found.lost is not None:
                        walked.undecided.append(
                            f"this kernel calls the RST INVALID at about half of all moments: "
                            f"{say_place(found.lost)} then eats it"
                        )
            else:
                walked.take(self.packets.send(socket, entry, SYNACK, PEERS, state=state))
        if not walked.lost and not self._is_stuck(socket, counted, 1):
            return None
        here = socket.peer
        if not walked.lost and {(here.address, here.port), (None, here.port)} & self._full:
            pattern = Pattern.ACCEPT_QUEUE
            what = "the SYN is not answered: the accept queue of the listener is full"
        elif pattern is Pattern.PORT_REUSE:
            what = (
                "the SYN meets the socket of an old connection from the same port, which is in "
                "CLOSE_WAIT"
            )
            if twin is not None:
                signs.append(f"that socket: {say_socket(twin)}{say_owner(twin)}")
            else:
                signs.append("its entry has seen an answer that was no SYN,ACK, or a RST to it")
            if walked.lost:
                what += f", and {say_lost(walked.lost[0])}"
        elif walked.lost:
            what = f"the SYN is not answered: {say_lost(walked.lost[0])}"
        else:
            what = "the SYN is not answered; the rules of this host let it and its answer through"
            if walked.undecided:
                what = "the SYN is not answered"
        now = [kill(twin)] if twin is not None else []
        return Trouble(
            pattern, what, socket, known, entry, tuple(walked.lost),
            self.lasts.connecting(socket), tuple(signs), tuple(now),
            (_CLOSE_IT,) if pattern is Pattern.PORT_REUSE else (), tuple(walked.undecided),
        )  # fmt: skip

    def _leaking(self, socket: SocketLine) -> Trouble | None:
        known, entry = self.entry(socket)
        silent = _silence(socket)
        is_old = silent is not None and silent >= LEAKED_AFTER
        is_met = entry is not None and entry.state in ("SYN_SENT", "SYN_SENT2")
        if known is not EntryKnown.MISSING and not is_old and not is_met:
            return None
        if known is EntryKnown.MISSING and silent is not None and silent < LEAKED_AFTER:
            return None
        walked = _Walked(known)
        state = None if entry is None or not is_met else EntryState.EXPIRED
        walked.take(self.packets.send(socket, entry, FIN, OURS, state=state))
        what = (
            "CLOSE_WAIT: the peer has closed, the program has not; nothing but the program ends "
            "this state"
        )
        signs = list(self._signs(socket, known))
        pattern = Pattern.HALF_CLOSE
        if is_met:
            pattern = Pattern.PORT_REUSE
            what += "; a new connection from the same port meets it"
        risen = self.evidence.risen("TcpExtTCPSYNChallenge")
        if risen:
            signs.append(f"{risen} SYNs met open connections (TCPSYNChallenge) between the dumps")
        if walked.lost:
            what += f"; once it does, {say_lost(walked.lost[0])}"
        why = f"until the program closes it{say_owner(socket)}"
        return Trouble(
            pattern, what, socket, known, entry, tuple(walked.lost), Lasts(None, None, why),
            tuple(signs), (kill(socket),), (_CLOSE_IT,), tuple(walked.undecided),
        )  # fmt: skip

    def _half_closed(self, socket: SocketLine) -> Trouble | None:
        known, entry = self.entry(socket)
        if known is not EntryKnown.MISSING:
            return None
        waiting = self.lasts.waiting(socket)
        walked = _Walked(known)
        if waiting is None and self.packets.role(socket, entry) is not Role.LOOPBACK:
            walked.take(self.packets.send(socket, entry, DATA, PEERS))
        walked.take(self.packets.send(socket, entry, FIN, PEERS))
        if not walked.lost:
            return None
        why = "until the program closes it: a program owns it, so tcp_fin_timeout does not count"
        return Trouble(
            Pattern.HALF_CLOSE,
            f"FIN_WAIT_2: the connection has no entry any more, and {say_lost(walked.lost[0])}",
            socket, known, entry, tuple(walked.lost), waiting or Lasts(None, None, why),
            tuple(self._signs(socket, known)), tuple(self._ways_out(socket, entry)),
            tuple(self._timeout(known)), tuple(walked.undecided),
        )  # fmt: skip

    # What is said of them

    def _is_stuck(self, socket: SocketLine, counted: int, often: int = _OFTEN) -> bool:
        if counted >= often:
            return True
        return self.evidence.was_before(socket) and (self.evidence.interval or 0) >= _OFTEN

    @property
    def _may_be_invalid(self) -> bool:
        kernel = self.settings.kernel
        return (
            Feature.REINIT_ONLY_BY_SYN in kernel and Feature.RST_AFTER_CHALLENGE_ACK not in kernel
        )

    def _signs(self, socket: SocketLine, known: EntryKnown) -> Iterator[str]:
        timer = socket.timer
        if timer is not None and timer.counted and timer.kind in ("on", "persist"):
            times = "once" if timer.counted == 1 else f"{timer.counted} times"
            yield f"it has sent again {times}"
        if self.evidence.was_before(socket):
            yield "it was in the same state in the first snapshot"
        silent = _silence(socket)
        if silent is not None and silent >= 1:
            yield f"for {silent} s no data has come or gone"
        if known is EntryKnown.MISSING and silent is not None:
            timeout = self.settings.value(ESTABLISHED)
            if silent >= timeout:
                yield f"that is longer than {ESTABLISHED} = {timeout}"

    def _ways_out(self, socket: SocketLine, entry: EntryLine | None) -> Iterator[Advice]:
        made = accepting(socket)
        if made is not None and self.packets.has_one_backend(socket):
            commands, inserted = made
            is_loopback = self.packets.role(socket, entry) is Role.LOOPBACK
            wanted = [(FIN, OURS), (ACK, PEERS)]
            if not is_loopback:
                # Over lo the entry that the ACK makes is there before the other end closes.
                wanted += [(FIN, PEERS), (ACK, OURS)]
            passed = [
                self.packets.send(socket, entry, flags, sender, inserted=inserted)
                for flags, sender in wanted
            ]
            if all(one is not None and one.delivered is Tern.TRUE for one in passed):
                yield Advice(
                    "let this connection through; delete the rules once it has ended",
                    commands,
                    "with both the FIN and its ACK get through",
                )
        reset = self.packets.send(socket, entry, RST, OURS)
        if reset is not None and reset.lost is not None:
            what = f"end the socket; {say_place(reset.lost)} eats its RST, so the peer is not told"
            yield kill(socket, what)
        else:
            yield kill(socket)

    def _timeout(self, known: EntryKnown) -> Iterator[Advice]:
        """The timeout, where it is shorter than the kernel's."""
        timeout = self.settings.value(ESTABLISHED)
        default = self.settings.kernel.sysctl_default(ESTABLISHED)
        if known is EntryKnown.MISSING and default is not None and timeout < default:
            setting = self.settings.setting(ESTABLISHED)
            where = f" ({setting.span.file}:{setting.span.line})" if setting is not None else ""
            yield Advice(
                f"{ESTABLISHED} = {timeout}{where} is what an open connection may be silent; "
                "`ctlint whatif` says what another value or keepalives would change"
            )


class _Walked:
    """What became of a socket's packets."""

    def __init__(self, known: EntryKnown) -> None:
        self.known = known
        self.lost: list[LostPacket] = []
        self.undecided: list[str] = []

    def take(self, passed: Passed | None) -> Tern:
        if passed is None:
            self.undecided.append("the rules of its family are not known")
            return Tern.UNKNOWN
        lost = passed.lost
        if lost is not None and self.known is EntryKnown.UNKNOWN and not _is_shown(lost):
            # Without an entry the packet is another one to the rules than with it.
            self.undecided.append(
                f"whether the connection has an entry is not known; without one, {say_lost(lost)}"
            )
            return Tern.UNKNOWN
        if lost is not None:
            self.lost.append(lost)
        self.undecided += passed.undecided
        return passed.delivered


_HAS: Final = {
    EntryKnown.FOUND: "has an entry",
    EntryKnown.MISSING: "has no entry any more",
    EntryKnown.UNUSED: "is not tracked",
    EntryKnown.UNKNOWN: "may have no entry",
}
_CLOSE_IT: Final = Advice(
    "the program must close its sockets when the peer has closed (read() gives 0); with "
    "SO_KEEPALIVE the kernel ends those whose peer is gone"
)


def uses_conntrack(evidence: Evidence, family: Family) -> bool:
    """Whether a rule of a family makes the kernel track connections: one that asks for their
    state, or any of the nat table (nf_ct_netns_get()).
    """
    for ruleset in evidence.rulesets_of(family):
        for table, _, _, rule in ruleset.rules():
            if table == "nat":
                return True
            if any(isinstance(one, Match) and one.name in _ASKS for one in rule.matches):
                return True
            if isinstance(rule.target, Target) and rule.target.name in _TRACKS:
                return True
    return False


_ASKS: Final = frozenset(
    ["state", "conntrack", "connbytes", "connmark", "connlimit", "connlabel", "cluster", "helper"]
)
_TRACKS: Final = frozenset({"CT", "CONNMARK", "CONNSECMARK", "SYNPROXY"})


def is_full(socket: SocketLine) -> bool:
    """Whether the accept queue of a listener is full: sk_acceptq_is_full()."""
    return socket.state == "LISTEN" and socket.recv_q > socket.send_q


def _silence(socket: SocketLine) -> int | None:
    """Seconds since data came or went; None where ss does not say."""
    spans = [socket.number(name) for name in ("lastsnd", "lastrcv", "lastack")]
    known = [span for span in spans if span is not None]
    return min(known) // 1_000 if len(known) == len(spans) else None


def _is_shown(lost: LostPacket) -> bool:
    """Whether the evidence itself shows that such packets are eaten."""
    return bool(lost.logged)
