# SPDX-License-Identifier: GPL-2.0-only
"""The next packets of a socket's connection, and what the rules of its host do to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from ctlint.analysis.diagnosis import LostPacket
from ctlint.analysis.evidence import Evidence, family_of
from ctlint.analysis.fate import Disposition
from ctlint.analysis.location import cause_location
from ctlint.analysis.sending import Sent, send_inquiry
from ctlint.analysis.settings import Settings
from ctlint.analysis.tracking import EntryState, Inquiry
from ctlint.analysis.variant import Insertion, altered
from ctlint.finding import Role
from ctlint.ir.evidence import EntryLine, LoggedPacket, SocketLine
from ctlint.ir.ruleset import Ruleset
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family, format_address
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP
from ctlint.wire.tcp_flags import TcpFlags

OURS: Final = "this host"
PEERS: Final = "the peer"
FIN: Final = TcpFlags.FIN | TcpFlags.ACK
ACK: Final = TcpFlags.ACK
SYN: Final = TcpFlags.SYN
SYNACK: Final = TcpFlags.SYN | TcpFlags.ACK
RST: Final = TcpFlags.RST
DATA: Final = TcpFlags.PSH | TcpFlags.ACK

_LOGGED_SHOWN: Final = 3
_STATES: Final = {
    "SYN_SENT": EntryState.SYN_SENT,
    "SYN_SENT2": EntryState.SYN_SENT,
    "SYN_RECV": EntryState.SYN_RECV,
    "ESTABLISHED": EntryState.ESTABLISHED,
    "FIN_WAIT": EntryState.FIN_WAIT,
    "CLOSE_WAIT": EntryState.CLOSE_WAIT,
    "LAST_ACK": EntryState.LAST_ACK,
    "TIME_WAIT": EntryState.TIME_WAIT,
    "CLOSE": EntryState.CLOSE,
}


class Passed(NamedTuple):
    """What became of a packet: whether it gets through, what eats it for certain, and what is not
    decided.
    """

    delivered: Tern
    lost: LostPacket | None
    undecided: tuple[str, ...]


class SocketPackets:
    """Sends packets of sockets through the rules of their host."""

    def __init__(self, evidence: Evidence, settings: Settings) -> None:
        self.evidence = evidence
        self.settings = settings
        facts = Facts(sets=evidence.sets)
        self._chains: dict[Family, list[ChainStore]] = defaultdict(list)
        for ruleset in evidence.rulesets:
            self._chains[ruleset.family].append(ChainStore(ruleset, facts))
        self._logged: dict[tuple[object, ...], list[LoggedPacket]] = defaultdict(list)
        for packet in evidence.log.packets if evidence.log is not None else ():
            self._logged[_key(packet)].append(packet)

    def role(self, socket: SocketLine, entry: EntryLine | None) -> Role:
        """Where this host stands in the connection."""
        if self.evidence.is_local(socket.peer):
            return Role.LOOPBACK
        return Role.CLIENT if self.is_client(socket, entry) else Role.SERVER

    def is_client(self, socket: SocketLine, entry: EntryLine | None) -> bool:
        """Whether this socket has opened the connection: its entry says so, or that nothing
        listens at its port.
        """
        if socket.state == "SYN_SENT":
            return True
        if entry is not None:
            original = entry.original
            return (original.saddr, original.sport) == (socket.local.address, socket.local.port)
        return not self.evidence.listens(socket.local)

    def send(
        self,
        socket: SocketLine,
        entry: EntryLine | None,
        flags: TcpFlags,
        sender: str,
        *,
        state: EntryState | None = None,
        inserted: Iterable[Insertion] = (),
    ) -> Passed | None:
        """Send a packet of the connection. ``state`` is that of its entry where it is another one
        than the evidence shows; ``inserted`` are rules that are not there yet. None where the rules
        of its family are not known.
        """
        family = family_of(socket)
        stores = self._chains.get(family, []) if family is not None else []
        packet = _packet(socket, flags, sender)
        if not stores or packet is None:
            return None
        is_client = self.is_client(socket, entry)
        is_original = (sender == OURS) is is_client
        if state is None:
            state = EntryState.EXPIRED
            if entry is not None:
                state = _STATES.get(entry.state, EntryState.ESTABLISHED)
        role = self.role(socket, entry)
        interface = None if role is Role.LOOPBACK else self.evidence.interface(socket)
        inquiry = Inquiry(
            packet,
            role,
            Dir.ORIGINAL if is_original else Dir.REPLY,
            state,
            interface if sender == PEERS else None,
            interface if sender == OURS else None,
        )
        found: list[Passed] = []
        for chains in stores:
            ruleset = chains.ruleset
            if inserted:
                ruleset = altered(ruleset, inserted)
                chains = chains.altered(ruleset)
            sent = send_inquiry(chains, inquiry, self.settings)
            found.append(self._passed(sent, ruleset, packet, sender))
        return _through_all(found)

    def has_one_backend(self, socket: SocketLine) -> bool:
        """Whether one set of rules is all that its packets meet."""
        family = family_of(socket)
        return family is not None and len(self._chains.get(family, [])) == 1

    def _passed(self, sent: Sent, ruleset: Ruleset, packet: Packet, sender: str) -> Passed:
        kinds = {end.disposition for end in sent.ends}
        flags = packet.flags or TcpFlags(0)
        if kinds == {Disposition.DELIVERED}:
            return Passed(Tern.TRUE, None, ())
        end = sent.ends[0]
        if Disposition.DELIVERED in kinds or Disposition.UNDECIDED in kinds or len(sent.ends) > 1:
            said = tuple(
                f"{_say(flags, sender)}: {cause_location(ruleset, one.cause).file}:"
                f"{cause_location(ruleset, one.cause).line} may eat it"
                for one in sent.ends
                if one.cause is not None
            )
            return Passed(Tern.UNKNOWN, None, tuple(dict.fromkeys(said)))
        assert end.cause is not None
        hook = end.hook
        ctstate = sent.fate.ctstates.get(hook) if hook is not None else None
        lost = LostPacket(
            flags,
            sender,
            ctstate,
            hook,
            end.disposition is Disposition.REJECTED,
            cause_location(ruleset, end.cause),
            str(end.cause),
            tuple(cause_location(ruleset, one) for one in end.via),
            self.evidence.counted(ruleset, end.cause),
            self.logged(packet),
        )
        return Passed(Tern.FALSE, lost, ())

    def logged(self, packet: Packet) -> tuple[LoggedPacket, ...]:
        """Lines of the log that show such a packet, the newest first."""
        found = self._logged.get(
            (packet.family, packet.saddr, packet.daddr, packet.sport, packet.dport, packet.flags)
        )
        return tuple(reversed(found[-_LOGGED_SHOWN:])) if found else ()


def _through_all(found: list[Passed]) -> Passed:
    """What becomes of a packet that meets the rules of both backends."""
    lost = next((one for one in found if one.lost is not None), None)
    if lost is not None:
        return lost
    undecided = tuple(words for one in found for words in one.undecided)
    is_through = all(one.delivered is Tern.TRUE for one in found)
    return Passed(Tern.TRUE if is_through else Tern.UNKNOWN, None, undecided)


def accepting(socket: SocketLine) -> tuple[tuple[str, ...], tuple[Insertion, ...]] | None:
    """Commands that let all of a connection through the filter table, and the rules that they
    insert. None for a socket without addresses.
    """
    family = family_of(socket)
    local, peer = socket.local, socket.peer
    if family is None or local.address is None or peer.address is None:
        return None
    here, there = format_address(family, local.address), format_address(family, peer.address)
    rules = {
        "OUTPUT": f"-s {here} -d {there} -p tcp -m tcp --sport {local.port} --dport {peer.port}",
        "INPUT": f"-s {there} -d {here} -p tcp -m tcp --sport {peer.port} --dport {local.port}",
    }
    program = "iptables" if family is Family.IPV4 else "ip6tables"
    text = "".join(f"-A {chain} {words} -j ACCEPT\n" for chain, words in rules.items())
    (made,) = parse_rulesets(f"*filter\n{text}COMMIT\n", "-", family)
    inserted = []
    for name in rules:
        chain = made.chain("filter", name)
        assert chain is not None
        inserted.append(Insertion("filter", name, 1, chain.rules))
    commands = tuple(f"{program} -I {chain} 1 {words} -j ACCEPT" for chain, words in rules.items())
    return commands, tuple(inserted)


def _packet(socket: SocketLine, flags: TcpFlags, sender: str) -> Packet | None:
    family = family_of(socket)
    source, target = socket.local, socket.peer
    if sender == PEERS:
        source, target = target, source
    if family is None or source.address is None or target.address is None:
        return None
    return Packet(
        family, source.address, target.address, TCP, source.port, target.port, flags,
        payload=1 if flags is DATA else 0,
    )  # fmt: skip


def _key(packet: LoggedPacket) -> tuple[object, ...]:
    return (
        *(packet.family, packet.saddr, packet.daddr, packet.sport, packet.dport),
        packet.flags,
    )


def say_flags(flags: TcpFlags) -> str:
    """Flags by their names: ``FIN,ACK``."""
    return ",".join(one.name or "" for one in TcpFlags if flags & one)


def _say(flags: TcpFlags, sender: str) -> str:
    return f"the {say_flags(flags)} of {sender}"
