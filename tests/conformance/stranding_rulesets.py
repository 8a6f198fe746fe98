# SPDX-License-Identifier: GPL-2.0-only
"""Random rule sets that let connections open and lose their closes once entries have expired.

Their filter tables are those of stateful firewalls, each written in one of the ways that people
write them, with random rules (random_rulesets.py) in between; all other tables are random.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Final

from ctlint.wire.addresses import Family
from tests.conformance.random_rulesets import POOLS, Drawn, Pool, RulesetWriter
from tests.conformance.random_weights import Shares

KINDS: Final[Shares] = {
    "ports": 14,
    "tcp_flags": 6,
    "syn": 4,
    "ctstate": 18,
    "state": 8,
    "entry": 3,
    "addrtype": 4,
    "multiport": 6,
    "iprange": 2,
    "mark": 6,
    "connmark": 2,
    "set": 2,
    "comment": 2,
    "pkttype": 1,
    "rpfilter": 1,
    **dict.fromkeys(("mac", "policy", "physdev", "helper", "devgroup"), 0.2),
    # What lint does not decide: no more than shows that it says so.
    **dict.fromkeys(("owner", "length", "ttl", "tcpmss", "string", "statistic", "quota"), 0.3),
}
"""Matches of the random rules. Left out is what counts real time."""

_ASKS_TIMERS: Final = re.compile(r"--ctexpire\b")
_NOT_FAIR: Final = re.compile(r"-j (?:SET|TTL|HL|CT --zone)\b")
"""Targets that change what later packets meet, or lose packets without a verdict, or after which
the live kernel does not tell which of several entries a packet belongs to.
"""
_DROPS_SPARED: Final = 0.6
"""The share of the random rules' drops that do nothing instead: few connections would open."""

_ACCEPT_LIVE: Final = (
    "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-m conntrack --ctstate ESTABLISHED -j ACCEPT",
    "-m state --state RELATED,ESTABLISHED -j ACCEPT",
    "-m conntrack ! --ctstate INVALID,NEW -j ACCEPT",
    "-m conntrack --ctstate RELATED,ESTABLISHED,UNTRACKED -j ACCEPT",
    "-p tcp -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT",
    "-m conntrack --ctstatus SEEN_REPLY -j ACCEPT",
)
_LOSE: Final = (
    "-m conntrack --ctstate INVALID -j DROP",
    "-m conntrack --ctstate INVALID -j DROP",
    "-m state --state INVALID -j DROP",
    "-m conntrack --ctstate INVALID -j REJECT",
    "-p tcp -m conntrack --ctstate INVALID -j REJECT --reject-with tcp-reset",
    "-m conntrack ! --ctstate NEW,RELATED,ESTABLISHED -j DROP",
    "-p tcp -m tcp ! --syn -m conntrack --ctstate NEW -j DROP",
    "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m state --state NEW -j DROP",
    "-p tcp -m tcp --tcp-flags FIN FIN -m conntrack ! --ctstate ESTABLISHED -j DROP",
    "-p tcp -m tcp --tcp-flags RST RST -m conntrack --ctstate INVALID -j DROP",
    "-p tcp -m tcp --tcp-flags FIN,ACK FIN,ACK -m conntrack --ctstate INVALID,NEW -j DROP",
)
_ACCEPT_NEW: Final = (
    "-m conntrack --ctstate NEW -j ACCEPT",
    "-p tcp -m conntrack --ctstate NEW -j ACCEPT",
    "-p tcp -m tcp --syn -j ACCEPT",
    "-p tcp -m state --state NEW -m tcp --syn -j ACCEPT",
)
_LAST: Final = ("-j DROP", "-j REJECT", "-p tcp -j REJECT --reject-with tcp-reset", "-j LOG")


class StrandingWriter(RulesetWriter):
    """Writes them from a source of chance; ``has_nat``: some translate connections."""

    def __init__(self, chance: random.Random, pool: Pool, *, has_nat: bool) -> None:
        super().__init__(chance, pool, kinds=KINDS, most_rules=2)
        self._has_nat = has_nat

    def ruleset(self) -> Drawn:
        """A rule set as iptables-restore reads it, and its sets as ipset does."""
        while True:
            drawn = super().ruleset()
            if drawn.text and _ASKS_TIMERS.search(drawn.text) is None:
                return drawn

    def _table(self, table: str) -> str:
        chance = self._chance
        if table == "nat" and not self._has_nat:
            return ""
        text = super()._table(table)
        if table != "nat" and chance.random() < 0.8:
            text = re.sub(r"^(:\S+) DROP", r"\1 ACCEPT", text, flags=re.MULTILINE)
        if table == "nat":
            return self._made_translating(text)
        if table != "filter":
            return text
        for base in ("INPUT", "FORWARD", "OUTPUT"):
            text = self._made_stateful(text, base)
        return text

    def _made_translating(self, text: str) -> str:
        """The table with rules that translate connections as routers and servers do."""
        chance, pool = self._chance, self._pool
        rules = []
        if chance.random() < 0.35:
            where = self._somewhere("OUTPUT")
            to = chance.choice(("MASQUERADE", f"SNAT --to-source {chance.choice(pool.sources)}"))
            rules.append(f"-A POSTROUTING {where}-p tcp -j {to}")
        if chance.random() < 0.35:
            where = self._somewhere("INPUT")
            target = chance.choice(pool.targets)
            if chance.random() < 0.4:
                target = f"[{target}]:8080" if self._is_v6 else f"{target}:8080"
            to = chance.choice((f"DNAT --to-destination {target}", "REDIRECT --to-ports 8080"))
            ports = self._port_range()
            rules.append(f"-A PREROUTING {where}-p tcp -m tcp --dport {ports} -j {to}")
        lines = text.split("\n")
        own = next(n for n, line in enumerate(lines) if not line.startswith(("*", ":")))
        return "\n".join([*lines[:own], *rules, *lines[own:]])

    def _made_stateful(self, text: str, base: str) -> str:
        """The table with rules of a stateful firewall around those that the chain has."""
        chance = self._chance
        if chance.random() < 0.12:
            return text
        is_closed = chance.random() < 0.45
        own = [line for line in text.split("\n") if line.startswith(f"-A {base} ")]
        rest = [line for line in text.split("\n")[:-2] if line not in own]
        policy = "DROP" if is_closed else "ACCEPT"
        rest = [re.sub(rf"^:{base} \w+", f":{base} {policy}", line) for line in rest]
        chains: list[str] = []
        rules = list(self._stateful(base, chains, is_closed=is_closed))
        if chance.random() < 0.15:
            chance.shuffle(rules)
        for line in own:
            rules.insert(chance.randint(0, len(rules)), line)
        named = [f":{line.split()[1]} - [0:0]" for line in chains]
        heads = [line for line in rest if line.startswith((":", "*"))]
        others = [line for line in rest if not line.startswith((":", "*"))]
        lines = [*heads, *dict.fromkeys(named), *rules, *others, *chains]
        return "\n".join([*lines, "COMMIT", ""])

    def _stateful(self, base: str, chains: list[str], *, is_closed: bool) -> Iterator[str]:
        """Rules in the usual order; what they call is added to the chains."""
        chance = self._chance
        if chance.random() < 0.7:
            yield f"-A {base} -{'o' if base == 'OUTPUT' else 'i'} lo -j ACCEPT"
        parts: list[Sequence[str]] = []
        if chance.random() < (0.95 if is_closed else 0.4):
            parts.append(_ACCEPT_LIVE)
        if chance.random() < 0.6:
            parts.append(_LOSE)
        if chance.random() < 0.3:
            parts.reverse()
        for part in parts:
            yield from self._through_a_chain(base, chance.choice(part), chains)
        for _ in range(chance.randint(0, 2)):
            yield self._service(base)
        if chance.random() < (0.7 if is_closed else 0.2):
            yield f"-A {base} {self._somewhere(base)}{chance.choice(_ACCEPT_NEW)}"
        if chance.random() < 0.25:
            yield from self._through_a_chain(base, chance.choice(_LAST), chains)

    def _through_a_chain(self, base: str, rule: str, chains: list[str]) -> Iterator[str]:
        """The rule itself, or a call of a chain that holds it, by jump or goto."""
        chance = self._chance
        if chance.random() < 0.65:
            yield f"-A {base} {rule}"
            return
        name = f"{base[:2]}{len(chains)}"
        matches, _, target = rule.rpartition("-j ")
        if chance.random() < 0.5:
            # The caller asks, the chain only does.
            outer, inner = matches, f"{'-p tcp ' if 'tcp-reset' in target else ''}-j {target}"
        else:
            outer, inner = self._somewhere(base), rule
        if chance.random() < 0.3:
            chains.append(f"-A {name} -p tcp -m tcp --dport {self._port()} -j RETURN")
        chains.append(f"-A {name} {inner}")
        if chance.random() < 0.2:
            chains.append(f"-A {name} -j RETURN")
        yield f"-A {base} {outer}-{chance.choice('jjg')} {name}"

    def _service(self, base: str) -> str:
        chance = self._chance
        words = f"-A {base} {self._somewhere(base)}-p tcp -m tcp --dport {self._port_range()}"
        if chance.random() < 0.6:
            words += f" -m conntrack --ctstate {chance.choice(('NEW', 'NEW,ESTABLISHED'))}"
        return f"{words} -j ACCEPT"

    def _somewhere(self, base: str) -> str:
        """Mostly nothing; else an end or an interface, with a blank behind it."""
        chance = self._chance
        drawn = chance.random()
        if drawn < 0.12:
            return f"{chance.choice(('-s', '-d'))} {chance.choice(self._addresses())} "
        if drawn < 0.24:
            return f"-{'o' if base == 'OUTPUT' else 'i'} {chance.choice(self._pool.interfaces)} "
        return ""

    def _target(self, callable_chains: Sequence[str]) -> str:
        while True:
            target = super()._target(callable_chains)
            if _NOT_FAIR.match(target):
                continue
            is_drop = target.startswith(("-j DROP", "-j REJECT"))
            return "" if is_drop and self._chance.random() < _DROPS_SPARED else target


def generate(
    seed: int, family: Family | None = None, *, has_nat: bool = True
) -> Iterator[tuple[str, Pool, Drawn]]:
    """Names, pools and rule sets without end; the same seed gives the same."""
    chance = random.Random(seed)
    number = 0
    while True:
        pool = POOLS[family or chance.choice((Family.IPV4, Family.IPV4, Family.IPV6))]
        yield f"{seed} #{number}", pool, StrandingWriter(chance, pool, has_nat=has_nat).ruleset()
        number += 1
