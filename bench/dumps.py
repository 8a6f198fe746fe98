# SPDX-License-Identifier: GPL-2.0-only
"""Generates the large dumps that the benchmarks use; the same seed gives the same bytes.

- ``kube``: what kube-proxy's iptables mode writes: many small chains, about thirty line shapes.
- ``flat``: one long list of varied rules in INPUT and FORWARD: some two thousand line shapes.
- ``acl``: narrow zone rules with some drops of INVALID and policy DROP.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def _hash(rng: random.Random) -> str:
    return "".join(rng.choices(_ALPHABET, k=16))


def kube(rules: int, seed: int) -> Iterator[str]:
    """A node's nat and filter tables for about ``rules`` rules."""
    rng = random.Random(seed)
    services = max(1, rules // 12)
    chains: list[str] = []
    body: list[str] = []
    dispatch: list[str] = []
    for number in range(services):
        name = f"ns-{number % 97}/svc-{number}:http"
        svc, ext = f"KUBE-SVC-{_hash(rng)}", f"KUBE-EXT-{_hash(rng)}"
        cluster = f"10.{96 + number % 16}.{number >> 8 & 255}.{number & 255}"
        port = rng.choice((80, 443, 8080, 9090, 5432, 6379))
        chains.append(svc)
        dispatch.append(
            f"-A KUBE-SERVICES -d {cluster}/32 -p tcp -m comment --comment "
            f'"{name} cluster IP" -m tcp --dport {port} -j {svc}'
        )
        body.append(
            f"-A {svc} ! -s 10.244.0.0/16 -d {cluster}/32 -p tcp -m comment --comment "
            f'"{name} cluster IP" -m tcp --dport {port} -j KUBE-MARK-MASQ'
        )
        if number % 10 == 0:
            chains.append(ext)
            node_port = 30000 + number % 2768
            dispatch.append(
                f'-A KUBE-NODEPORTS -p tcp -m comment --comment "{name}" '
                f"-m tcp --dport {node_port} -j {ext}"
            )
            body.append(
                f'-A {ext} -m comment --comment "masquerade traffic for {name} external '
                f'destinations" -j KUBE-MARK-MASQ'
            )
            body.append(f"-A {ext} -j {svc}")
        endpoints = 3
        for index in range(endpoints):
            sep = f"KUBE-SEP-{_hash(rng)}"
            chains.append(sep)
            pod = f"10.244.{rng.randrange(256)}.{rng.randrange(2, 255)}"
            target = f'"{name} -> {pod}:{port}"'
            if index < endpoints - 1:
                share = 1 / (endpoints - index)
                body.append(
                    f"-A {svc} -m comment --comment {target} -m statistic --mode random "
                    f"--probability {share:.11f} -j {sep}"
                )
            else:
                body.append(f"-A {svc} -m comment --comment {target} -j {sep}")
            body.append(f'-A {sep} -s {pod}/32 -m comment --comment "{name}" -j KUBE-MARK-MASQ')
            body.append(
                f'-A {sep} -p tcp -m comment --comment "{name}" -m tcp '
                f"-j DNAT --to-destination {pod}:{port}"
            )
    yield from (
        "*filter",
        ":INPUT ACCEPT [0:0]",
        ":FORWARD ACCEPT [0:0]",
        ":OUTPUT ACCEPT [0:0]",
        ":KUBE-EXTERNAL-SERVICES - [0:0]",
        ":KUBE-FIREWALL - [0:0]",
        ":KUBE-FORWARD - [0:0]",
        ":KUBE-SERVICES - [0:0]",
        "-A INPUT -m conntrack --ctstate NEW -m comment --comment "
        '"kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES',
        "-A INPUT -j KUBE-FIREWALL",
        '-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD',
        "-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "
        '"kubernetes service portals" -j KUBE-SERVICES',
        "-A OUTPUT -j KUBE-FIREWALL",
        "-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "
        '"block incoming localnet connections" -m conntrack ! --ctstate '
        "RELATED,ESTABLISHED,DNAT -j DROP",
        "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
        '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" '
        "-m mark --mark 0x4000/0x4000 -j ACCEPT",
        '-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" '
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "COMMIT",
        "*nat",
        ":PREROUTING ACCEPT [0:0]",
        ":INPUT ACCEPT [0:0]",
        ":OUTPUT ACCEPT [0:0]",
        ":POSTROUTING ACCEPT [0:0]",
        ":KUBE-MARK-MASQ - [0:0]",
        ":KUBE-NODEPORTS - [0:0]",
        ":KUBE-POSTROUTING - [0:0]",
        ":KUBE-SERVICES - [0:0]",
    )
    yield from (f":{chain} - [0:0]" for chain in chains)
    yield from (
        '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
        "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
        "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
        "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0",
        '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" '
        "-j MASQUERADE --random-fully",
    )
    yield from dispatch
    yield from body
    yield "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"
    yield "COMMIT"


def _address(rng: random.Random) -> str:
    length = rng.choice((32, 32, 32, 24, 16))
    value = rng.getrandbits(32) >> (32 - length) << (32 - length)
    return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}/{length}"


def _ports(rng: random.Random) -> str:
    low = rng.randrange(1, 60000)
    return str(low) if rng.random() < 0.7 else f"{low}:{low + rng.randrange(1, 500)}"


def _varied_rule(shape: random.Random, rng: random.Random) -> str:
    """A rule whose options ``shape`` draws, and whose operands ``rng`` draws."""
    words: list[str] = []
    if shape.random() < 0.6:
        words.append(("! " if shape.random() < 0.1 else "") + "-s " + _address(rng))
    if shape.random() < 0.5:
        words.append(("! " if shape.random() < 0.1 else "") + "-d " + _address(rng))
    if shape.random() < 0.3:
        words.append(f"-i eth{rng.randrange(8)}")
    protocol = shape.choice(("tcp", "tcp", "tcp", "udp", "udp", "icmp", ""))
    if protocol:
        words.append(f"-p {protocol}")
    if protocol in ("tcp", "udp"):
        kind = shape.random()
        if kind < 0.6:
            negation = "! " if shape.random() < 0.1 else ""
            sport = f"--sport {_ports(rng)} " if shape.random() < 0.2 else ""
            words.append(f"-m {protocol} {sport}{negation}--dport {_ports(rng)}")
        elif kind < 0.85:
            ports = ",".join(_ports(rng) for _ in range(rng.randrange(2, 6)))
            words.append(f"-m multiport --dports {ports}")
    elif protocol == "icmp":
        words.append(f"-m icmp --icmp-type {rng.choice((0, 3, 8, 11))}")
    if shape.random() < 0.35:
        state = rng.choice(("NEW", "RELATED,ESTABLISHED", "INVALID", "NEW,ESTABLISHED"))
        match = "conntrack --ctstate" if shape.random() < 0.7 else "state --state"
        words.append(f"-m {match} {state}")
    if shape.random() < 0.15:
        words.append(f"-m mark --mark {hex(rng.randrange(1, 4096))}")
    if shape.random() < 0.1:
        words.append(f"-m mac --mac-source 02:00:00:00:{rng.randrange(10, 99)}:01")
    if shape.random() < 0.1:
        words.append(f"-m limit --limit {rng.randrange(1, 60)}/min --limit-burst 10")
    if shape.random() < 0.3:
        words.append(f'-m comment --comment "rule {rng.randrange(10**6)} of team {_hash(rng)}"')
    words.append(
        shape.choice(
            (
                "-j ACCEPT",
                "-j ACCEPT",
                "-j DROP",
                "-j RETURN",
                '-j LOG --log-prefix "fw: "',
                "-j REJECT --reject-with icmp-port-unreachable",
            )
        )
    )
    return " ".join(words)


SHAPES = 2400
"""How many combinations of options the flat dump has, about."""


def flat(rules: int, seed: int) -> Iterator[str]:
    """One long list of varied rules."""
    rng = random.Random(seed)
    yield from ("*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]")
    for number in range(rules):
        shape = random.Random(rng.randrange(SHAPES))
        yield f"-A {'INPUT' if number % 3 else 'FORWARD'} {_varied_rule(shape, rng)}"
    yield "COMMIT"


def acl(rules: int, seed: int) -> Iterator[str]:
    """Narrow zone rules, some drops of INVALID, policy DROP."""
    rng = random.Random(seed)
    yield from ("*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]")
    yield "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    for number in range(rules):
        zone = f"-i zone{rng.randrange(20)} -o zone{rng.randrange(20)}"
        if number % 500 == 499:
            yield f"-A FORWARD {zone} -m conntrack --ctstate INVALID -j DROP"
        else:
            yield (
                f"-A FORWARD -s {_address(rng)} -d {_address(rng)} {zone} -p tcp "
                f"-m tcp --dport {rng.randrange(1, 65536)} -m conntrack --ctstate NEW -j ACCEPT"
            )
    yield "COMMIT"


KINDS = {"kube": kube, "flat": flat, "acl": acl}


def main() -> None:
    """Write one dump to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("rules", type=int)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for line in KINDS[arguments.kind](arguments.rules, arguments.seed):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
