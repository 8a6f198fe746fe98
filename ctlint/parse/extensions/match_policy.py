# SPDX-License-Identifier: GPL-2.0-only
"""``-m policy``, the IPsec policy of a packet.

An IPsec policy is a list of at most four elements. Options after ``--next`` describe the next
element; the IR keeps all options in one list with the ``next`` flags between the elements.
Source: libxt_policy of iptables 1.8.11; directions in base chains: net/netfilter/xt_policy.c,
Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, match
from ctlint.parse.operands import MASKED_HOST, PROTOCOL, UINT32, Operand, choice, integer
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import parse_protocol

MOST_ELEMENTS = 4
"""XT_POLICY_MAX_ELEM."""

_PROTOCOLS = (50, 51, 108)
_INCOMING = ("PREROUTING", "INPUT")
_OUTGOING = ("POSTROUTING", "OUTPUT")


def _parse_protocol(word: str, _: Family) -> int:
    number = parse_protocol(word)
    if number not in _PROTOCOLS:
        raise ValueError(f"{word!r} is none of esp, ah, ipcomp")
    return number


_PROTOCOL = Operand("esp, ah or ipcomp", _parse_protocol, PROTOCOL.format)


def split_elements(options: Sequence[Option]) -> Iterator[dict[str, Option]]:
    """The options of each element of the policy, by name."""
    element: dict[str, Option] = {}
    for option in options:
        if option.name == "next":
            yield element
            element = {}
        elif option.name not in ("dir", "pol", "strict"):
            element[option.name] = option
    yield element


def _check_repetition(options: Sequence[Option]) -> str | None:
    seen: set[str] = set()
    for option in options:
        if option.name == "next":
            seen.clear()
        elif option.name in seen:
            return f"a second --{option.name} for one element of the policy"
        else:
            seen.add(option.name)
    return None


def _check_element(element: dict[str, Option], *, strict: bool) -> str | None:
    if strict and not element:
        return "an element of the policy is empty, which --strict does not allow"
    mode = element.get("mode")
    is_tunnel = mode is not None and (mode.value == "tunnel") is not mode.negated
    if not is_tunnel and not element.keys().isdisjoint({"tunnel-src", "tunnel-dst"}):
        return "--tunnel-src and --tunnel-dst need --mode tunnel"
    return None


def _check_hook(options: Sequence[Option], chain: str) -> str | None:
    direction = next(option.value for option in options if option.name == "dir")
    if direction == "out" and chain in _INCOMING:
        return f"no outgoing policy applies in {chain}, so --dir out has no place there"
    if direction == "in" and chain in _OUTGOING:
        return f"no incoming policy applies in {chain}, so --dir in has no place there"
    return None


def _check(options: Sequence[Option], _: RuleContext) -> str | None:
    repeated = _check_repetition(options)
    if repeated is not None:
        return repeated
    given = {option.name: option.value for option in options}
    elements = list(split_elements(options))
    if given.get("pol") == "none":
        if "strict" in given:
            return "--pol none has no elements that --strict could apply to"
        return None
    if len(elements) > MOST_ELEMENTS:
        return f"a policy has at most {MOST_ELEMENTS} elements"
    for element in elements:
        complaint = _check_element(element, strict="strict" in given)
        if complaint is not None:
            return complaint
    return None


EXTENSIONS = (
    match(
        "policy",
        OptionSpec("dir", (choice(("in", "out")),), required=True),
        OptionSpec("pol", (choice(("none", "ipsec")),)),
        OptionSpec("strict"),
        OptionSpec("reqid", (integer(0, UINT32),), negatable=True, repeatable=True),
        OptionSpec("spi", (integer(0, UINT32, show=hex),), negatable=True, repeatable=True),
        OptionSpec("tunnel-src", (MASKED_HOST,), negatable=True, repeatable=True),
        OptionSpec("tunnel-dst", (MASKED_HOST,), negatable=True, repeatable=True),
        OptionSpec("proto", (_PROTOCOL,), negatable=True, repeatable=True),
        OptionSpec("mode", (choice(("transport", "tunnel")),), negatable=True, repeatable=True),
        OptionSpec("next", repeatable=True, also=("strict",)),
        check=_check,
        hook_check=_check_hook,
    ),
)
