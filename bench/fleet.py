# SPDX-License-Identifier: GPL-2.0-only
"""Generates the folders of many hosts, as a platform team has them; the same seed gives the same
bytes.

    python -m bench.fleet FOLDER 1000

A host has a role. Of half of the hosts of a role the rules are equal to the byte but for dates and
counters, as where one file is rolled out; the others have addresses and ports of their own. Roles:

- ``web``: the chains of ufw, with open ports;
- ``docker``: published ports in nat and filter behind what docker sets up;
- ``node``: kube-proxy's chains for a handful of services;
- ``database``: a short list of clients, what is INVALID is dropped;
- ``router``: zones, SNAT and port forwarding.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from bench.dumps import kube

SHARES: Final = {"web": 45, "docker": 20, "node": 10, "database": 15, "router": 10}
"""Hosts of each role, of a hundred."""


def _filter(*policies: str) -> Iterator[str]:
    yield "*filter"
    for chain, policy in zip(("INPUT", "FORWARD", "OUTPUT"), policies, strict=True):
        yield f":{chain} {policy} [0:0]"


def web(rng: random.Random) -> Iterator[str]:
    """The chains of ufw: before, user, after; deny incoming."""
    yield from _filter("DROP", "DROP", "ACCEPT")
    parts = [f"ufw-{part}-{hook}" for part in ("before", "user", "after") for hook in _HOOKS]
    for chain in (*parts, "ufw-user-limit-accept", "ufw-skip-to-policy-input", "ufw-not-local"):
        yield f":{chain} - [0:0]"
    for hook in _HOOKS:
        for part in ("before", "user", "after"):
            yield f"-A {hook.upper()} -j ufw-{part}-{hook}"
    for port in (137, 138):
        yield f"-A ufw-after-input -p udp -m udp --dport {port} -j ufw-skip-to-policy-input"
    for port in (139, 445):
        yield f"-A ufw-after-input -p tcp -m tcp --dport {port} -j ufw-skip-to-policy-input"
    yield "-A ufw-before-input -i lo -j ACCEPT"
    yield "-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    yield "-A ufw-before-input -m conntrack --ctstate INVALID -j DROP"
    for kind in (3, 11, 12, 8):
        yield f"-A ufw-before-input -p icmp -m icmp --icmp-type {kind} -j ACCEPT"
    yield "-A ufw-before-input -j ufw-not-local"
    yield "-A ufw-before-output -o lo -j ACCEPT"
    yield "-A ufw-before-output -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    yield "-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN"
    yield "-A ufw-not-local -m addrtype --dst-type BROADCAST -j RETURN"
    yield "-A ufw-not-local -j DROP"
    yield "-A ufw-skip-to-policy-input -j DROP"
    yield "-A ufw-user-limit-accept -j ACCEPT"
    yield f"-A ufw-user-input -s {_address(rng)}/32 -p tcp -m tcp --dport 22 -j ACCEPT"
    for port in (80, 443, *rng.sample(range(8000, 9000), 2)):
        yield f"-A ufw-user-input -p tcp -m tcp --dport {port} -j ACCEPT"
    yield "COMMIT"


def docker(rng: random.Random) -> Iterator[str]:
    """What docker sets up, with three published ports."""
    ports = rng.sample(range(8000, 9000), 3)
    yield "*nat"
    for chain in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"):
        yield f":{chain} ACCEPT [0:0]"
    yield ":DOCKER - [0:0]"
    yield "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"
    yield "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER"
    yield "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE"
    yield "-A DOCKER -i docker0 -j RETURN"
    for number, port in enumerate(ports, 2):
        to = f"--to-destination 172.17.0.{number}:80"
        yield f"-A DOCKER ! -i docker0 -p tcp -m tcp --dport {port} -j DNAT {to}"
    yield "COMMIT"
    yield from _filter("ACCEPT", "DROP", "ACCEPT")
    for chain in ("DOCKER", "DOCKER-USER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"):
        yield f":{chain} - [0:0]"
    yield "-A INPUT -m conntrack --ctstate INVALID -j DROP"
    yield "-A FORWARD -j DOCKER-USER"
    yield "-A FORWARD -j DOCKER-ISOLATION-STAGE-1"
    yield "-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    yield "-A FORWARD -o docker0 -j DOCKER"
    yield "-A FORWARD -i docker0 ! -o docker0 -j ACCEPT"
    yield "-A FORWARD -i docker0 -o docker0 -j ACCEPT"
    for number in range(2, 2 + len(ports)):
        yield (
            f"-A DOCKER -d 172.17.0.{number}/32 ! -i docker0 -o docker0 -p tcp -m tcp "
            "--dport 80 -j ACCEPT"
        )
    yield "-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2"
    yield "-A DOCKER-ISOLATION-STAGE-1 -j RETURN"
    yield "-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP"
    yield "-A DOCKER-ISOLATION-STAGE-2 -j RETURN"
    yield "-A DOCKER-USER -j RETURN"
    yield "COMMIT"


def node(rng: random.Random) -> Iterator[str]:
    """A node of a small cluster."""
    yield from kube(240, rng.randrange(1 << 30))


def database(rng: random.Random) -> Iterator[str]:
    """Few clients, and a drop of INVALID on both ways."""
    yield from _filter("DROP", "DROP", "ACCEPT")
    yield "-A INPUT -i lo -j ACCEPT"
    yield "-A INPUT -m state --state INVALID -j DROP"
    yield "-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT"
    for _ in range(12):
        yield f"-A INPUT -s {_address(rng)}/32 -p tcp -m tcp --dport 5432 -j ACCEPT"
    yield "-A INPUT -p icmp -j ACCEPT"
    yield "-A OUTPUT -m state --state INVALID -j DROP"
    yield "COMMIT"


def router(rng: random.Random) -> Iterator[str]:
    """Two zones behind one address, some services published."""
    services = [(_address(rng), port) for port in rng.sample(range(1000, 9000), 4)]
    yield "*nat"
    for chain in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"):
        yield f":{chain} ACCEPT [0:0]"
    for address, port in services:
        yield (
            f"-A PREROUTING -i wan0 -p tcp -m tcp --dport {port} -j DNAT --to-destination {address}"
        )
    yield f"-A POSTROUTING -s 10.0.0.0/8 -o wan0 -j SNAT --to-source 198.51.100.{rng.randrange(9)}"
    yield "COMMIT"
    yield from _filter("DROP", "DROP", "ACCEPT")
    yield "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    yield "-A INPUT -i lan0 -p tcp -m tcp --dport 22 -j ACCEPT"
    yield "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    yield "-A FORWARD -m conntrack --ctstate INVALID -j DROP"
    yield "-A FORWARD -i lan0 -o wan0 -m conntrack --ctstate NEW -j ACCEPT"
    yield "-A FORWARD -i lan0 -o dmz0 -p tcp -m multiport --dports 22,80,443 -j ACCEPT"
    for address, port in services:
        yield f"-A FORWARD -i wan0 -d {address}/32 -p tcp -m tcp --dport {port} -j ACCEPT"
    yield "COMMIT"


_HOOKS: Final = ("input", "forward", "output")
ROLES: Final[dict[str, Callable[[random.Random], Iterator[str]]]] = {
    "web": web,
    "docker": docker,
    "node": node,
    "database": database,
    "router": router,
}
SYSCTLS: Final = {
    "web": "net.netfilter.nf_conntrack_tcp_timeout_established = 432000\n",
    "docker": "net.ipv4.ip_forward = 1\n",
    "node": "net.ipv4.ip_forward = 1\nnet.netfilter.nf_conntrack_tcp_timeout_established = 86400\n",
    "database": "net.netfilter.nf_conntrack_tcp_timeout_established = 600\n",
    "router": "net.ipv4.ip_forward = 1\nnet.netfilter.nf_conntrack_tcp_timeout_established = 120\n",
}


def _address(rng: random.Random) -> str:
    return f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def fleet(hosts: int, seed: int) -> Iterator[tuple[str, str, str]]:
    """So many hosts: the name of each, its rules as iptables-save prints them, its settings."""
    rng = random.Random(seed)
    roles = [role for role, share in SHARES.items() for _ in range(share)]
    for number in range(hosts):
        role = roles[number * 37 % len(roles)]
        is_rolled_out = rng.random() < 0.5
        own = random.Random(f"{seed} {role}" if is_rolled_out else f"{seed} {role} {number}")
        lines = [
            f"# Generated by iptables-save v1.8.9 on Mon Nov 30 02:{number % 60:02}:00 2026",
            *(_counted(line, rng) for line in ROLES[role](own)),
            f"# Completed on Mon Nov 30 02:{number % 60:02}:00 2026",
        ]
        yield f"{role}{number:05}", "\n".join(lines) + "\n", SYSCTLS[role]


def _counted(line: str, rng: random.Random) -> str:
    """The counters of base chains, which iptables-save prints always, and which never are equal."""
    if not line.startswith(":") or " - " in line:
        return line
    return line.replace("[0:0]", f"[{rng.randrange(1 << 20)}:{rng.randrange(1 << 30)}]")


def write(folder: Path, hosts: int, seed: int = 1) -> None:
    """The folders of so many hosts."""
    for name, rules, settings in fleet(hosts, seed):
        host = folder / name
        host.mkdir(parents=True)
        (host / "iptables-save").write_text(rules, encoding="utf-8")
        (host / "sysctl").write_text(settings, encoding="utf-8")


def main() -> None:
    """Write the folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("hosts", type=int)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    write(arguments.folder, arguments.hosts, arguments.seed)


if __name__ == "__main__":
    main()
