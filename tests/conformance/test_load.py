# SPDX-License-Identifier: GPL-2.0-only
"""Random tables of chains that call each other: we refuse those that the kernel does not load.

Each rule by itself is a good one; what is wrong is which base chains reach which rules. ip_tables
says what is refused; nf_tables refuses that as well, and more (docs/input.md).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from ctlint.ir.ruleset import BUILTIN_CHAINS
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.wire.addresses import Family
from tests.netns import PrivateNetns

SEED = 6_18
TEXTS = 400

# Rules whose match or target loads at some hooks only.
LIMITED = {
    "raw": ("-m rpfilter -j DROP", "-m socket", "-j CT --notrack"),
    "mangle": (
        "-p tcp -j TPROXY --on-port 1",
        "-j CLASSIFY --set-class 1:1",
        "-m socket -j MARK --set-mark 1",
        "-m rpfilter --invert -j DROP",
    ),
    "nat": (
        "-j SNAT --to-source {address}",
        "-j DNAT --to-destination {address}",
        "-j MASQUERADE",
        "-p tcp -j REDIRECT --to-ports 80",
    ),
    "filter": (
        "-m owner --uid-owner 0",
        "-m mac --mac-source 02:00:00:00:00:01 -j DROP",
        "-j REJECT",
    ),
}
CONDITIONS = ("", "", "-p tcp ", "-s {address} ", "-m comment --comment x ", "-m mark --mark 1 ")
ALWAYS = ("", "", "-p all ", "-i + ", "-s {any} ", "-p udp ", "-m comment --comment x ")
ADDRESSES = {
    Family.IPV4: {"address": "192.0.2.1", "any": "0.0.0.0/0"},
    Family.IPV6: {"address": "2001:db8::1", "any": "::/0"},
}


def write_table(chance: random.Random, family: Family) -> str:
    """A table with up to five user chains."""
    table = chance.choice(sorted(LIMITED))
    user_chains = "abcde"[: chance.randint(1, 5)]
    lines = [f"*{table}", *(f":{chain} - [0:0]" for chain in user_chains)]
    for _ in range(chance.randint(1, 9)):
        chain = chance.choice([*BUILTIN_CHAINS[table], *user_chains, *user_chains])
        kind = chance.random()
        if kind < 0.5:
            aim = chance.choice(user_chains)
            rule = f"{chance.choice(CONDITIONS)}{chance.choice(('-j', '-g'))} {aim}"
        elif kind < 0.65:
            # No rule has an interface that its base chain could not have.
            always = chance.choice(ALWAYS if chain not in ("OUTPUT", "POSTROUTING") else ("",))
            rule = f"{always}-j {chance.choice(('ACCEPT', 'RETURN'))}"
        else:
            rule = chance.choice(LIMITED[table])
        lines.append(f"-A {chain} {rule.format_map(ADDRESSES[family])}")
    return "\n".join([*lines, "COMMIT", ""])


def is_read(text: str, family: Family) -> bool:
    """Whether we take the text."""
    try:
        parse_rulesets(text, "t", family)
    except ParseError:
        return False
    return True


@pytest.mark.netns
@pytest.mark.parametrize("family", Family)
def test_what_the_kernel_loads_is_read_and_nothing_else(
    family: Family, netns: PrivateNetns, report_count: Callable[[str, int], None]
) -> None:
    chance = random.Random(SEED + family)
    prefix = "iptables" if family is Family.IPV4 else "ip6tables"
    answers: Counter[tuple[bool, bool]] = Counter()
    for _ in range(TEXTS):
        text = write_table(chance, family)
        legacy, nft = (
            netns.run([f"{prefix}-{backend}-restore"], text, check=False).returncode == 0
            for backend in ("legacy", "nft")
        )
        assert is_read(text, family) == legacy, text
        assert legacy or not nft, text
        answers[legacy, nft] += 1
    assert answers[True, True] > TEXTS // 5
    assert answers[False, False] > TEXTS // 5
    assert answers[True, False] > 0
    report_count(f"random IPv{int(family)} tables that the kernel loads", answers[True, True])
    report_count(f"random IPv{int(family)} tables that it refuses", answers[False, False])
