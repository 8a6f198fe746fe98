# SPDX-License-Identifier: GPL-2.0-only
"""Rule sets of claims: written as commands of iptables, read as iptables-save prints them."""

from __future__ import annotations

from ctlint.ir.ruleset import BUILTIN_CHAINS


def ruleset_of(text: str) -> str:
    """The rule set that these commands make, one a line; "" where there are none.

    `-t TABLE` stands first where it is not filter; then `-A CHAIN RULE`, `-P CHAIN POLICY` or
    `-N CHAIN`. Raises ValueError.
    """
    chains: dict[str, dict[str, str]] = {}
    rules: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        words = line.split(maxsplit=2)
        table = "filter"
        if words[0] == "-t":
            table, line = words[1], words[2]
        own = chains.setdefault(table, dict.fromkeys(BUILTIN_CHAINS[table], "ACCEPT"))
        rules.setdefault(table, [])
        command, chain, *rest = line.split(maxsplit=2)
        if command == "-P" and rest and chain in own:
            own[chain] = rest[0]
        elif command == "-N" and not rest:
            own[chain] = "-"
        elif command == "-A" and chain in own:
            rules[table].append(line)
        else:
            raise ValueError(f"what is {line!r}?")
    return "".join(
        "\n".join(
            [
                f"*{table}",
                *(f":{chain} {policy} [0:0]" for chain, policy in own.items()),
                *rules[table],
                "COMMIT",
                "",
            ]
        )
        for table, own in chains.items()
    )
