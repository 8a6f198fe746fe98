# SPDX-License-Identifier: GPL-2.0-only
"""What the CT target says before a connection is tracked: the tracker and the live kernel agree.

The rules stand in the raw table; the tracker is given what they say as a template.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import pytest

from ctlint.lab.lab import Lab
from ctlint.lab.namespace import PrivateNetns
from ctlint.lab.netlink import ACK, CREATE, NETFILTER, Netlink, Request, attribute, nested
from ctlint.model.conntrack.core import NO_TEMPLATE, Template
from ctlint.model.conntrack.entry import TimeoutPolicy, Zone
from ctlint.model.conntrack.tuple import get_tuple
from ctlint.scenario.answer import EntryAnswer, PacketAnswer
from ctlint.scenario.reader import scenario_from_json
from ctlint.wire.moments import SECOND
from tests.unit.model.conntrack.conversation import Conversation

pytestmark = pytest.mark.netns

_NEW_TIMEOUT: Final = 8 << 8
"""IPCTNL_MSG_TIMEOUT_NEW of NFNL_SUBSYS_CTNETLINK_TIMEOUT (nfnetlink_cttimeout.h)."""


def rules(*lines: str) -> str:
    chains = ":PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    return "*raw\n" + chains + "".join(f"-A PREROUTING {line}\n" for line in lines) + "COMMIT\n"


def shown(answer: PacketAnswer) -> str:
    """An answer in the words of Conversation."""
    return f"{answer.ctstate} {entry_shown(answer.entry)}"


def entry_shown(entry: EntryAnswer | None) -> str:
    if entry is None:
        return "none"
    words = [entry.state] if entry.state else []
    words.append(str(entry.timeout))
    words += [
        short for name, short in (("ASSURED", "a"), ("UNREPLIED", "u")) if name in entry.flags
    ]
    return " ".join(words)


HANDSHAKE: Final[list[dict[str, Any]]] = [
    {"dir": "orig", "flags": "S", "seq": 1000, "win": 64240},
    {"dir": "reply", "flags": "SA", "seq": 5000, "ack": 1001, "win": 64240},
    {"dir": "orig", "flags": "A", "seq": 1001, "ack": 5001, "win": 64240},
    {"dir": "orig", "flags": "PA", "seq": 1001, "ack": 5001, "len": 10, "win": 64240},
    {"dir": "orig", "flags": "FA", "seq": 1011, "ack": 5001, "win": 64240},
]


def compare(kernel: Lab, ruleset: str, orig: Template, reply: Template) -> list[str]:
    """The kernel's answers to a handshake, which the tracker must give too."""
    scenario = scenario_from_json({"ruleset": ruleset, "packets": HANDSHAKE})
    answers = [a for a in kernel.play(scenario).packets if isinstance(a, PacketAnswer)]
    talk = Conversation("6.18")
    for packet, answer in zip(HANDSHAKE, answers, strict=True):
        side, template = ("o", orig) if packet["dir"] == "orig" else ("r", reply)
        given = talk.packet(
            side, packet["flags"], packet["seq"], packet.get("ack", 0), packet.get("len", 0)
        )
        ctstate = talk.give(given, template).split()[0]
        # The lab finds the packet's tuple in whatever zone it stands.
        ends = get_tuple(given)
        found = [each for each in talk.tracker.entries(0) if ends in (each.original, each.reply)]
        assert f"{ctstate} {talk.shown(found[0] if found else None)}" == shown(answer), packet
    return [shown(answer) for answer in answers]


def test_a_zone_for_both_directions(kernel: Lab) -> None:
    zone = Template(Zone(5))
    assert compare(kernel, rules("-j CT --zone 5"), zone, zone)[2].endswith(" a")


def test_a_zone_that_answers_do_not_have(kernel: Lab) -> None:
    """The answer is not found: it stands in another zone."""
    told = compare(kernel, rules("-i eth0 -j CT --zone 5"), Template(Zone(5)), NO_TEMPLATE)
    assert told[1] == "INVALID SYN_SENT 120 u"


def test_a_zone_of_the_original_direction(kernel: Lab) -> None:
    """--zone-orig: the answer stands in the default zone."""
    original = Template(Zone(5, is_reply=False))
    told = compare(kernel, rules("-i eth0 -j CT --zone-orig 5"), original, NO_TEMPLATE)
    assert told[1].startswith("ESTABLISHED SYN_RECV")


def test_a_zone_of_the_reply_direction(kernel: Lab) -> None:
    reply = Template(Zone(5, is_original=False))
    told = compare(kernel, rules("-j CT --zone-reply 5"), reply, reply)
    assert told[1].startswith("ESTABLISHED SYN_RECV")


def test_notrack(kernel: Lab) -> None:
    off = Template(notrack=True)
    assert set(compare(kernel, rules("-j CT --notrack"), off, off)) == {"UNTRACKED none"}


def test_notrack_on_one_side(kernel: Lab) -> None:
    """The entry waits in SYN_SENT for a reply that it never sees, and the ACK is INVALID."""
    off = Template(notrack=True)
    told = compare(kernel, rules("-i eth1 -j CT --notrack"), NO_TEMPLATE, off)
    assert told[2] == "INVALID SYN_SENT 120 u"


def add_policy(
    namespace: PrivateNetns, name: str, protocol: int, *timeouts: tuple[int, int]
) -> None:
    """Make a timeout policy, as `nfct timeout add` does."""
    with namespace.inside():
        netlink = Netlink(NETFILTER)
    data = b"".join(attribute(kind, struct.pack("!I", seconds)) for kind, seconds in timeouts)
    body = (
        struct.pack("!BBH", 0, 0, 0)
        + attribute(1, name.encode() + b"\0")
        + attribute(2, struct.pack("!H", 2))
        + attribute(3, bytes([protocol]))
        + nested(4, data)
    )
    try:
        netlink.ask(Request(_NEW_TIMEOUT, CREATE | ACK, body))
    finally:
        netlink.close()


def test_timeouts_of_a_connections_own(kernel: Lab) -> None:
    """CT --timeout: what the policy does not name is the sysctl's."""
    kernel.start(scenario_from_json({"ruleset": rules("-j ACCEPT"), "packets": []}))
    try:
        # nfnetlink_cttimeout.h: SYN_SENT 1, SYN_RECV 2, ESTABLISHED 3, FIN_WAIT 4, UNACK 11.
        add_policy(kernel.namespace, "short", 6, (1, 21), (2, 22), (3, 500), (4, 24), (11, 77))
        add_policy(kernel.namespace, "udp", 17, (1, 11), (2, 55))
    except OSError as error:
        pytest.skip(f"this kernel has no timeout policies: {error}")
    tcp = [second * SECOND for second in (0, 120, 60, 432000, 120, 60, 30, 120, 10, 120, 300, 300)]
    for state, seconds in ((1, 21), (2, 22), (3, 500), (4, 24), (11, 77)):
        tcp[state] = seconds * SECOND
    policy = Template(policy=TimeoutPolicy(tcp=tuple(tcp)))
    told = compare(kernel, rules("-p tcp -j CT --timeout short"), policy, policy)
    assert [words.split(" ", 1)[1] for words in told] == [
        "SYN_SENT 21 u",
        "SYN_RECV 22",
        "ESTABLISHED 500 a",
        "ESTABLISHED 77 a",
        "FIN_WAIT 24 a",
    ]

    udp = scenario_from_json(
        {
            "ruleset": rules("-p udp -j CT --timeout udp"),
            "packets": [
                {"dir": "orig", "proto": "udp", "len": 1},
                {"dir": "reply", "proto": "udp", "len": 1},
                {"dir": "orig", "proto": "udp", "len": 1, "dt": 3},
            ],
        }
    )
    answers = [a for a in kernel.play(udp).packets if isinstance(a, PacketAnswer)]
    assert [shown(answer) for answer in answers] == [
        "NEW 11 u",
        "ESTABLISHED 11",
        "ESTABLISHED 55 a",
    ]
