# SPDX-License-Identifier: GPL-2.0-only
"""Random rule sets that look like real ones, near whose edges the packets of scenarios lie.

What is drawn how often follows how many real dumps have it; what a rule asks for is drawn from
the addresses, ports, interfaces and lengths of the scenarios that the rules judge. A chain belongs
to the base chain that calls it, so that what only some hooks allow stands in nested chains too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ctlint.ir.ruleset import BUILTIN_CHAINS
from ctlint.wire.addresses import Family
from tests.conformance.odd_rules import ODD_MATCHES, ODD_TARGETS
from tests.conformance.random_weights import Shares, choose

TABLES: Final[Mapping[str, float]] = {
    "filter": 0.8,
    "nat": 0.45,
    "mangle": 0.4,
    "raw": 0.25,
    "security": 0.05,
}
"""How likely a rule set is to have each."""

PROTOCOLS: Final[Shares] = {"tcp": 10, "udp": 3, "icmp": 2, "all": 2, "esp": 0.2, "88": 0.1}
_ODD_TARGETS: Final = 1.2

MATCHES: Final[Shares] = {
    "ports": 14,
    "tcp_flags": 5,
    "syn": 3,
    "tcp_option": 1,
    "icmp_type": 5,
    "ctstate": 16,
    "entry": 7,
    "state": 7,
    "addrtype": 6,
    "multiport": 6,
    "iprange": 2,
    "mark": 4,
    "connmark": 3,
    "set": 4,
    "comment": 4,
    "limit": 3,
    "recent": 4,
    "hashlimit": 2,
    "connlimit": 1,
    "connbytes": 1,
    "quota": 1,
    "statistic": 1.5,
    "length": 2,
    "ttl": 2,
    "tos": 1.5,
    "dscp": 1.5,
    "tcpmss": 1.5,
    "u32": 0.5,
    "string": 2,
    "owner": 2,
    "pkttype": 1.5,
    "mac": 1,
    "rpfilter": 2,
    "policy": 1,
    "physdev": 0.5,
    "time": 1,
    "ecn": 1,
    "helper": 0.3,
    "devgroup": 0.3,
    "odd": 8,
}
TIMED: Final = frozenset({"limit", "recent", "hashlimit", "time"})
"""Matches that ask how much time has passed: real time, where a live kernel is asked."""

_HOOKS_OF: Final[Mapping[str, frozenset[str]]] = {
    "mac": frozenset({"PREROUTING", "INPUT", "FORWARD"}),
    "owner": frozenset({"OUTPUT", "POSTROUTING"}),
    "rpfilter": frozenset({"PREROUTING"}),
}
"""Where the kernel takes these matches only."""

_REJECTS: Final[Mapping[Family, tuple[str, ...]]] = {
    Family.IPV4: (
        "icmp-net-unreachable",
        "icmp-host-unreachable",
        "icmp-port-unreachable",
        "icmp-port-unreachable",
        "icmp-proto-unreachable",
        "icmp-net-prohibited",
        "icmp-host-prohibited",
        "icmp-admin-prohibited",
    ),
    Family.IPV6: (
        "icmp6-no-route",
        "icmp6-adm-prohibited",
        "icmp6-addr-unreachable",
        "icmp6-port-unreachable",
        "icmp6-port-unreachable",
        "icmp6-policy-fail",
        "icmp6-reject-route",
    ),
}
_FLAGS: Final = ("SYN", "ACK", "FIN", "RST", "URG", "PSH")
_STATES: Final = ("NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED")
_ENTRY_STATES: Final = (*_STATES, "SNAT", "DNAT")
_STATUSES: Final = ("NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED")
_MARKS: Final = ("0x0", "0x1", "0x2", "0x1/0x1", "0x0/0x1", "0x2/0x3", "0x10/0xff")
_SET_MARKS: Final = ("0x1/0xffffffff", "0x1/0x1", "0x2/0x3", "0x0/0xff", "0x10/0xf0", "0x3/0x0")


@dataclass(frozen=True, slots=True)
class Pool:
    """What rules name: what packets have, and what lies beside it.

    `ends` are addresses that packets have, `nets` networks, `spans` ranges of addresses, `targets`
    those to which NAT sends, `sources` those that it puts in place of senders. `lengths` are of
    whole packets.
    """

    family: Family
    interfaces: tuple[str, ...]
    ends: tuple[str, ...]
    nets: tuple[str, ...]
    spans: tuple[str, ...]
    targets: tuple[str, ...]
    target_spans: tuple[str, ...]
    sources: tuple[str, ...]
    source_spans: tuple[str, ...]
    ports: tuple[int, ...]
    lengths: tuple[int, ...]
    ttls: tuple[int, ...]
    tos: tuple[int, ...]
    words: tuple[str, ...]
    owners: tuple[int, ...]


_INTERFACES: Final = ("eth0", "eth0", "eth1", "eth1", "lo", "eth+", "et", "+", "ppp0")
_PORTS: Final = (80, 80, 40000, 40000, 40001, 81, 22, 443, 8080)
_LENGTHS: Final = (40, 52, 60, 64, 28, 29, 84, 100, 128, 140, 1440, 1500)
_TTLS: Final = (64, 64, 63, 62, 1, 2, 128, 255)
_TOS: Final = (0, 0, 0x10, 0x08, 0x04, 0x02, 0xB8, 0x28)
_WORDS: Final = ("GET", "Host", "example", "SSH-2.0")

POOLS: Final[Mapping[Family, Pool]] = {
    Family.IPV4: Pool(
        Family.IPV4,
        _INTERFACES,
        ("10.1.0.1", "10.1.0.2", "10.2.0.2", "10.2.0.1", "127.0.0.1", "10.2.0.9"),
        (
            *("10.1.0.0/16", "10.2.0.0/24", "10.0.0.0/8", "10.0.0.2/255.0.0.255"),
            *("127.0.0.0/8", "192.0.2.0/24", "10.1.0.2/31", "10.2.0.2/30"),
        ),
        ("10.1.0.1-10.1.0.1", "10.1.0.2-10.2.0.2", "10.0.0.0-10.1.255.255", "10.2.0.2-10.2.0.9"),
        ("10.2.0.2", "10.2.0.2", "10.2.0.9", "10.1.0.1", "10.1.0.2", "192.0.2.7", "127.0.0.1"),
        ("10.2.0.2-10.2.0.5", "10.2.0.2-10.2.0.2", "192.0.2.0-192.0.2.255"),
        ("10.2.0.1", "10.2.0.77", "10.1.0.1", "192.0.2.1"),
        ("10.2.0.50-10.2.0.53", "192.0.2.1-192.0.2.3"),
        _PORTS,
        _LENGTHS,
        _TTLS,
        _TOS,
        _WORDS,
        (0, 0, 1000),
    ),
    Family.IPV6: Pool(
        Family.IPV6,
        _INTERFACES,
        ("fd01::1", "fd01::2", "fd02::2", "fd02::1", "::1", "fd02::9"),
        ("fd01::/64", "fd00::/8", "fd00::2/ff00::ffff", "2001:db8::/32", "fd02::2/127"),
        ("fd01::1-fd01::1", "fd01::2-fd02::2", "::-fd01::ffff", "fd02::2-fd02::9"),
        ("fd02::2", "fd02::2", "fd02::9", "fd01::1", "fd01::2", "2001:db8::7"),
        ("fd02::2-fd02::5", "fd02::2-fd02::2", "2001:db8::-2001:db8::ffff"),
        ("fd02::1", "fd02::77", "fd01::1", "2001:db8::1"),
        ("fd02::50-fd02::53", "2001:db8::1-2001:db8::3"),
        _PORTS,
        tuple(length + 20 for length in _LENGTHS),
        _TTLS,
        _TOS,
        _WORDS,
        (0, 0, 1000),
    ),
}
"""What the usual topologies and their conversations have (random_scenarios.py)."""


class Drawn(NamedTuple):
    """A rule set and the sets that it names. `is_timed`: what it does depends on the time."""

    text: str
    ipsets: str
    is_timed: bool


class _Place(NamedTuple):
    """Where a rule stands: its table, and the base chain from which it is reached."""

    table: str
    base: str


class RulesetWriter:
    """Writes rule sets from a source of chance."""

    def __init__(
        self, chance: random.Random, pool: Pool, *, kinds: Shares = MATCHES, most_rules: int = 5
    ) -> None:
        """`kinds` are the matches that may be used, and how often."""
        self._chance = chance
        self._pool = pool
        self._kinds = kinds
        self._most_rules = most_rules
        self._is_v6 = pool.family is Family.IPV6
        self._sets: list[str] = []
        self._lists = 0
        self._is_timed = False
        self._place = _Place("filter", "INPUT")
        self._protocol = "all"
        self._writers: Mapping[str, Callable[[], str | None]] = {
            name: getattr(self, f"_{name}") for name in MATCHES
        }

    def ruleset(self) -> Drawn:
        """A rule set as iptables-restore reads it, and its sets as ipset does."""
        self._sets = []
        self._lists = 0
        self._is_timed = False
        chance = self._chance
        tables = [table for table, share in TABLES.items() if chance.random() < share]
        text = "".join(self._table(table) for table in tables or ["filter"])
        return Drawn(text, "".join(self._sets), self._is_timed)

    # -- structure

    def _table(self, table: str) -> str:
        chance = self._chance
        lines = [f"*{table}"]
        for base in BUILTIN_CHAINS[table]:
            is_closed = table != "nat" and chance.random() < 0.12
            lines.append(f":{base} {'DROP' if is_closed else 'ACCEPT'} [0:0]")
        rules: list[str] = []
        for base in BUILTIN_CHAINS[table]:
            self._place = _Place(table, base)
            own = [f"{base[:4]}-{number}" for number in range(chance.choice((0, 0, 1, 2, 3)))]
            lines += [f":{chain} - [0:0]" for chain in own]
            rules += self._rules(base, own)
            for number, chain in enumerate(own):
                # Only later chains are called, so there is no loop.
                rules += self._rules(chain, own[number + 1 :])
        return "\n".join([*lines, *rules, "COMMIT", ""])

    def _rules(self, chain: str, callable_chains: Sequence[str]) -> list[str]:
        return [
            self._rule(chain, callable_chains)
            for _ in range(self._chance.randint(0, self._most_rules))
        ]

    def _rule(self, chain: str, callable_chains: Sequence[str]) -> str:
        chance = self._chance
        self._protocol = choose(chance, PROTOCOLS) if chance.random() < 0.6 else "all"
        words = [f"-A {chain}", *self._head()]
        count = chance.choice((0, 0, 1, 1, 1, 2, 2, 3))
        drawn = {choose(chance, self._kinds) for _ in range(count)}
        for kind in sorted(drawn):
            hooks = _HOOKS_OF.get(kind)
            if hooks is not None and self._place.base not in hooks:
                continue
            match = self._writers[kind]()
            if match is not None:
                words.append(match)
                self._is_timed |= kind in TIMED
        target = self._target(callable_chains)
        if "tcp-reset" in target or target.startswith(("-j TCPMSS", "-j ECN", "-j TCPOPTSTRIP")):
            if self._protocol != "tcp":
                words[1:] = ["-p tcp"]
            if target.startswith("-j TCPMSS") and " -m tcp" not in target:
                words.append("-m tcp --tcp-flags SYN,RST SYN")
        elif _has_ports(target) and self._protocol not in ("tcp", "udp"):
            words[1:] = [chance.choice(("-p tcp", "-p udp"))]
        return " ".join([*words, target]).rstrip()

    def _head(self) -> list[str]:
        chance, base = self._chance, self._place.base
        words = []
        for option in ("-s", "-d"):
            if chance.random() < 0.15:
                words.append(self._negated(f"{option} {chance.choice(self._addresses())}"))
        if base not in ("OUTPUT", "POSTROUTING") and chance.random() < 0.2:
            words.append(self._negated(f"-i {chance.choice(self._pool.interfaces)}"))
        if base not in ("PREROUTING", "INPUT") and chance.random() < 0.2:
            words.append(self._negated(f"-o {chance.choice(self._pool.interfaces)}"))
        if self._protocol != "all":
            name = "ipv6-icmp" if self._is_v6 and self._protocol == "icmp" else self._protocol
            is_plain = self._protocol in ("esp", "88") and chance.random() < 0.5
            words.append(f"! -p {name}" if is_plain else f"-p {name}")
            if is_plain:
                self._protocol = "all"
        return words

    # -- targets

    def _target(self, callable_chains: Sequence[str]) -> str:
        chance = self._chance
        table, base = self._place
        choices: dict[str, float] = {"ACCEPT": 5, "DROP": 3, "RETURN": 2, "LOG": 1, "none": 1}
        if table == "nat":
            # DROP is refused there, and what is accepted is not translated.
            choices |= {"ACCEPT": 1, "DROP": 0, "RETURN": 1, "LOG": 0.5, "none": 0.5, "NETMAP": 1}
            if base in ("PREROUTING", "OUTPUT"):
                choices |= {"DNAT": 5, "REDIRECT": 2.5}
            else:
                choices |= {"SNAT": 4}
            if base == "POSTROUTING":
                choices |= {"MASQUERADE": 5}
        elif table == "filter":
            choices |= {"REJECT": 2.5}
        elif table == "raw":
            choices |= {"NOTRACK": 3, "CT": 0.7}
        elif table == "mangle":
            choices |= {"TTL": 1, "TOS": 1, "DSCP": 1, "TCPMSS": 1.5, "ECN": 0.3}
            choices |= {"TCPOPTSTRIP": 0.4, "CHECKSUM": 0.3}
        if table in ("mangle", "raw", "filter"):
            share = 4.0 if table == "mangle" else 0.4
            choices |= {"MARK": share, "CONNMARK": share}
        choices |= {"SET": 0.3, "NFLOG": 0.2, "odd": self._share_of_odd_targets()}
        if callable_chains:
            choices |= {"jump": 5, "goto": 2}
        kind = choose(chance, choices)
        if kind == "none":
            return ""
        if kind in ("jump", "goto"):
            return f"-{'j' if kind == 'jump' else 'g'} {chance.choice(callable_chains)}"
        if kind in ("ACCEPT", "DROP", "RETURN"):
            return f"-j {kind}"
        if kind == "odd":
            return choose(chance, self._odd_targets())
        return f"-j {getattr(self, f'_to_{kind.lower()}')()}"

    def _share_of_odd_targets(self) -> float:
        if "odd" not in self._kinds:
            return 0
        # Where few fit, each is chosen no more often than elsewhere.
        return min(_ODD_TARGETS, 0.1 * sum(self._odd_targets().values()))

    def _odd_targets(self) -> dict[str, float]:
        """Those that this place takes behind the rule's protocol, and their shares."""
        return {
            f"{odd.match}-j {odd.text}": odd.weight
            for odd in ODD_TARGETS
            if self._pool.family in odd.families
            and self._place.table in odd.tables
            and self._place.base in odd.hooks
            and odd.protocol in ("", self._protocol)
        }

    def _odd(self) -> str | None:
        found = [
            odd.text
            for odd in ODD_MATCHES
            if self._pool.family in odd.families
            and self._place.base in odd.hooks
            and odd.protocol in ("", self._protocol)
        ]
        text = self._chance.choice(found)
        # Those of other rules would be in real time, or stand in one rule twice.
        self._is_timed |= "-m limit" in text or "-m time" in text
        return text

    def _to_log(self) -> str:
        return self._chance.choice(("LOG", 'LOG --log-prefix "in: "', "LOG --log-level 7"))

    def _to_nflog(self) -> str:
        return "NFLOG --nflog-group 5"

    def _to_reject(self) -> str:
        # A bare one is a port unreachable; only TCP can be reset.
        if self._protocol == "tcp" and self._chance.random() < 0.5:
            return "REJECT --reject-with tcp-reset"
        return f"REJECT --reject-with {self._chance.choice(_REJECTS[self._pool.family])}"

    def _to_notrack(self) -> str:
        return self._chance.choice(("NOTRACK", "CT --notrack"))

    def _to_ct(self) -> str:
        return self._chance.choice(
            (
                *("CT --zone 1", "CT --zone 1", "CT --zone-orig 2", "CT --zone-reply 2"),
                *("CT --ctevents new", "CT --zone mark"),
            )
        )

    def _to_mark(self) -> str:
        how = self._chance.choice(("--set-xmark", "--set-xmark", "--set-mark"))
        if self._chance.random() < 0.2:
            option = self._chance.choice(("--and-mark 0x1", "--or-mark 0x2", "--xor-mark 0x3"))
            return f"MARK {option}"
        return f"MARK {how} {self._chance.choice(_SET_MARKS)}"

    def _to_connmark(self) -> str:
        chance = self._chance
        mask = f"0x{chance.choice((0xFFFFFFFF, 1, 0xFF)):x}"
        return "CONNMARK " + chance.choice(
            (
                f"--set-xmark {chance.choice(_SET_MARKS)}",
                f"--set-xmark {chance.choice(_SET_MARKS)}",
                f"--save-mark --nfmask {mask} --ctmask 0xffffffff",
                f"--restore-mark --nfmask 0xffffffff --ctmask {mask}",
                "--restore-mark",
                "--save-mark",
            )
        )

    def _to_ttl(self) -> str:
        chance = self._chance
        name, option = ("HL", "hl") if self._is_v6 else ("TTL", "ttl")
        how, value = chance.choice((("set", 64), ("set", 1), ("dec", 1), ("inc", 1), ("dec", 63)))
        return f"{name} --{option}-{how} {value}"

    def _to_tos(self) -> str:
        value = self._chance.choice(("0x10/0x3f", "0x08/0xff", "0x00/0xff", "0xb8/0xff"))
        return f"TOS --set-tos {value}"

    def _to_dscp(self) -> str:
        return f"DSCP --set-dscp 0x{self._chance.choice((0, 0x0A, 0x10, 0x2E)):02x}"

    def _to_tcpmss(self) -> str:
        if self._place.base in ("FORWARD", "OUTPUT", "POSTROUTING") and self._chance.random() < 0.5:
            return "TCPMSS --clamp-mss-to-pmtu"
        return f"TCPMSS --set-mss {self._chance.choice((1460, 1400, 536, 1461))}"

    def _to_ecn(self) -> str:
        return "TOS --set-tos 0x00/0x03" if self._is_v6 else "ECN --ecn-tcp-remove"

    def _to_tcpoptstrip(self) -> str:
        kinds = self._chance.choice(("2", "3", "4", "5", "8", "2,3", "4,5,8", "2,3,4,5,8,30"))
        return f"TCPOPTSTRIP --strip-options {kinds}"

    def _to_checksum(self) -> str:
        return "CHECKSUM --checksum-fill"

    def _to_set(self) -> str:
        chance = self._chance
        if chance.random() < 0.5:
            # One that rules ask: what one packet adds, the next one finds.
            name = next(
                (f"s{n}" for n, text in enumerate(self._sets) if " hash:ip " in text), ""
            ) or self._new_set("hash:ip", ())
        else:
            name = self._new_set("hash:ip", ())
        how = chance.choice(("--add-set", "--add-set", "--del-set"))
        exist = " --exist" if how == "--add-set" and chance.random() < 0.3 else ""
        return f"SET {how} {name} {chance.choice(('src', 'dst'))}{exist}"

    def _to_snat(self) -> str:
        return f"SNAT --to-source {self._nat_range(self._pool.sources, self._pool.source_spans)}"

    def _to_dnat(self) -> str:
        to = self._nat_range(self._pool.targets, self._pool.target_spans)
        return f"DNAT --to-destination {to}"

    def _nat_range(self, ones: Sequence[str], spans: Sequence[str]) -> str:
        chance = self._chance
        text = chance.choice(spans) if chance.random() < 0.25 else chance.choice(ones)
        if self._protocol in ("tcp", "udp") and chance.random() < 0.5:
            if self._is_v6:
                text = f"[{text}]"
            text += f":{self._nat_ports()}"
        if chance.random() < 0.05:
            text += chance.choice((" --random", " --persistent", " --random --persistent"))
        return text

    def _nat_ports(self) -> str:
        return self._chance.choice(
            (
                *("8080", "80", "8080-8089", "79-81", "40000-40010", "1024-65535", "40000"),
                *("3000-3000", "0-65535", "40000-40001", "80-81"),
            )
        )

    def _to_redirect(self) -> str:
        if self._protocol in ("tcp", "udp") and self._chance.random() < 0.8:
            return f"REDIRECT --to-ports {self._nat_ports()}"
        return "REDIRECT"

    def _to_masquerade(self) -> str:
        chance = self._chance
        if self._protocol in ("tcp", "udp") and chance.random() < 0.25:
            return f"MASQUERADE --to-ports {self._nat_ports()}"
        return chance.choice((*("MASQUERADE",) * 8, "MASQUERADE --random"))

    def _to_netmap(self) -> str:
        if self._is_v6:
            return f"NETMAP --to {self._chance.choice(('fd05::/64', 'fd02::/64', 'fd01::2/128'))}"
        return f"NETMAP --to {self._chance.choice(('10.5.0.0/24', '10.2.0.0/16', '10.2.0.2/32'))}"

    # -- matches

    def _negated(self, text: str) -> str:
        """The option, with a ! before it now and then; some stand behind their ``-m name``."""
        if self._chance.random() >= 0.25:
            return text
        if text.startswith("-m "):
            _, name, option = text.split(" ", 2)
            return f"-m {name} ! {option}"
        return f"! {text}"

    def _some(self, names: Sequence[str], most: int) -> str:
        return ",".join(self._chance.sample(names, self._chance.randint(1, most)))

    def _addresses(self) -> tuple[str, ...]:
        return (*self._pool.ends, *self._pool.ends, *self._pool.nets)

    def _port(self) -> int:
        return self._chance.choice(self._pool.ports)

    def _port_range(self) -> str:
        port = self._port()
        return self._chance.choice(
            (
                *(f"{port}",) * 4,
                f"{port}:65535",
                f":{port}",
                f"{max(port - 1, 0)}:{port + 1}",
                f"{port + 1}:{port + 9}",
                "1024:65535",
            )
        )

    def _ports(self) -> str | None:
        if self._protocol not in ("tcp", "udp"):
            return None
        option = self._chance.choice(("--dport", "--dport", "--dport", "--sport"))
        return self._negated(f"-m {self._protocol} {option} {self._port_range()}")

    def _tcp_flags(self) -> str | None:
        if self._protocol != "tcp":
            return None
        chance = self._chance
        mask = chance.sample(_FLAGS, chance.randint(1, 6))
        wanted = [flag for flag in mask if chance.random() < 0.4]
        text = f"--tcp-flags {','.join(mask)} {','.join(wanted) or 'NONE'}"
        return self._negated(f"-m tcp {text}")

    def _syn(self) -> str | None:
        return self._negated("-m tcp --syn") if self._protocol == "tcp" else None

    def _tcp_option(self) -> str | None:
        if self._protocol != "tcp":
            return None
        return self._negated(f"-m tcp --tcp-option {self._chance.choice((2, 3, 4, 5, 8, 30))}")

    def _icmp_type(self) -> str | None:
        if self._protocol != "icmp":
            return None
        if self._is_v6:
            kind = self._chance.choice((128, 128, 129, 1, "1/4", 2, 3, 4, "128/1", 135))
            return self._negated(f"-m icmp6 --icmpv6-type {kind}")
        kind = self._chance.choice((8, 8, 0, 3, "3/3", "3/1", 11, "8/1", 13, "any"))
        return self._negated(f"-m icmp --icmp-type {kind}")

    def _ctstate(self) -> str:
        return self._negated(f"-m conntrack --ctstate {self._some(_ENTRY_STATES, 3)}")

    def _state(self) -> str:
        return self._negated(f"-m state --state {self._some(_STATES, 3)}")

    def _entry(self) -> str:
        chance = self._chance
        # iptables reads such masks of conntrack's addresses as those of a host.
        nets = [net for net in self._addresses() if not net.endswith((".255", ":ffff"))]
        side = chance.choice(("origsrc", "origdst", "replsrc", "repldst"))
        option = chance.choice(
            (
                f"--ctstatus {self._some(_STATUSES, 2)}",
                f"--ctstatus {self._some(_STATUSES, 2)}",
                f"--ctproto {chance.choice(('tcp', 'udp', '1', '58'))}",
                f"--ct{side} {chance.choice(nets)}",
                f"--ct{side} {chance.choice(nets)}",
                f"--ct{side}port {self._port()}",
                f"--ct{side}port {self._port() - 1}:65535",
                f"--ctexpire {chance.choice(('0:100', '100:1000', '1000:500000', '0'))}",
            )
        )
        # The timers of a live kernel run in real time.
        self._is_timed |= "expire" in option
        text = self._negated(f"-m conntrack {option}")
        if chance.random() < 0.3:
            text += f" --ctdir {chance.choice(('ORIGINAL', 'REPLY'))}"
        if chance.random() < 0.3:
            negation = "! " if chance.random() < 0.25 else ""
            text += f" {negation}--ctstate {self._some(_ENTRY_STATES, 2)}"
        return text

    def _addrtype(self) -> str:
        chance = self._chance
        kinds = ["LOCAL", "LOCAL", "UNICAST", "MULTICAST", "ANYCAST", "UNSPEC"]
        if not self._is_v6:
            kinds.append("BROADCAST")
        option = chance.choice(("--src-type", "--dst-type", "--dst-type"))
        text = self._negated(f"-m addrtype {option} {chance.choice(kinds)}")
        if chance.random() < 0.15:
            is_in = self._place.base in ("PREROUTING", "INPUT")
            is_out = self._place.base in ("OUTPUT", "POSTROUTING")
            side = "in" if is_in else "out" if is_out else chance.choice(("in", "out"))
            text += f" --limit-iface-{side}"
        return text

    def _multiport(self) -> str | None:
        if self._protocol not in ("tcp", "udp"):
            return None
        chance = self._chance
        option = chance.choice(("--dports", "--dports", "--sports", "--ports"))
        port = self._port()
        parts = ["22", "443", f"{port}", f"{port + 1}:{port + 5}", f"{max(port - 5, 1)}:{port}"]
        return self._negated(f"-m multiport {option} {self._some(parts, 3)}")

    def _iprange(self) -> str:
        option = self._chance.choice(("--src-range", "--dst-range"))
        return self._negated(f"-m iprange {option} {self._chance.choice(self._pool.spans)}")

    def _mark(self) -> str:
        return self._negated(f"-m mark --mark {self._chance.choice(_MARKS)}")

    def _connmark(self) -> str:
        return self._negated(f"-m connmark --mark {self._chance.choice(_MARKS)}")

    def _comment(self) -> str:
        words = ("some", '"with a blank"', '"a \\"quoted\\" word"', '"-j DROP"')
        return f"-m comment --comment {self._chance.choice(words)}"

    def _new_set(self, kind: str, members: Sequence[str], extras: str = "") -> str:
        name = f"s{len(self._sets)}"
        family = "inet6" if self._is_v6 else "inet"
        head = f"create {name} {kind}"
        if kind.startswith("bitmap"):
            head += " range 0-65535"
        else:
            head += f" family {family} hashsize 1024 maxelem 65536{extras}"
        self._sets.append("".join(f"{line}\n" for line in (head, *members)))
        return name

    def _set(self) -> str:
        chance = self._chance
        name = f"s{len(self._sets)}"
        kind = chance.choice(
            (
                *("hash:ip", "hash:ip", "hash:net", "hash:net", "hash:ip,port", "bitmap:port"),
                *("list:set", "hash:net,iface", "hash:ip,port,ip", "hash:net,port"),
                "hash:ip,port,net",
            )
        )
        if kind == "list:set":
            return self._list_set(way=chance.choice(("src", "dst")))
        ends = [end for end in self._pool.ends if chance.random() < 0.5]
        nets = [net for net in self._pool.nets if "/" in net and len(net.partition("/")[2]) < 4]
        way = chance.choice(("src", "dst"))
        if kind == "hash:ip":
            members = [f"add {name} {end}" for end in ends]
        elif kind == "hash:net":
            members = [f"add {name} {chance.choice(nets)}"]
            if chance.random() < 0.4:
                members.append(f"add {name} {chance.choice(self._pool.ends)} nomatch")
        elif kind == "hash:ip,port":
            members = [f"add {name} {end},tcp:{self._port()}" for end in ends]
            way += chance.choice((",src", ",dst"))
        elif kind == "hash:net,iface":
            if self._place.base in ("INPUT", "PREROUTING"):
                side = "src"
            elif self._place.base == "FORWARD":
                side = chance.choice(("src", "dst"))
            else:
                side = "dst"
            members = [f"add {name} {net},{chance.choice(('eth0', 'eth1'))}" for net in nets]
            way += f",{side}"
        elif kind == "hash:net,port":
            members = [f"add {name} {net},{chance.choice(('tcp', 'udp'))}:80" for net in nets]
            if chance.random() < 0.4:
                members.append(f"add {name} {chance.choice(self._pool.ends)},tcp:80 nomatch")
            way += chance.choice((",src", ",dst"))
        elif kind in ("hash:ip,port,ip", "hash:ip,port,net"):
            members = [f"add {name} {end},udp:80,{chance.choice(ends)}" for end in ends]
            members += [f"add {name} {end},tcp:80,{end}" for end in ends]
            way += chance.choice((",dst,dst", ",dst,src", ",src,src"))
        else:
            members = [f"add {name} {port}" for port in {self._port(), self._port()}]
        has_extras = not kind.startswith("bitmap") and chance.random() < 0.35
        self._new_set(kind, members, " timeout 1000000 counters" if has_extras else "")
        text = self._negated(f"-m set --match-set {name} {way}")
        if "net" in kind and chance.random() < 0.2:
            text += " --return-nomatch"
        if has_extras and chance.random() < 0.6:
            text += chance.choice(
                (
                    " --packets-gt 1",
                    " --packets-lt 3",
                    " ! --packets-eq 2",
                    " --bytes-gt 100",
                    " ! --update-counters",
                )
            )
        return text

    def _list_set(self, *, way: str) -> str:
        chance = self._chance
        parts = []
        for kind in ("hash:ip", "hash:net"):
            name = f"s{len(self._sets)}"
            ends = [end for end in self._pool.ends if chance.random() < 0.3]
            parts.append(self._new_set(kind, [f"add {name} {end}" for end in ends]))
        name = f"s{len(self._sets)}"
        lines = [f"create {name} list:set size 8", *(f"add {name} {part}" for part in parts)]
        self._sets.append("".join(f"{line}\n" for line in lines))
        return self._negated(f"-m set --match-set {name} {way}")

    # A token comes back after 20 s at the soonest: no real time counts.

    def _limit(self) -> str:
        rate = self._chance.choice(("1/hour", "3/min", "20/hour", "2/min"))
        return f"-m limit --limit {rate} --limit-burst {self._chance.choice((1, 2, 3, 5, 10))}"

    def _hashlimit(self) -> str:
        chance = self._chance
        self._lists += 1
        how = chance.choice(("upto", "above"))
        text = (
            f"-m hashlimit --hashlimit-{how} {chance.choice(('1/hour', '3/min'))} "
            f"--hashlimit-burst {chance.choice((1, 2, 5))}"
        )
        if chance.random() < 0.8:
            text += f" --hashlimit-mode {self._some(('srcip', 'dstip', 'srcport', 'dstport'), 2)}"
        if chance.random() < 0.2:
            text += " --hashlimit-srcmask 24"
        # Entries live longer than any scenario takes.
        return f"{text} --hashlimit-name h{self._lists} --hashlimit-htable-expire 600000"

    def _recent(self) -> str:
        chance = self._chance
        name = f"r{chance.randint(0, 1)}"
        side = chance.choice(("--rsource", "--rsource", "--rdest"))
        how = chance.choice(("--set", "--set", "--rcheck", "--update", "--remove"))
        text = f"-m recent {'! ' if chance.random() < 0.15 else ''}{how}"
        if how in ("--rcheck", "--update"):
            if chance.random() < 0.6:
                text += f" --seconds {chance.choice((30, 60, 3600))}"
            if chance.random() < 0.6:
                text += f" --hitcount {chance.choice((1, 2, 3, 4))}"
            if chance.random() < 0.2:
                text += " --rttl"
        return f"{text} --name {name} --mask {self._host_mask()} {side}"

    def _host_mask(self) -> str:
        return ":".join(["ffff"] * 8) if self._is_v6 else "255.255.255.255"

    def _connlimit(self) -> str:
        chance = self._chance
        how = chance.choice(("upto", "above"))
        mask = chance.choice((0, 24, 32)) if not self._is_v6 else chance.choice((0, 64, 128))
        side = chance.choice(("--connlimit-saddr", "--connlimit-daddr"))
        return (
            f"-m connlimit --connlimit-{how} {chance.choice((0, 1, 1, 2))} "
            f"--connlimit-mask {mask} {side}"
        )

    def _connbytes(self) -> str:
        chance = self._chance
        mode = chance.choice(("packets", "packets", "bytes", "avgpkt"))
        edge = chance.choice((1, 2, 4, 10)) if mode == "packets" else chance.choice((40, 60, 200))
        span = chance.choice((f"{edge}", f"{edge}:{edge * 2}", f"0:{edge}"))
        way = chance.choice(("original", "reply", "both"))
        return self._negated(
            f"-m connbytes --connbytes {span} --connbytes-mode {mode} --connbytes-dir {way}"
        )

    def _quota(self) -> str:
        return self._negated(f"-m quota --quota {self._chance.choice((40, 60, 200, 1000))}")

    def _statistic(self) -> str:
        chance = self._chance
        every = chance.choice((2, 3, 4))
        negation = "! " if chance.random() < 0.25 else ""
        return (
            f"-m statistic --mode nth {negation}--every {every} --packet {chance.randrange(every)}"
        )

    def _length(self) -> str:
        length = self._chance.choice(self._pool.lengths)
        span = self._chance.choice(
            (f"{length}", f"{length}:{length + 12}", f"0:{length}", f"{length}:65535")
        )
        return self._negated(f"-m length --length {span}")

    def _ttl(self) -> str:
        value = self._chance.choice(self._pool.ttls)
        match = "hl" if self._is_v6 else "ttl"
        how = self._chance.choice(("eq", "lt", "gt"))
        text = f"-m {match} --{match}-{how} {value}"
        return self._negated(text) if how == "eq" else text

    def _tos(self) -> str:
        value = self._chance.choice(self._pool.tos)
        mask = self._chance.choice((0xFF, 0x3F, 0x1C))
        return self._negated(f"-m tos --tos 0x{value & mask:02x}/0x{mask:02x}")

    def _dscp(self) -> str:
        return self._negated(f"-m dscp --dscp 0x{self._chance.choice(self._pool.tos) >> 2:02x}")

    def _tcpmss(self) -> str | None:
        if self._protocol != "tcp":
            return None
        span = self._chance.choice(("1460", "1400:1460", "1461:65535", "0:1459", "536"))
        return self._negated(f"-m tcpmss --mss {span}")

    def _u32(self) -> str:
        # Neither IPv4's identification nor IPv6's flow label, which number packets in the lab.
        if self._is_v6:
            test = self._chance.choice(
                (
                    "0x0>>0x1c=0x6",
                    "0x4>>0x8&0xff=0x6,0x11",
                    "0x4>>0x10=0x14:0x28",
                    "0x28&0xffff=0x50",
                )
            )
        else:
            test = self._chance.choice(
                (
                    "0x0&0xffff=0x28:0x3c",
                    "0x6&0xff=0x6",
                    "0x0>>0x16&0x3c@0x0&0xffff=0x50",
                    "0x0>>0x16&0x3c@0xc&0x20000=0x20000",
                    "0x6&0xff=0x6&&0x8>>0x18=0x3f,0x40",
                    "0x0>>0x16&0x3c@0xc>>0x1a&0x3c@0x0=0x47455420",
                )
            )
        return self._negated(f'-m u32 --u32 "{test}"')

    def _string(self) -> str:
        chance = self._chance
        what = f'--string "{chance.choice(self._pool.words)}"'
        if chance.random() < 0.2:
            what = "--hex-string " + chance.choice(('"|474554|"', '"T |2f|"'))
        span = chance.choice(
            ("", "", " --to 65535", " --from 40", " --to 60", " --from 52 --to 70")
        )
        icase = " --icase" if chance.random() < 0.15 else ""
        return f"-m string {'! ' if chance.random() < 0.25 else ''}{what} --algo " + (
            f"{chance.choice(('bm', 'kmp'))}{span}{icase}"
        )

    def _owner(self) -> str:
        chance = self._chance
        uid = chance.choice(self._pool.owners)
        option = chance.choice(
            (f"--uid-owner {uid}", f"--uid-owner 0-{uid}", f"--gid-owner {uid}", "--socket-exists")
        )
        return self._negated(f"-m owner {option}")

    def _pkttype(self) -> str:
        kind = self._chance.choice(("unicast", "broadcast", "multicast"))
        return self._negated(f"-m pkttype --pkt-type {kind}")

    def _mac(self) -> str:
        return self._negated("-m mac --mac-source 02:00:00:00:00:01")

    def _rpfilter(self) -> str | None:
        if self._place.table not in ("raw", "mangle"):
            return None
        options = ("--loose", "--validmark", "--accept-local", "--invert")
        drawn = [option for option in options if self._chance.random() < 0.3]
        return " ".join(["-m rpfilter", *drawn])

    def _policy(self) -> str | None:
        base = self._place.base
        is_out = base in ("OUTPUT", "POSTROUTING")
        way = "out" if is_out or (base == "FORWARD" and self._chance.random() < 0.5) else "in"
        return f"-m policy --dir {way} --pol {self._chance.choice(('none', 'ipsec'))}"

    def _physdev(self) -> str:
        option = self._chance.choice(
            ("--physdev-is-bridged", "--physdev-is-in", "--physdev-in eth0")
        )
        return self._negated(f"-m physdev {option}")

    def _time(self) -> str:
        chance = self._chance
        options = (
            "--timestart 00:00:00 --timestop 23:59:59",
            "--timestart 12:00:00 --timestop 23:59:59",
            "--weekdays Mon,Tue,Wed,Thu,Fri",
            "! --weekdays Sat,Sun",
            "--datestart 2020-01-01T00:00:00",
            "--datestop 2020-01-01T00:00:00",
            "--monthdays 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
        )
        return f"-m time {chance.choice(options)}"

    def _ecn(self) -> str | None:
        chance = self._chance
        if self._protocol == "tcp" and chance.random() < 0.6:
            return self._negated(f"-m ecn --ecn-tcp-{chance.choice(('cwr', 'ece'))}")
        return self._negated(f"-m ecn --ecn-ip-ect {chance.choice((0, 1, 2, 3))}")

    def _helper(self) -> str:
        return self._negated("-m helper --helper ftp")

    def _devgroup(self) -> str | None:
        base = self._place.base
        side = "dst" if base in ("OUTPUT", "POSTROUTING") else "src"
        return self._negated(f"-m devgroup --{side}-group {self._chance.choice(('0x0', '0x1'))}")


def _has_ports(target: str) -> bool:
    """Whether a NAT target names ports, which only some protocols have."""
    if target.startswith(("-j SNAT", "-j DNAT")):
        word = target.split()[2]
        return "]:" in word or ("." in word and ":" in word)
    return "--to-ports" in target
