# SPDX-License-Identifier: GPL-2.0-only
"""What NAT rules make of the ends of connections, as far as a whole set of them can be told.

The table is taken to hold no other connection, so that a port that may stay does.

Source: net/netfilter/nf_nat_core.c, nf_nat_masquerade.c, nf_nat_redirect.c, xt_nat.c and
xt_NETMAP.c, Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from ctlint.ir.rule import Target
from ctlint.ir.rule_ref import RuleRef
from ctlint.ir.ruleset import Ruleset
from ctlint.ir.values import NatRange, Range
from ctlint.model.netfilter.hooks import Hook, Path
from ctlint.model.netfilter.host import LOOPBACK_ADDRESS
from ctlint.model.netfilter.nat import MANIP, Manip
from ctlint.model.netfilter.tern import Tern
from ctlint.wire.addresses import Family, Hostname, Net

_ANY_PORT: Final = Range(0, 0xFFFF)


class Rewritten(NamedTuple):
    """One end of connections as a rule rewrites it at a hook.

    The address becomes one of ``addresses``, but for the bits under ``kept``, which stay; where
    there are none it stays, or ``is_of_host``: it is one of this host's, and not known. The port
    becomes one of ``ports``, but if it is one of them already and ``keeps_port``, it stays; None:
    it stays. See nf_nat_l4proto_unique_tuple().
    """

    ref: RuleRef
    hook: Hook
    addresses: Range | None
    kept: int = 0
    is_of_host: bool = False
    ports: Range | None = None
    keeps_port: bool = True

    @property
    def manip(self) -> Manip:
        """Which end of the first packet it is."""
        return MANIP[self.hook]

    @property
    def draws_port(self) -> bool:
        """Whether the port is drawn by lot, at least for those that have none of the new ones."""
        ports = self.ports
        return ports is not None and (ports.low != ports.high or not self.keeps_port)

    @property
    def is_redirect(self) -> bool:
        """Whether it leads to this host, whatever its address."""
        target = self.ref.rule.target
        return isinstance(target, Target) and target.name == "REDIRECT"

    def of_own_packet(self) -> Rewritten:
        """The same for packets of which this host is that end: MASQUERADE and REDIRECT give it the
        address that it has, of the interface.
        """
        return self._replace(is_of_host=False)

    def mapped(self, address: int) -> Range | None:
        """What an address may become; None where that is not known."""
        if self.is_of_host:
            return None
        low, high = self.addresses or (address, address)
        return Range(low | (address & self.kept), high | (address & self.kept))

    def is_address_in(self, low: int, high: int) -> Tern:
        """Whether the new address is between two. Not for one that stays, or keeps bits."""
        return _is_in(self.addresses, low, high)

    def is_port_in(self, low: int, high: int) -> Tern:
        """Whether the new port is between two. Not for one that stays."""
        return _is_in(self.ports, low, high)


def _is_in(values: Range | None, low: int, high: int) -> Tern:
    if values is None:
        return Tern.UNKNOWN
    if low <= values.low and values.high <= high:
        return Tern.TRUE
    return Tern.FALSE if values.high < low or high < values.low else Tern.UNKNOWN


def rewritten(ref: RuleRef, hook: Hook, family: Family) -> Rewritten | None:
    """What a rule with a NAT target makes of an end; None where that cannot be told: the name of a
    host, which is resolved when the rules are loaded.
    """
    target = ref.rule.target
    assert isinstance(target, Target)
    if target.name in ("SNAT", "DNAT"):
        option = target.get("to-source" if target.name == "SNAT" else "to-destination")
        assert option is not None
        given: NatRange = option.value
        those = given.addresses
        addresses = None if those is None else Range(those.low, those.high)
        return Rewritten(ref, hook, addresses, 0, False, *_ports(given, target))
    if target.name == "NETMAP":
        option = target.get("to")
        assert option is not None
        net: Net | Hostname = option.value
        if isinstance(net, Hostname):
            return None
        return Rewritten(ref, hook, Range(net.address, net.address), net.mask ^ family.full_mask)
    option = target.get("to-ports")
    ports = _ports(NatRange(None) if option is None else option.value, target)
    if target.name == "REDIRECT" and hook is Hook.LOCAL_OUT:
        own = LOOPBACK_ADDRESS[family]
        return Rewritten(ref, hook, Range(own, own), 0, False, *ports)
    # To an address of this host: of the interface by which the packet came, or leaves.
    return Rewritten(ref, hook, None, 0, True, *ports)


def _ports(given: NatRange, target: Target) -> tuple[Range | None, bool]:
    """The new ports, and whether one that is among them stays."""
    is_random = target.get("random") is not None or target.get("random-fully") is not None
    ports = given.ports
    if ports is None and target.name in ("DNAT", "REDIRECT"):
        # Only the ports of sources are drawn unasked: nf_nat_l4proto_unique_tuple().
        return None, True
    if ports is None and is_random:
        ports = _ANY_PORT
    return ports, not is_random and given.base is None


class Translated:
    """How the first packets of connections have been translated so far: each end, and the path that
    they are on. One is equal to itself alone; the sweeper makes each once.
    """

    __slots__ = ("alike", "destination", "path", "source")

    def __init__(self, source: Rewritten | None, destination: Rewritten | None, path: Path) -> None:
        self.alike: dict[int, RuleRef] = {}
        """Rules that are not told from the last of ``rules``, by identity."""
        self.source = source
        self.destination = destination
        self.path = path

    @property
    def rules(self) -> tuple[RuleRef, ...]:
        """The rules that translate, in the order in which the first packet meets them."""
        both = (self.destination, self.source)
        return tuple(one.ref for one in both if one is not None)

    @property
    def drawn(self) -> tuple[RuleRef, ...]:
        """Those that draw a port by lot."""
        both = (self.destination, self.source)
        return tuple(one.ref for one in both if one is not None and one.draws_port)

    def join(self, refs: Mapping[int, RuleRef]) -> None:
        """Adds rules that are not told from the last of ``rules``, by identity."""
        self.alike |= refs
        for ref in self.rules:
            self.alike.pop(id(ref.rule), None)

    def __str__(self) -> str:
        return " and ".join(map(str, self.rules))


MAX_TOLD: Final = 24
"""Rules with one target that are told apart; of more, each is taken to give what any may."""


class Joint:
    """What the rules of a rule set give that are too many to be told apart, by target."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._nat = ruleset.tables.get("nat")

    @cached_property
    def _all(self) -> Mapping[str, tuple[Range, Range | None]]:
        found: dict[str, list[NatRange]] = {}
        for chain in self._nat.chains.values() if self._nat is not None else ():
            for rule in chain.rules:
                target = rule.target
                if isinstance(target, Target) and target.name in _GIVEN:
                    option = target.get(_GIVEN[target.name])
                    assert option is not None
                    found.setdefault(target.name, []).append(option.value)
        return {name: _hull(each) for name, each in found.items() if len(each) > MAX_TOLD}

    def widened(self, one: Rewritten) -> Rewritten | None:
        """What a rule gives, if it is not told from its like; None where it is."""
        target = one.ref.rule.target
        assert isinstance(target, Target)
        if one.addresses is None:
            return None
        hull = self._all.get(target.name)
        if hull is None:
            return None
        addresses, ports = hull
        return one._replace(addresses=addresses, ports=ports, keeps_port=False)


_GIVEN: Final = {"DNAT": "to-destination", "SNAT": "to-source"}


def _hull(given: Sequence[NatRange]) -> tuple[Range, Range | None]:
    """The addresses and ports between the lowest and the highest; None: all keep their port."""
    addresses = [each.addresses for each in given if each.addresses is not None]
    ports = [each.ports for each in given]
    hull = Range(min(a.low for a in addresses), max(a.high for a in addresses))
    if all(each is None for each in ports):
        return hull, None
    known = [_ANY_PORT if each is None else each for each in ports]
    return hull, Range(min(p.low for p in known), max(p.high for p in known))
