# SPDX-License-Identifier: GPL-2.0-only
"""What NAT targets bind to. Expectations are those of xt_nat.c, xt_NETMAP.c, nf_nat_redirect.c and
nf_nat_masquerade.c; addresses were measured on a live 6.18 kernel.
"""

from __future__ import annotations

import pytest

from ctlint.ir.rule import Target
from ctlint.ir.values import Range
from ctlint.model.conntrack.core import Tracker
from ctlint.model.conntrack.settings import read_settings
from ctlint.model.conntrack.status import CtState
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.host import Host
from ctlint.model.netfilter.nat import Binding
from ctlint.model.netfilter.nat_targets import UndecidedBindingError, binding_of
from ctlint.model.netfilter.transit import Transit
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.packet import Packet
from ctlint.wire.tcp_flags import TcpFlags
from tests.unit.model.netfilter.addresses import ROUTER_ADDRESSES, address, family_of, ip

CHAINS = {
    "DNAT": "PREROUTING",
    "SNAT": "POSTROUTING",
    "MASQUERADE": "POSTROUTING",
    "REDIRECT": "PREROUTING",
    "NETMAP": "PREROUTING",
}
HOST = Host(ROUTER_ADDRESSES)


def binding(
    words: str,
    saddr: str = "10.1.0.2",
    daddr: str = "10.2.0.2",
    *,
    chain: str | None = None,
    out_interface: str | None = "eth1",
    in_interface: str | None = "eth0",
    host: Host = HOST,
) -> Binding | None:
    family = family_of(saddr)
    at = chain or CHAINS[words.split(maxsplit=1)[0]]
    text = f"*nat\n-A {at} -p tcp -j {words}\nCOMMIT\n"
    ((*_, rule),) = parse_rulesets(text, "rules", family)[0].rules()
    assert isinstance(rule.target, Target)
    packet = Packet(family, ip(saddr), ip(daddr), 6, 40000, 80, TcpFlags.SYN)
    box = Box(host, Tracker(NEWEST, read_settings(NEWEST, {})))
    transit = Transit(packet, CtState.NEW, in_interface, out_interface, box=box)
    transit.hook = Hook(at)
    return binding_of(rule.target, transit)


A, B = ip("10.2.0.9"), ip("10.2.0.12")


@pytest.mark.parametrize(
    ("words", "bound"),
    [
        ("10.2.0.9", Binding(A, A)),
        ("10.2.0.9-10.2.0.12", Binding(A, B)),
        ("10.2.0.9:80", Binding(A, A, Range(80, 80))),
        ("10.2.0.9-10.2.0.12:80-90", Binding(A, B, Range(80, 90))),
        (":80-90", Binding(None, None, Range(80, 90))),
        ("10.2.0.9 --random", Binding(A, A, is_random=True)),
        ("10.2.0.9 --persistent", Binding(A, A, is_persistent=True)),
    ],
)
def test_snat_and_dnat_say_it_themselves(words: str, bound: Binding) -> None:
    assert binding(f"SNAT --to-source {words}") == bound
    assert binding(f"DNAT --to-destination {words}") == bound


def test_what_only_one_of_them_takes() -> None:
    assert binding("SNAT --to-source 10.2.0.9 --random-fully") == Binding(A, A, is_random=True)
    assert binding("DNAT --to-destination 10.2.0.9:80-90/8000") == Binding(
        A, A, Range(80, 90), base=8000
    )


@pytest.mark.parametrize(
    ("words", "ports", "is_random"),
    [
        ("", None, False),
        (" --to-ports 80", Range(80, 80), False),
        (" --to-ports 80-90 --random", Range(80, 90), True),
    ],
)
def test_masquerade_and_redirect_name_ports_only(
    words: str, ports: Range | None, is_random: bool
) -> None:
    outer, inner = ip("10.2.0.1"), ip("10.1.0.1")
    assert binding(f"MASQUERADE{words}") == Binding(outer, outer, ports, is_random=is_random)
    assert binding(f"REDIRECT{words}") == Binding(inner, inner, ports, is_random=is_random)


def test_masquerade_may_draw_fully() -> None:
    bound = binding("MASQUERADE --random-fully")
    assert bound is not None
    assert bound.is_random


@pytest.mark.parametrize(
    ("saddr", "daddr", "out_interface", "outer"),
    [
        ("10.1.0.2", "8.8.8.8", "eth1", "10.2.0.1"),
        ("10.2.0.2", "8.8.8.8", "eth0", "10.1.0.1"),
        ("fd01::2", "2001:db8::1", "eth1", "fd02::1"),
        ("fd01::1", "fd01::1", "lo", "fd01::1"),
        ("::1", "::1", "lo", "::1"),
        # Measured: with an address that others know, lo lends that one.
        ("10.1.0.1", "10.1.0.1", "lo", "10.1.0.1"),
    ],
)
def test_masquerade_takes_the_outgoing_interfaces_address(
    saddr: str, daddr: str, out_interface: str, outer: str
) -> None:
    bound = binding("MASQUERADE", saddr, daddr, out_interface=out_interface)
    assert bound == Binding(ip(outer), ip(outer))


@pytest.mark.parametrize("out_interface", ["lo", None])
def test_masquerade_drops_where_there_is_no_address(out_interface: str | None) -> None:
    lone = Host([address("lo", "127.0.0.1/8")])
    found = binding("MASQUERADE", "127.0.0.1", "127.0.0.1", out_interface=out_interface, host=lone)
    assert found is None


@pytest.mark.parametrize(
    ("saddr", "daddr", "chain", "own"),
    [
        ("10.1.0.2", "8.8.8.8", "PREROUTING", "10.1.0.1"),
        ("fd01::2", "2001:db8::1", "PREROUTING", "fd01::1"),
        ("10.1.0.1", "8.8.8.8", "OUTPUT", "127.0.0.1"),
        ("fd01::1", "2001:db8::1", "OUTPUT", "::1"),
    ],
)
def test_redirect_takes_the_incoming_interfaces_address_or_lo(
    saddr: str, daddr: str, chain: str, own: str
) -> None:
    assert binding("REDIRECT", saddr, daddr, chain=chain) == Binding(ip(own), ip(own))


@pytest.mark.parametrize("in_interface", ["eth2", None])
def test_redirect_drops_where_the_interface_has_no_address(in_interface: str | None) -> None:
    assert binding("REDIRECT", in_interface=in_interface) is None


@pytest.mark.parametrize(
    ("words", "chain", "saddr", "daddr", "mapped"),
    [
        ("10.77.0.0/16", "PREROUTING", "10.1.3.200", "10.2.5.6", "10.77.5.6"),
        ("10.77.0.0/16", "OUTPUT", "10.1.3.200", "10.2.5.6", "10.77.5.6"),
        ("192.168.7.0/24", "POSTROUTING", "10.1.3.200", "10.2.5.6", "192.168.7.200"),
        ("192.168.7.0/24", "INPUT", "10.1.3.200", "10.2.5.6", "192.168.7.200"),
        ("192.168.7.9", "POSTROUTING", "10.1.3.200", "10.2.5.6", "192.168.7.9"),
        (
            "fd09:1:2::/48",
            *("PREROUTING", "fd01::2", "fd02:1:2:3:4:5:6:7", "fd09:1:2:3:4:5:6:7"),
        ),
    ],
)
def test_netmap_keeps_the_hosts_part(
    words: str, chain: str, saddr: str, daddr: str, mapped: str
) -> None:
    bound = binding(f"NETMAP --to {words}", saddr, daddr, chain=chain)
    assert bound == Binding(ip(mapped), ip(mapped))


def test_a_name_is_not_known() -> None:
    with pytest.raises(UndecidedBindingError, match="resolved when the rules are loaded"):
        binding("NETMAP --to some.example")
