# SPDX-License-Identifier: GPL-2.0-only
"""ICMP and ICMPv6: queries, errors and what they relate to.

Expected values: net/netfilter/nf_conntrack_proto_icmp.c, nf_conntrack_proto_icmpv6.c.
"""

from __future__ import annotations

import pytest

from ctlint.model.conntrack.core import Template
from ctlint.model.conntrack.entry import TimeoutPolicy
from ctlint.wire.addresses import Family
from ctlint.wire.moments import SECOND
from ctlint.wire.packet import Defect, Packet
from ctlint.wire.protocols import ICMP, ICMPV6
from tests.unit.model.conntrack.conversation import CLIENT, SERVER, Conversation


def message(side: str, kind: int, *, v6: bool = False, number: int = 7, code: int = 0) -> Packet:
    """An ICMP message between the two ends."""
    ends = (CLIENT, SERVER) if side == "o" else (SERVER, CLIENT)
    family, protocol = (Family.IPV6, ICMPV6) if v6 else (Family.IPV4, ICMP)
    return Packet(family, *ends, protocol, icmp_type=kind, icmp_code=code, icmp_id=number)


@pytest.mark.parametrize(
    ("v6", "query", "answer"),
    [
        (False, 8, 0),
        (False, 13, 14),
        (False, 15, 16),
        (False, 17, 18),
        (True, 128, 129),
        (True, 139, 140),
    ],
)
def test_queries_and_answers(v6: bool, query: int, answer: int) -> None:
    talk = Conversation()
    assert talk.give(message("o", query, v6=v6)) == "NEW 30 u"
    assert talk.give(message("o", query, v6=v6, number=8)) == "NEW 30 u"
    talk.wait(5)
    assert talk.give(message("r", answer, v6=v6)) == "ESTABLISHED 30"
    assert talk.give(message("r", answer, v6=v6)) == "ESTABLISHED 30"
    assert talk.give(message("r", answer, v6=v6, number=9)) == "INVALID none"
    assert talk.give(message("r", answer, v6=v6, code=1)) == "INVALID none"


@pytest.mark.parametrize(
    ("v6", "kind"), [(False, 0), (False, 14), (False, 9), (False, 10), (True, 129), (True, 200)]
)
def test_what_opens_nothing(v6: bool, kind: int) -> None:
    talk = Conversation()
    assert talk.give(message("o", kind, v6=v6)) == "INVALID none"
    assert talk.log == []


def test_types_that_nobody_knows() -> None:
    talk = Conversation()
    assert talk.give(message("o", 19)) == "INVALID none"
    assert talk.log == ["invalid icmp type"]


@pytest.mark.parametrize("kind", [130, 131, 132, 133, 134, 135, 136, 143])
def test_neighbour_discovery_is_untracked(kind: int) -> None:
    assert Conversation().give(message("o", kind, v6=True)) == "UNTRACKED none"


def test_a_redirect_from_afar() -> None:
    talk = Conversation()
    assert talk.give(message("o", 137, v6=True)) == "INVALID none"
    assert talk.log == ["short redirect"]
    whole = message("o", 137, v6=True)._replace(payload=32)
    assert talk.give(whole) == "INVALID none"
    assert talk.log == ["invalid saddr or hoplimit for redirect"]
    assert talk.give(message("o", 137, v6=True, code=1)) == "INVALID none"
    assert talk.log == ["short redirect"]
    assert talk.give(whole._replace(icmp_code=1)) == "INVALID none"
    assert talk.log == []


@pytest.mark.parametrize(
    ("v6", "words"), [(False, "bad hw icmp checksum"), (True, "ICMPv6 checksum failed")]
)
def test_checksums(v6: bool, words: str) -> None:
    query = message("o", 128 if v6 else 8, v6=v6)._replace(defect=Defect.CHECKSUM)
    talk = Conversation()
    assert talk.give(query) == "INVALID none"
    assert talk.log == [words]
    assert talk.give(query, is_received=False) == "NEW 30 u"
    assert Conversation(checksum=0).give(query) == "NEW 30 u"


def test_timeouts_by_protocol() -> None:
    assert Conversation(icmp_timeout=9).give(message("o", 8)) == "NEW 9 u"
    assert Conversation(icmpv6_timeout=9).give(message("o", 128, v6=True)) == "NEW 9 u"
    own = Template(policy=TimeoutPolicy(icmp=3 * SECOND, icmpv6=4 * SECOND))
    assert Conversation().give(message("o", 8), own) == "NEW 3 u"
    assert Conversation().give(message("o", 128, v6=True), own) == "NEW 4 u"


@pytest.mark.parametrize("kind", [3, 4, 5, 11, 12])
def test_errors_about_a_connection(kind: int) -> None:
    talk = Conversation()
    talk.shake_hands()
    segment = talk.packet("o", "PA", 1001, 5001, 10)
    talk.give(segment)
    talk.wait(50)
    error = message("r", kind)._replace(quoted=segment)
    tracked = talk.tracker.nf_conntrack_in(error, talk.now)
    assert tracked.ctstate.name == "RELATED"
    assert tracked.entry is talk.entry
    assert tracked.ctinfo is not None
    assert tracked.ctinfo.direction == 1
    assert talk.entry.remaining(talk.now) == 250  # not refreshed

    back = message("o", kind)._replace(quoted=talk.packet("r", "A", 5001, 1011))
    other = talk.tracker.nf_conntrack_in(back, talk.now)
    assert other.ctinfo is not None
    assert other.ctinfo.direction == 0


def test_errors_about_nothing() -> None:
    talk = Conversation()
    segment = talk.packet("o", "PA", 1001, 5001, 10)
    assert talk.give(message("r", 3)._replace(quoted=segment)) == "INVALID none"
    assert talk.give(message("r", 3)) == "INVALID none"
    assert talk.give(message("r", 3)._replace(quoted=message("o", 9))) == "INVALID none"
    assert talk.give(message("o", 1, v6=True)) == "INVALID none"


def test_errors_to_somebody_else() -> None:
    """ICMP_OUTER_DESTINATION: the error must go where the quoted packet came from."""
    for kernel, answer in (("5.1", "RELATED"), ("5.2", "INVALID")):
        talk = Conversation(kernel)
        talk.shake_hands()
        segment = talk.packet("o", "PA", 1001, 5001, 10)
        error = message("r", 3)._replace(quoted=segment, daddr=CLIENT + 1)
        assert talk.give(error).split()[0] == answer
    assert talk.log == ["outer daddr 10.1.0.3 != inner 10.1.0.2"]


@pytest.mark.parametrize("kind", [151, 152])
def test_multicast_router_discovery(kind: int) -> None:
    """ICMPV6_ROUTER_DISCOVERY_UNTRACKED: noct_valid_new of 6.8.1 and of 6.10.0."""
    for kernel, answer in (("6.6", "INVALID none"), ("6.10", "UNTRACKED none")):
        assert Conversation(kernel).give(message("o", kind, v6=True)) == answer


def test_redirects_before_they_were_looked_at() -> None:
    """ICMPV6_REDIRECT: before it, a message that opens nothing."""
    for kernel in ("5.9", "5.19", "rhel8"):
        talk = Conversation(kernel)
        assert talk.give(message("o", 137, v6=True)._replace(payload=32)) == "INVALID none"
        assert talk.log == []


def test_an_ipv6_answer_without_a_question_was_logged_once() -> None:
    """LOG_ICMPV6_NEW_GONE: icmpv6_new() of 4.13.9, gone in 4.14.325; ICMP never said it."""
    for kernel, words in (("4.13", ["invalid new with type 129"]), ("4.14", [])):
        talk = Conversation(kernel)
        talk.give(message("o", 129, v6=True))
        assert talk.log == words
    assert Conversation("4.4").give(message("o", 0)) == "INVALID none"


def test_an_ipv6_error_to_somebody_else_is_logged_in_full() -> None:
    """%pI6: eight groups of four digits."""
    talk = Conversation()
    talk.give(message("o", 128, v6=True))
    error = message("r", 1, v6=True)._replace(quoted=message("o", 128, v6=True), daddr=5)
    assert talk.give(error) == "INVALID none"
    groups = ":".join(["0000"] * 6)
    assert talk.log == [f"outer daddr {groups}:0000:0005 != inner {groups}:0a01:0002"]


def test_the_prefix_of_a_line_names_the_protocol() -> None:
    for kernel, words in (("6.18", "nf_ct_proto_1: "), ("4.9", "nf_ct_icmp: ")):
        talk = Conversation(kernel)
        talk.give(message("o", 19))
        assert talk.tracked is not None
        line = talk.tracked.log[0].words(talk.kernel)
        assert line is not None
        assert line.startswith(words)
