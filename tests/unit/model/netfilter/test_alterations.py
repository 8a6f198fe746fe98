# SPDX-License-Identifier: GPL-2.0-only
"""What targets make of a packet, by the kernel's sources; all else is measured in tests/kernel."""

from __future__ import annotations

import pytest

from ctlint.ir.rule import Target
from ctlint.model.netfilter.alterations import ALTERATIONS
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family, format_address, parse_address
from ctlint.wire.packet import Packet, TcpOptions
from ctlint.wire.tcp_flags import TcpFlags

V4, V6 = Family.IPV4, Family.IPV6
SYN = Packet(V4, 1, 2, 6, 3, 4, TcpFlags.SYN)
ONLY_SYN = "-p tcp --tcp-flags SYN,RST SYN "


def altered(rule: str, packet: Packet, mtu: int | None = None) -> Packet | None:
    text = f"*mangle\n-A FORWARD {rule}\nCOMMIT\n"
    (ruleset,) = parse_rulesets(text, "rules", packet.family)
    chain = ruleset.chain("mangle", "FORWARD")
    assert chain is not None
    target = chain.rules[0].target
    assert isinstance(target, Target)
    return ALTERATIONS[target.name](target, packet, mtu)


@pytest.mark.parametrize(
    ("rule", "ttl"),
    [
        ("-j TTL --ttl-set 3", 3),
        ("-j TTL --ttl-inc 200", 255),
        ("-j TTL --ttl-inc 2", 66),
        ("-j TTL --ttl-dec 64", 0),
        ("-j TTL --ttl-dec 65", 0),
    ],
)
def test_hops(rule: str, ttl: int) -> None:
    assert altered(rule, SYN) == SYN._replace(ttl=ttl)


@pytest.mark.parametrize(
    ("rule", "tos"),
    [
        ("-j TOS --set-tos 0x10", 0x10),
        ("-j TOS --set-tos 0x10/0x30", 0x9B),
        ("-j TOS --xor-tos 0xff", 0x44),
        ("-j DSCP --set-dscp 1", 0x07),
        ("-j ECN --ecn-ip-ect 0", 0xB8),
    ],
)
def test_type_of_service(rule: str, tos: int) -> None:
    packet = SYN._replace(tos=0xBB)
    assert altered(rule, packet) == packet._replace(tos=tos)


@pytest.mark.parametrize(
    ("family", "mtu", "before", "after"),
    [
        (V4, 1500, 1461, 1460),
        (V4, 1500, 1460, 1460),
        (V4, 1500, 1459, 1459),
        (V6, 1500, 1460, 1440),
        # Who names no MSS is taken for one with the least that all must take.
        (V4, 1500, None, 536),
        (V6, 1500, None, 1220),
        (V4, 500, None, 460),
    ],
)
def test_clamping(family: Family, mtu: int, before: int | None, after: int) -> None:
    options = None if before is None else TcpOptions(mss=before)
    packet = SYN._replace(family=family, options=options)
    found = altered(f"{ONLY_SYN}-j TCPMSS --clamp-mss-to-pmtu", packet, mtu)
    assert found == packet._replace(options=TcpOptions(mss=after))


def test_clamping_to_a_path_that_is_not_known() -> None:
    rule = f"{ONLY_SYN}-j TCPMSS --clamp-mss-to-pmtu"
    assert altered(rule, SYN) is None
    # There is no room in front of data, whatever the path.
    with_data = SYN._replace(payload=1)
    assert altered(rule, with_data) == with_data


def test_a_full_header_takes_no_more() -> None:
    full = SYN._replace(options=TcpOptions(sack=((1, 2),) * 4, wscale=1))
    assert altered(f"{ONLY_SYN}-j TCPMSS --set-mss 100", full) == full


def test_stripped_options_leave_their_room() -> None:
    packet = SYN._replace(options=TcpOptions(1460, 7))
    found = altered("-p tcp -j TCPOPTSTRIP --strip-options mss,sack", packet)
    assert found is not None
    assert found.options == TcpOptions(wscale=7, stripped=((2, 4),))
    assert altered("-p tcp -j TCPOPTSTRIP --strip-options mss", SYN) == SYN


@pytest.mark.parametrize(
    ("prefixes", "before", "after"),
    [
        # Measured on 6.18; the first one is that of RFC 6296, 3.1, the other way round.
        ("fd01::/64 fd05::/64", "fd01::2", "fd05::fffb:0:0:2"),
        ("2001:db8:1::/48 fd01:203:405::/48", "2001:db8:1:d550::1", "fd01:203:405:1::1"),
        # Its identifier leaves no word for the balance.
        ("fd01::/64 fd05::/64", "fd01::ffff:ffff:ffff:ffff", None),
        # Not of the old prefix. Measured on 6.18: REJECT sends no RST for it once a rule has
        # changed another byte of its header, and one if none has.
        ("fd01::/64 fd05::/64", "fd02::2", None),
        ("fd01::/48 fd05::/64", "fd01:0:0:1::2", None),
    ],
)
def test_prefixes(prefixes: str, before: str, after: str | None) -> None:
    old, new = prefixes.split(" ")
    text = f"*mangle\n-A POSTROUTING -j SNPT --src-pfx {old} --dst-pfx {new}\nCOMMIT\n"
    (ruleset,) = parse_rulesets(text, "rules", V6)
    ((*_, rule),) = ruleset.rules()
    assert isinstance(rule.target, Target)
    packet = Packet(V6, parse_address(before, V6), 2, 17, 3, 4)
    found = ALTERATIONS["SNPT"](rule.target, packet, None)
    assert (found and format_address(V6, found.saddr)) == after
