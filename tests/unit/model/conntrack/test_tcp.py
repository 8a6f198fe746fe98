# SPDX-License-Identifier: GPL-2.0-only
"""The TCP tracker's rarer ways, one by one.

Expected values: what a 6.18 kernel answered to the same packets.
"""

from __future__ import annotations

import pytest

from ctlint.model.unmodelled import UNMODELLED
from ctlint.wire.packet import TcpOptions
from tests.unit.model.conntrack.conversation import SYN_OPTIONS, Conversation


@pytest.fixture
def talk() -> Conversation:
    """An established connection: the client at 1001, the server at 5001."""
    found = Conversation()
    found.shake_hands()
    found.send("r", "A", 5001, 1001)
    return found


# ---- a connection that is opened again


@pytest.mark.parametrize("side", ["o", "r"])
def test_a_syn_in_time_wait(talk: Conversation, side: str) -> None:
    """Of either end, with any number; the end that sends it becomes the original one."""
    talk.send("o", "FA", 1001, 5001)
    talk.send("r", "FA", 5001, 1002)
    assert talk.send("o", "A", 1002, 5002) == "ESTABLISHED TIME_WAIT 120 a"
    before = talk.entry
    assert talk.send(side, "S", 7) == "NEW SYN_SENT 120 u"
    assert talk.entry is not before
    assert talk.entry.original.sport == (40000 if side == "o" else 80)


def test_a_syn_after_a_reset_of_its_own_side(talk: Conversation) -> None:
    assert talk.send("o", "R", 1001) == "ESTABLISHED CLOSE 10 a"
    assert talk.send("o", "S", 900_000) == "NEW SYN_SENT 120 u"


def test_a_syn_after_a_reset_of_the_other_side(talk: Conversation) -> None:
    """Ignored for the ten seconds, unless there was a FIN."""
    assert talk.send("r", "R", 5001) == "ESTABLISHED CLOSE 10 a"
    assert talk.send("o", "S", 900_000) == "ESTABLISHED CLOSE 10 a"
    assert talk.log == ["packet (index 0) in dir 0 ignored, state CLOSE"]
    assert talk.send("r", "SA", 70_000, 900_001) == "ESTABLISHED SYN_RECV 60 a"


def test_a_syn_after_a_fin_and_a_reset_of_the_other_side(talk: Conversation) -> None:
    talk.send("r", "FA", 5001, 1001)
    talk.send("r", "R", 5002)
    assert talk.send("o", "S", 900_000) == "NEW SYN_SENT 120 u"


@pytest.mark.parametrize(
    ("options", "scale", "dirflags"),
    [
        (None, 0, 0),
        (TcpOptions(mss=1460), 0, 0),
        (TcpOptions(wscale=3), 3, 1),
        (TcpOptions(sack_permitted=True), 0, 2),
        (TcpOptions(wscale=200), 14, 1),
    ],
)
def test_what_a_resynchronisation_remembers_of_the_syn(
    talk: Conversation, options: TcpOptions | None, scale: int, dirflags: int
) -> None:
    talk.send("o", "S", 900_000, options=options)
    talk.send("r", "SA", 70_000, 900_001, options=SYN_OPTIONS)
    client = talk.entry.tcp.seen[0]
    assert client.flags == dirflags
    # Windows are scaled only if both ends have offered it.
    assert client.td_scale == (scale if dirflags & 1 else 0)
    assert client.td_end == 900_001


# ---- resets


def test_a_reset_while_closing_is_taken_with_any_number(talk: Conversation) -> None:
    talk.send("o", "FA", 1001, 5001)
    assert talk.send("r", "R", 1_000_000_000) == "ESTABLISHED CLOSE 10 a"


def test_a_reset_with_number_zero_before_the_handshake_is_over() -> None:
    talk = Conversation()
    talk.send("o", "S", 1000)
    talk.send("r", "SA", 5000, 1001)
    assert talk.send("o", "R", 0) == "ESTABLISHED CLOSE 10"


def test_a_reset_before_the_handshake_is_over_need_not_be_exact() -> None:
    talk = Conversation()
    talk.send("o", "S", 1000)
    talk.send("r", "SA", 5000, 1001)
    assert talk.send("o", "R", 1101) == "ESTABLISHED CLOSE 10"


def test_a_train_of_data_and_a_reset(talk: Conversation) -> None:
    """The reset lies where the data end, which the peer has not acknowledged yet."""
    talk.send("r", "PA", 5001, 1001, 19)
    assert talk.send("r", "R", 5020) == "ESTABLISHED CLOSE 10 a"


def test_a_train_that_the_peer_interrupts(talk: Conversation) -> None:
    talk.send("r", "PA", 5001, 1001, 19)
    talk.send("o", "A", 1001, 5001)
    assert talk.send("r", "R", 5020) == "ESTABLISHED ESTABLISHED 10 a"


def test_an_early_reset(talk: Conversation) -> None:
    assert talk.send("o", "R", 1000) == "INVALID ESTABLISHED 432000 a"
    assert talk.log == ["invalid rst"]
    lenient = Conversation(tcp_ignore_invalid_rst=1)
    lenient.shake_hands()
    lenient.send("r", "A", 5001, 1001)
    assert lenient.send("o", "R", 1000) == "ESTABLISHED ESTABLISHED 10 a"


# ---- windows


def test_data_beyond_the_window(talk: Conversation) -> None:
    """By less than one more window: let through, ignored, and their acknowledgement is valid."""
    edge = talk.entry.tcp.seen[0].td_maxend
    assert talk.send("o", "PA", edge + 1, 5001, 1) == "ESTABLISHED ESTABLISHED 432000 a"
    assert talk.log == ["3 bytes more than expected"]
    assert talk.send("r", "A", 5001, edge + 2) == "ESTABLISHED ESTABLISHED 432000 a"


def test_the_same_on_a_liberal_entry() -> None:
    talk = Conversation(tcp_be_liberal=1)
    talk.shake_hands()
    talk.send("r", "A", 5001, 1001)
    edge = talk.entry.tcp.seen[0].td_maxend
    assert talk.send("o", "PA", edge + 1, 5001, 1) == "ESTABLISHED ESTABLISHED 300 a"
    assert talk.log == []


def test_very_old_acknowledgements(talk: Conversation) -> None:
    assert talk.send("o", "A", 1001, 5001 - 66_000).startswith("ESTABLISHED")
    assert talk.log == []
    talk.wait(5)
    answer = talk.send("o", "A", 1001, 5001 - 66_001)
    assert answer == "ESTABLISHED ESTABLISHED 431995 a"  # ignored: not refreshed
    bound = (5001 - 66_001) % 2**32
    assert talk.log == [f"ignored ACK under lower bound {bound} (possible overly delayed)"]


@pytest.mark.parametrize(("first", "second"), [("FA", "FA"), ("R", "R"), ("FA", "RA")])
def test_both_ends_close_outside_the_window(talk: Conversation, first: str, second: str) -> None:
    """The entry is not kept for five days."""
    assert talk.send("o", first, 10_001_101, 5001) == "INVALID ESTABLISHED 432000 a"
    assert talk.send("r", second, 10_005_201, 1001) == "INVALID ESTABLISHED 300 a"
    indices = {"FA": 2, "R": 4, "RA": 4}
    assert talk.log[1] == (
        f"packet (index {indices[second]}, dir 1) response for index {indices[first]}"
        " lower timeout to 75000"
    )


def test_one_end_alone_lowers_nothing(talk: Conversation) -> None:
    for _ in range(2):
        assert talk.send("o", "FA", 10_001_101, 5001) == "INVALID ESTABLISHED 432000 a"
    assert talk.send("r", "PA", 10_005_201, 1001, 5) == "INVALID ESTABLISHED 432000 a"


@pytest.mark.parametrize("left", [119, 250])
def test_what_is_short_is_not_lowered(talk: Conversation, left: int) -> None:
    """Less than 120 s left, or less than the unacknowledged timeout."""
    talk.wait(432000 - left)
    talk.send("o", "FA", 10_001_101, 5001)
    assert talk.send("r", "FA", 10_005_201, 1001) == f"INVALID ESTABLISHED {left} a"


def test_an_entry_without_assurance_is_not_lowered() -> None:
    talk = Conversation()
    talk.send("o", "S", 1000)
    talk.send("r", "SA", 5000, 1001)
    talk.send("o", "FA", 10_001_101, 5001)
    assert talk.send("r", "FA", 10_005_201, 1001) == "INVALID SYN_RECV 60"
    assert len(talk.log) == 1


# ---- the rest


def test_an_icmp_error_finds_nothing_that_has_expired() -> None:
    talk = Conversation()
    talk.shake_hands()
    talk.wait(432_000)
    assert talk.tracker.find(talk.entry_key(), talk.now) is None
    assert talk.tracker.count == 0


def test_what_is_left_out_is_named_once() -> None:
    names = [name for name, _ in UNMODELLED]
    assert len(set(names)) == len(names)
    assert all(sentence.endswith(".") for _, sentence in UNMODELLED)
