# SPDX-License-Identifier: GPL-2.0-only
"""Random rule sets that the real restore loads, for comparing walks with the kernel's."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from ctlint.ir.ruleset import BUILTIN_CHAINS
from ctlint.wire.addresses import Family

TABLES: Final = ("raw", "mangle", "filter", "security")

_FLAGS: Final = ("SYN", "ACK", "FIN", "RST", "URG", "PSH")
_STATES: Final = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED")
_ENTRY_STATES: Final = (*_STATES, "SNAT", "DNAT")
_STATUSES: Final = ("NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED")
_ADDRESS_TYPES: Final = {
    Family.IPV4: ("LOCAL", "UNICAST", "BROADCAST", "MULTICAST", "ANYCAST", "UNSPEC"),
    # The kernel refuses the others for IPv6.
    Family.IPV6: ("LOCAL", "UNICAST", "MULTICAST", "ANYCAST", "UNSPEC"),
}
_INTERFACES: Final = ("eth0", "eth1", "eth+", "lo", "l+", "et", "+")
_PORTS: Final = ("80", "8080", "40000", "79:81", "1024:65535", "0:79", ":1023", "40000:")
_NETS: Final = {
    Family.IPV4: (
        "10.1.0.1",
        "10.1.0.2",
        "10.2.0.2",
        "10.1.0.0/16",
        "10.2.0.0/24",
        "10.0.0.0/8",
        "10.0.0.2/255.0.0.255",
        "127.0.0.0/8",
        "192.0.2.0/24",
    ),
    Family.IPV6: (
        "fd01::1",
        "fd01::2",
        "fd02::2",
        "fd01::/64",
        "fd00::/8",
        "fd00::2/ff00::ffff",
        "::1",
        "2001:db8::/32",
    ),
}
_RANGES: Final = {
    Family.IPV4: ("10.1.0.1-10.1.0.1", "10.1.0.2-10.2.0.2", "10.0.0.0-10.1.255.255"),
    Family.IPV6: ("fd01::1-fd01::1", "fd01::2-fd02::2", "::-fd01::ffff"),
}
_REJECTS: Final = {
    Family.IPV4: ("icmp-port-unreachable", "icmp-admin-prohibited"),
    Family.IPV6: ("icmp6-port-unreachable", "icmp6-adm-prohibited"),
}


class RuleWriter:
    """Writes one rule set from a source of chance."""

    def __init__(self, chance: random.Random, family: Family) -> None:
        self._chance = chance
        self._family = family
        self._matches: tuple[Callable[[], str], ...] = (
            self._tcp_ports,
            self._tcp_flags,
            self._tcp_flags,
            self._syn,
            self._multiport,
            self._iprange,
            self._mark,
            self._state,
            self._ctstate,
            self._ctstate,
            self._entry,
            self._entry,
            self._addrtype,
            self._connmark,
            self._pkttype,
            lambda: "-m comment --comment some",
        )

    def ruleset(self) -> str:
        """The text, as iptables-restore reads it."""
        tables = [table for table in TABLES if self._chance.random() < 0.5]
        return "".join(self._table(table) for table in tables or ["filter"])

    def _table(self, table: str) -> str:
        own = [f"{table[0]}{number}" for number in range(self._chance.randint(0, 4))]
        lines = [f"*{table}"]
        for base in BUILTIN_CHAINS[table]:
            lines.append(f":{base} {'DROP' if self._chance.random() < 0.15 else 'ACCEPT'} [0:0]")
        lines += [f":{chain} - [0:0]" for chain in own]
        for base in BUILTIN_CHAINS[table]:
            lines += self._rules(table, base, own)
        for number, chain in enumerate(own):
            # Only later chains are called, so there is no loop.
            lines += self._rules(table, chain, own[number + 1 :])
        return "\n".join([*lines, "COMMIT", ""])

    def _rules(self, table: str, chain: str, callable_chains: list[str]) -> list[str]:
        return [
            " ".join(
                [f"-A {chain}", *self._conditions(chain), self._target(table, callable_chains)]
            )
            for _ in range(self._chance.randint(0, 4))
        ]

    def _conditions(self, chain: str) -> list[str]:
        words = []
        count = self._chance.choice((0, 0, 1, 1, 1, 2, 3))
        heads = (
            ("-s", (), _NETS[self._family]),
            ("-d", (), _NETS[self._family]),
            ("-i", ("OUTPUT", "POSTROUTING"), _INTERFACES),
            ("-o", ("PREROUTING", "INPUT"), _INTERFACES),
        )
        for option, refused, values in heads:
            if chain not in refused and self._chance.random() < 0.15:
                words.append(self._negated(f"{option} {self._chance.choice(values)}"))
        # Each kind once: some matches take their options only once.
        words += [match() for match in self._chance.sample(self._matches, count)]
        if any("-m tcp" in w or "port" in w for w in words) or self._chance.random() < 0.4:
            words.insert(0, "-p tcp")
        return words

    def _target(self, table: str, callable_chains: list[str]) -> str:
        chance = self._chance
        choices = ["-j ACCEPT", "-j DROP", "-j RETURN", "-j LOG", ""]
        weights = [3.0, 2.0, 2.0, 0.5, 1.0]
        if callable_chains:
            choices += [
                f"-j {chance.choice(callable_chains)}",
                f"-g {chance.choice(callable_chains)}",
            ]
            weights += [5.0, 3.0]
        if table == "raw":
            choices.append("-j CT --notrack")
            weights.append(1.5)
        elif table == "mangle":
            choices += [
                f"-j MARK --set-xmark {chance.choice(('0x1/0x1', '0x2/0xffffffff', '0x0/0x3'))}",
                "-j CONNMARK --set-xmark 0x1/0xffffffff",
                "-j CONNMARK --restore-mark",
            ]
            weights += [3.0, 0.5, 0.3]
        elif table == "filter":
            choices.append(f"-j REJECT --reject-with {chance.choice(_REJECTS[self._family])}")
            weights.append(0.7)
        return chance.choices(choices, weights)[0]

    # Matches

    def _negated(self, text: str) -> str:
        """The option, with a ! before it now and then; some stand behind their ``-m name``."""
        if self._chance.random() >= 0.35:
            return text
        head, _, tail = text.rpartition("-m ")
        if head or text.startswith("-m "):
            name, option = tail.split(" ", 1)
            return f"-m {name} ! {option}"
        return f"! {text}"

    def _some(self, names: tuple[str, ...], most: int) -> str:
        return ",".join(self._chance.sample(names, self._chance.randint(1, most)))

    def _tcp_ports(self) -> str:
        option = self._chance.choice(("--sport", "--dport"))
        return self._negated(f"-m tcp {option} {self._chance.choice(_PORTS)}")

    def _tcp_flags(self) -> str:
        mask = self._chance.sample(_FLAGS, self._chance.randint(1, 6))
        wanted = [flag for flag in mask if self._chance.random() < 0.4]
        text = f"--tcp-flags {','.join(mask)} {','.join(wanted) or 'NONE'}"
        return self._negated(f"-m tcp {text}")

    def _syn(self) -> str:
        return self._negated("-m tcp --syn")

    def _multiport(self) -> str:
        option = self._chance.choice(("--sports", "--dports", "--ports"))
        ports = self._some(("22", "80", "443", "8080:8090", "40000:50000"), 3)
        return self._negated(f"-m multiport {option} {ports}")

    def _iprange(self) -> str:
        option = self._chance.choice(("--src-range", "--dst-range"))
        chosen = self._chance.choice(_RANGES[self._family])
        return self._negated(f"-m iprange {option} {chosen}")

    def _mark(self) -> str:
        value = self._chance.choice(("0x0", "0x1", "0x0/0x1", "0x2/0x3", "0x3/0x2"))
        return self._negated(f"-m mark --mark {value}")

    def _connmark(self) -> str:
        value = self._chance.choice(("0x0", "0x1", "0x0/0x1", "0x0/0x0"))
        return self._negated(f"-m connmark --mark {value}")

    def _state(self) -> str:
        return self._negated(f"-m state --state {self._some(_STATES, 3)}")

    def _ctstate(self) -> str:
        return self._negated(f"-m conntrack --ctstate {self._some(_ENTRY_STATES, 3)}")

    def _entry(self) -> str:
        chance = self._chance
        # iptables reads such masks of conntrack's addresses as those of a host.
        nets = [net for net in _NETS[self._family] if not net.endswith((".255", ":ffff"))]
        option = chance.choice(
            (
                f"--ctstatus {self._some(_STATUSES, 2)}",
                f"--ctproto {chance.choice(('tcp', 'udp'))}",
                f"--ctorigsrc {chance.choice(nets)}",
                f"--ctorigdst {chance.choice(nets)}",
                f"--ctreplsrc {chance.choice(nets)}",
                f"--ctrepldst {chance.choice(nets)}",
                f"--ctorigsrcport {chance.choice(('40000', '80', '1024:65535'))}",
                f"--ctorigdstport {chance.choice(('40000', '80', '1:1023'))}",
                f"--ctreplsrcport {chance.choice(('40000', '80'))}",
                f"--ctrepldstport {chance.choice(('40000', '80'))}",
            )
        )
        text = self._negated(f"-m conntrack {option}")
        if chance.random() < 0.3:
            text += f" --ctdir {chance.choice(('ORIGINAL', 'REPLY'))}"
        if chance.random() < 0.3:
            negation = "! " if chance.random() < 0.35 else ""
            text += f" {negation}--ctstate {self._some(_ENTRY_STATES, 2)}"
        return text

    def _addrtype(self) -> str:
        option = self._chance.choice(("--src-type", "--dst-type"))
        return self._negated(f"-m addrtype {option} {self._some(_ADDRESS_TYPES[self._family], 2)}")

    def _pkttype(self) -> str:
        kind = self._chance.choice(("unicast", "broadcast", "multicast"))
        return self._negated(f"-m pkttype --pkt-type {kind}")
