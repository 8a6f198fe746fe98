# SPDX-License-Identifier: GPL-2.0-only
"""What is said of all connections that NAT translates holds for each: random ones are played."""

from __future__ import annotations

import random
from itertools import product

import pytest

from ctlint.analysis.coordinates import Coordinates
from ctlint.analysis.losses import Kind
from ctlint.analysis.regions import Opened, Surveyor
from ctlint.analysis.rewriting import Translated
from ctlint.analysis.settings import Settings
from ctlint.analysis.sweep import Sweeper
from ctlint.analysis.translated import Played, play
from ctlint.finding import Role
from ctlint.headerspace.space import TooLargeError
from ctlint.ir.sysctl import SysctlSet
from ctlint.model.kernel.profiles import NEWEST
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.transit import Facts
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family

SETTINGS = Settings(SysctlSet(), NEWEST)
KINDS = [(kind.flags, int(kind is Kind.DATA)) for kind in Kind]

NETS = {
    Family.IPV4: ("10.1.0.0/16", "10.2.0.0/16", "10.2.0.2", "10.1.0.1", "172.16.0.0/12"),
    Family.IPV6: ("fd01::/64", "fd02::/64", "fd02::2", "fd01::1", "2001:db8::/32"),
}
HOSTS = {
    Family.IPV4: ("10.9.0.2", "10.2.0.2", "198.51.100.7", "10.9.0.2-10.9.0.9"),
    Family.IPV6: ("fd09::2", "fd02::2", "2001:db8::7", "fd09::2-fd09::9"),
}


def with_port(family: Family, address: str, port: str) -> str:
    if not port:
        return address
    return f"{address}:{port}" if family is Family.IPV4 else f"[{address}]:{port}"


class NatWriter:
    """Random rule sets that translate and filter."""

    def __init__(self, chance: random.Random, family: Family) -> None:
        self.chance = chance
        self.family = family

    def matches(self, *, incoming: bool, outgoing: bool) -> str:
        chance = self.chance
        words = ["-p tcp"]
        if chance.random() < 0.4:
            words.append(f"{chance.choice(('-s', '-d'))} {chance.choice(NETS[self.family])}")
        if incoming and chance.random() < 0.3:
            words.append(f"-i {chance.choice(('eth0', 'eth1', 'wan0'))}")
        if outgoing and chance.random() < 0.3:
            words.append(f"-o {chance.choice(('eth0', 'eth1', 'wan0'))}")
        if chance.random() < 0.5:
            ports = chance.choice(("80", "8080", "1:1023", "8000:9000", "40000"))
            words.append(f"-m tcp {chance.choice(('--dport', '--dport', '--sport'))} {ports}")
        return " ".join(words)

    def target(self, chain: str) -> str:
        chance, family = self.chance, self.family
        host = chance.choice(HOSTS[family])
        port = chance.choice(("", "", "8080", "80-90"))
        net = "10.9.0.0/16" if family is Family.IPV4 else "fd09::/64"
        if chain in ("PREROUTING", "OUTPUT"):
            return chance.choice(
                (
                    f"DNAT --to-destination {with_port(family, host, port)}",
                    f"DNAT --to-destination {with_port(family, host, port)}",
                    f"DNAT --to-destination :{port or '8080'}",
                    "REDIRECT",
                    "REDIRECT --to-ports 8080",
                    f"NETMAP --to {net}",
                )
            )
        if chain == "INPUT" or chance.random() < 0.5:
            port = chance.choice(("", "", "1024-65535", "50000"))
            return f"SNAT --to-source {with_port(family, host, port)}"
        return chance.choice(
            ("MASQUERADE", "MASQUERADE --to-ports 1024-65535", f"NETMAP --to {net}")
        )

    def filtering(self, chain: str) -> str:
        chance = self.chance
        words = self.matches(incoming=chain != "OUTPUT", outgoing=chain != "INPUT")
        if chance.random() < 0.6:
            states = chance.choice(("INVALID", "NEW", "ESTABLISHED", "DNAT", "SNAT", "NEW,INVALID"))
            words += f" -m conntrack --ctstate {states}"
        if chance.random() < 0.15:
            side = chance.choice(("ctorigdst", "ctreplsrc", "ctorigsrc", "ctrepldst"))
            words += f" -m conntrack --{side} {chance.choice(NETS[self.family])}"
        return f"-A {chain} {words} -j {chance.choice(('DROP', 'ACCEPT'))}"

    def ruleset(self) -> str:
        chance = self.chance
        lines = ["*nat", *(f":{name} ACCEPT" for name in ("PREROUTING", "INPUT", "OUTPUT"))]
        lines.append(":POSTROUTING ACCEPT")
        for chain in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"):
            incoming, outgoing = (
                chain in ("PREROUTING", "INPUT"),
                chain in ("OUTPUT", "POSTROUTING"),
            )
            for _ in range(chance.randrange(3)):
                words = self.matches(incoming=incoming, outgoing=outgoing)
                lines.append(f"-A {chain} {words} -j {self.target(chain)}")
        lines += ["COMMIT", "*mangle"]
        for chain in ("PREROUTING", "POSTROUTING", "INPUT", "FORWARD", "OUTPUT"):
            lines.append(f":{chain} ACCEPT")
        for chain in ("PREROUTING", "POSTROUTING"):
            if chance.random() < 0.3:
                words = self.matches(incoming=chain == "PREROUTING", outgoing=False)
                lines.append(f"-A {chain} {words} -j DROP")
        lines += ["COMMIT", "*filter"]
        lines += [f":{name} ACCEPT" for name in ("INPUT", "FORWARD", "OUTPUT")]
        for chain in ("INPUT", "FORWARD", "OUTPUT"):
            lines += [self.filtering(chain) for _ in range(chance.randrange(4))]
        return "\n".join([*lines, "COMMIT", ""])


def opened_by(played: Played | None) -> bool | None:
    return None if played is None else played.is_opened


@pytest.mark.parametrize("family", Family)
def test_sets_say_of_each_connection_how_it_is_translated(family: Family) -> None:
    judged = translated_ones = 0
    for role, seed in product((Role.CLIENT, Role.SERVER, Role.FORWARD), range(60)):
        chance = random.Random(f"{seed} {role} {family}")
        text = NatWriter(chance, family).ruleset()
        (ruleset,) = parse_rulesets(text, f"seed {seed}", family)
        chains = ChainStore(ruleset, Facts())
        coordinates = Coordinates(role, family, chains.interfaces)
        surveyor = Surveyor(Sweeper(chains, coordinates), loose=True, kernel=NEWEST)
        try:
            plain = surveyor.established()
        except TooLargeError:
            continue
        ways: list[tuple[Translated | None, Opened]] = [(None, plain)]
        ways += surveyor.translated.items()
        for translated, opened in ways:
            for packets in (opened.certain, opened.possible - opened.certain):
                connection = coordinates.connection(packets, translated)
                if connection is None:
                    continue
                played = play(chains, connection, KINDS, SETTINGS)
                if played is None:
                    continue
                where = text, connection, translated and str(translated)
                judged += 1
                if coordinates.space.nothing != packets and packets == opened.certain:
                    assert played.is_opened is True, where
                    translated_ones += translated is not None
                    for (_, flags), arrival in played.arrivals.items():
                        if translated is not None and flags in (Kind.FIN.flags, Kind.RST.flags):
                            assert arrival.arrives is False, where
        if role is not Role.CLIENT:
            # Where these go hangs on what NAT makes of them; they cannot be played as they are.
            continue
        unopened = coordinates.possible() - plain.possible
        for each in surveyor.translated.values():
            unopened = unopened - each.possible
        connection = coordinates.connection(unopened)
        if connection is not None and not surveyor.translating:
            played = play(chains, connection, KINDS, SETTINGS)
            assert opened_by(played) in (False, None), (text, connection)
    assert judged > 150
    assert translated_ones > 60
