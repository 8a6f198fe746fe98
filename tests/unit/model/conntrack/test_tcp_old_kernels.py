# SPDX-License-Identifier: GPL-2.0-only
"""The TCP tracker of kernels that no recording covers: what each change did.

Expected values: read in net/netfilter/nf_conntrack_proto_tcp.c of the releases on either side of
the change; a pair of kernels stands on both sides of each.
"""

from __future__ import annotations

import pytest

from ctlint.model.conntrack.status import TcpDirFlags
from ctlint.wire.packet import TcpOptions
from tests.unit.model.conntrack.conversation import SYN_OPTIONS, Conversation


@pytest.mark.parametrize(
    ("kernel", "timer"),
    [("2.6.32", "SYN_SENT 120 u"), ("5.4", "SYN_SENT 117 u"), ("5.10", "SYN_SENT 117 u")],
)
def test_a_repeated_syn_and_the_timer(kernel: str, timer: str) -> None:
    """SYN_RETRANSMISSION_KEEPS_TIMER."""
    talk = Conversation(kernel)
    talk.send("o", "S", 1000)
    talk.wait(3)
    assert talk.send("o", "S", 1000) == f"NEW {timer}"


@pytest.mark.parametrize(
    ("kernel", "answer", "after"),
    [("2.6.32", "DROP", []), ("2.6.37", "ESTABLISHED SYN_RECV 60 a", ["SYN_RECV 60 a"])],
)
def test_a_synack_to_an_ignored_syn(kernel: str, answer: str, after: list[str]) -> None:
    """RESYNC_ON_SYNACK: before it the entry was killed and the SYN/ACK dropped."""
    talk = Conversation(kernel)
    talk.shake_hands()
    assert talk.send("o", "S", 900_000).startswith("ESTABLISHED ESTABLISHED")
    assert talk.send("r", "SA", 70_000, 900_001) == answer
    assert talk.log == (["killing out of sync session"] if answer == "DROP" else [])
    assert [talk.shown(entry) for entry in talk.tracker.entries(talk.now)] == after


@pytest.mark.parametrize(
    ("kernel", "answer"), [("2.6.32", "INVALID"), ("3.0", "INVALID"), ("3.6", "INVALID")]
)
def test_an_old_segment_with_data(kernel: str, answer: str) -> None:
    talk = Conversation(kernel)
    talk.shake_hands()
    assert talk.send("o", "PA", 1001 - 70_000, 5001, 10).split()[0] == answer


@pytest.mark.parametrize(
    ("kernel", "ctstate"),
    [("3.1", "ESTABLISHED"), ("3.2", "INVALID"), ("3.5", "ESTABLISHED"), ("3.6", "INVALID")],
)
def test_the_number_of_a_segment_without_data(kernel: str, ctstate: str) -> None:
    """SEQ_CHECK_WITHOUT_DATA: before it only the acknowledgement of a pure ACK counted."""
    talk = Conversation(kernel)
    talk.shake_hands()
    assert talk.send("o", "A", 500_000_000, 5001).split()[0] == ctstate


@pytest.mark.parametrize("kernel", ["3.5", "3.6"])
def test_a_reset_is_always_held_to_its_number(kernel: str) -> None:
    talk = Conversation(kernel)
    talk.shake_hands()
    assert talk.send("o", "R", 500_000_000).split()[0] == "INVALID"


@pytest.mark.parametrize("kernel", ["3.5", "6.18"])
def test_a_reset_with_number_zero_answers_a_syn(kernel: str) -> None:
    talk = Conversation(kernel)
    talk.send("o", "S", 3_000_000_000)
    assert talk.send("r", "R", 0, 0) == "ESTABLISHED none"


@pytest.mark.parametrize(("kernel", "seconds"), [("3.9", 432000), ("rhel6", 300), ("3.10", 300)])
def test_how_long_a_pick_up_lives(kernel: str, seconds: int) -> None:
    """PICKUP_UNACKNOWLEDGED_TIMEOUT."""
    assert Conversation(kernel).send("o", "A", 1000, 5000) == f"NEW ESTABLISHED {seconds} u"


@pytest.mark.parametrize(
    ("kernel", "maxwin", "end"), [("2.6.36", 502, 1001), ("2.6.37", 502 << 7, 1101)]
)
def test_what_mid_stream_says_of_the_peer(kernel: str, maxwin: int, end: int) -> None:
    """PICKUP_PEER_FROM_ACK: the acknowledgement tells where the peer is, the window is scaled."""
    talk = Conversation(kernel, tcp_be_liberal=1)
    talk.shake_hands(options=SYN_OPTIONS)
    client, server = talk.entry.tcp.seen
    client.td_maxwin = server.td_maxwin = 0  # as when the hooks were registered anew
    talk.send("r", "A", 5001, 1101, win=502)
    assert server.td_maxwin == maxwin
    assert client.td_end == end


@pytest.mark.parametrize(("kernel", "answer"), [("3.12", "INVALID"), ("3.13", "ESTABLISHED")])
def test_old_data_while_the_peers_window_is_unknown(kernel: str, answer: str) -> None:
    """UNKNOWN_WINDOW_ACCEPTED: nothing can be said against them."""
    talk = Conversation(kernel)
    talk.shake_hands()
    talk.entry.tcp.seen[1].td_maxwin = 0  # as after a resynchronisation of that side
    assert talk.send("o", "PA", 901, 5001, 50).split()[0] == answer


@pytest.mark.parametrize(("kernel", "maxwin"), [("2.6.36", 900), ("2.6.37", 0)])
def test_data_beyond_a_window_that_is_not_known(kernel: str, maxwin: int) -> None:
    """MAXWIN_GROWTH_NEEDS_WINDOW."""
    talk = Conversation(kernel)
    talk.shake_hands()
    sender, receiver = talk.entry.tcp.seen
    receiver.td_maxwin = 0
    sender.td_maxend = sender.td_end + 100
    assert talk.send("o", "PA", 1001, 5001, 1000).split()[0] == "ESTABLISHED"
    assert receiver.td_maxwin == maxwin


@pytest.mark.parametrize(
    ("kernel", "state"),
    [("4.0", "TIME_WAIT 120 a"), ("4.1", "LAST_ACK 30 a"), ("4.2", "LAST_ACK 30 a")],
)
def test_a_challenge_ack_in_last_ack(kernel: str, state: str) -> None:
    """CHALLENGE_ACK_IN_LAST_ACK."""
    talk = Conversation(kernel)
    talk.shake_hands()
    talk.send("o", "FA", 1001, 5001)
    talk.send("r", "FA", 5001, 1002)
    talk.send("o", "S", 900_000)
    assert talk.send("r", "A", 5002, 1002) == f"ESTABLISHED {state}"


@pytest.mark.parametrize(
    ("kernel", "state"), [("4.16", "SYN_RECV 60"), ("4.17", "ESTABLISHED 432000")]
)
def test_who_ends_a_simultaneous_open(kernel: str, state: str) -> None:
    """SIMULTANEOUS_OPEN_ESTABLISHES: an ACK of the reply side does so too."""
    talk = Conversation(kernel)
    talk.send("o", "S", 1000)
    assert talk.send("r", "S", 5000) == "ESTABLISHED SYN_SENT2 120"
    talk.send("o", "SA", 1000, 5001)
    assert talk.send("r", "A", 5001, 1001).startswith(f"ESTABLISHED {state}")


@pytest.mark.parametrize(("kernel", "seconds"), [("4.14", 432000), ("4.15", 300)])
def test_a_zero_window(kernel: str, seconds: int) -> None:
    """ZERO_WINDOW_TIMEOUT."""
    talk = Conversation(kernel)
    talk.shake_hands()
    assert talk.send("r", "A", 5001, 1001, win=0) == f"ESTABLISHED ESTABLISHED {seconds} a"


@pytest.mark.parametrize(
    ("kernel", "state", "lowest"),
    [
        ("4.18", "CLOSE 10 a", "INVALID"),
        ("4.19", "ESTABLISHED 10 a", "INVALID"),
        ("5.0", "CLOSE 10 a", "INVALID"),
        ("5.1", "ESTABLISHED 10 a", "INVALID"),
        ("7.2", "ESTABLISHED 10 a", "INVALID"),
        ("7.3", "ESTABLISHED 300 a", "INVALID"),
        ("6.12", "ESTABLISHED 300 a", "INVALID"),
    ],
)
def test_a_reset_that_is_not_exact(kernel: str, state: str, lowest: str) -> None:
    """RST_EXACT_SEQ, RST_CLOSE_TIMEOUT, OPEN_RST_UNACKNOWLEDGED_TIMEOUT.

    One before the peer's highest ACK was never taken.
    """
    talk = Conversation(kernel)
    talk.shake_hands()
    talk.send("r", "A", 5001, 1001)
    assert talk.send("o", "R", 1000).split()[0] == lowest
    assert talk.send("o", "R", 1101) == f"ESTABLISHED {state}"


@pytest.mark.parametrize(
    ("kernel", "counts"),
    [("5.2", [0, 1, 2]), ("5.1", [0, 0, 0]), ("rhel8", [0, 1, 2]), ("6.18", [0, 1, 2])],
)
def test_repetitions_with_a_scaled_window(kernel: str, counts: list[int]) -> None:
    """RETRANS_COMPARES_RAW_WINDOW: before it, a window over 65535 was never the same twice."""
    talk = Conversation(kernel)
    talk.shake_hands(options=SYN_OPTIONS)
    seen = []
    for _ in counts:
        talk.send("r", "A", 5001, 1001, win=1000)
        seen.append(talk.entry.tcp.retrans)
    assert seen == counts


def test_a_scaled_window_that_is_cut_to_zero() -> None:
    """Before RETRANS_COMPARES_RAW_WINDOW 512 << 7 was remembered as 0, a zero window."""
    for kernel, seconds in (("5.1", 300), ("rhel8", 432000), ("5.3", 432000)):
        talk = Conversation(kernel)
        talk.shake_hands(options=SYN_OPTIONS)
        assert talk.send("r", "A", 5001, 1001, win=512) == f"ESTABLISHED ESTABLISHED {seconds} a"


@pytest.mark.parametrize(("kernel", "end"), [("5.8", 1000), ("rhel8", 1001), ("5.10", 1001)])
def test_the_answer_to_a_keepalive_after_a_pick_up(kernel: str, end: int) -> None:
    """KEEPALIVE_PICKUP: a keepalive lies one below what was sent."""
    talk = Conversation(kernel)
    talk.send("o", "A", 1000, 5001)
    talk.send("r", "A", 5001, 1001)
    assert talk.entry.tcp.seen[0].td_end == end


@pytest.mark.parametrize(
    ("kernel", "wscale"), [("5.15", (7, 0)), ("5.17", (7, 7)), ("6.8", (7, 7))]
)
def test_a_second_synack_in_syn_sent(kernel: str, wscale: tuple[int, int]) -> None:
    """SYNACK_REINIT_IN_SYN_SENT: the one that counts is the second."""
    talk = Conversation(kernel)
    talk.send("o", "S", 1000, options=SYN_OPTIONS)
    talk.send("r", "SA", 4000, 900, options=TcpOptions(mss=1460))  # of another connection
    talk.entry.tcp.state = 1
    talk.entry.tcp.last_index = 5
    talk.send("r", "SA", 5000, 1001, options=SYN_OPTIONS)
    # What the first took away before, no second SYN/ACK brings back to the client.
    assert talk.entry.tcp.seen[1].td_scale == wscale[1]


@pytest.mark.parametrize(
    ("kernel", "scale"),
    [("5.16", 7), ("rhel8", 0), ("5.18", 0), ("6.7", 0), ("6.8", 7), ("6.1", 7)],
)
def test_the_scale_of_a_syn_that_is_sent_again(kernel: str, scale: int) -> None:
    """REINIT_DROPS_WSCALE, and its repair RESENT_SYN_KEEPS_WSCALE."""
    talk = Conversation(kernel)
    talk.send("o", "S", 1000, options=SYN_OPTIONS)
    talk.send("o", "S", 100_000, options=SYN_OPTIONS)
    assert talk.entry.tcp.seen[0].td_scale == scale


@pytest.mark.parametrize(
    ("kernel", "answer"), [("5.16", "SYN_RECV 60"), ("5.17", "INVALID"), ("5.18", "INVALID")]
)
def test_who_may_start_anew(kernel: str, answer: str) -> None:
    """REINIT_ONLY_BY_SYN: before it, the server's data far beyond the window did in SYN_RECV."""
    talk = Conversation(kernel)
    talk.send("o", "S", 1000)
    talk.send("r", "SA", 5000, 1001)
    assert answer in talk.send("r", "PA", 5_000_000, 1001, 10)


@pytest.mark.parametrize(
    ("kernel", "liberal"),
    [("5.14", False), ("5.15", True), ("rhel8", True), ("4.9", True), ("5.4", True)],
)
def test_whether_a_pick_up_stays_liberal(kernel: str, liberal: bool) -> None:
    """REINIT_KEEPS_BE_LIBERAL."""
    talk = Conversation(kernel)
    talk.send("o", "A", 1000, 5000)
    talk.send("r", "A", 5000, 1000)
    talk.send("o", "S", 900_000, options=SYN_OPTIONS)
    talk.send("r", "SA", 70_000, 900_001, options=SYN_OPTIONS)
    assert bool(talk.entry.tcp.seen[1].flags & TcpDirFlags.BE_LIBERAL) is liberal


@pytest.mark.parametrize(
    ("kernel", "data", "ack"),
    [
        ("5.14", "INVALID", "INVALID"),
        ("5.15", "INVALID", "ESTABLISHED"),
        ("6.1", "ESTABLISHED", "ESTABLISHED"),
    ],
)
def test_data_just_beyond_the_window(kernel: str, data: str, ack: str) -> None:
    """WINDOW_OVERSHOOT (5.15.y has it) and OLD_SEGMENTS_IGNORED."""
    talk = Conversation(kernel)
    talk.shake_hands()
    talk.send("r", "A", 5001, 1001)
    beyond = talk.entry.tcp.seen[0].td_maxend + 1
    assert talk.send("o", "PA", beyond, 5001, 10).split()[0] == data
    assert talk.send("r", "A", 5001, beyond + 10).split()[0] == ack


@pytest.mark.parametrize(("kernel", "ctstate"), [("6.1", "ESTABLISHED"), ("6.0", "INVALID")])
def test_the_reset_that_answers_a_challenge_ack(kernel: str, ctstate: str) -> None:
    """RST_AFTER_CHALLENGE_ACK: 6.1.y has it from 6.2."""
    talk = Conversation(kernel)
    talk.send("o", "S", 1000)
    talk.send("r", "A", 777_000, 3_000_000)
    assert talk.send("o", "R", 3_000_000).split()[0] == ctstate


@pytest.mark.parametrize(
    ("kernel", "state"), [("6.19", "CLOSE 10 a"), ("7.1", "ESTABLISHED 432000 a")]
)
def test_a_reset_from_the_side_of_the_ignored_syn(kernel: str, state: str) -> None:
    """RST_DIRECTION_CHECK: only the other side can answer a SYN."""
    talk = Conversation(kernel)
    talk.shake_hands()
    talk.send("r", "A", 5001, 1001)
    talk.send("o", "S", 2_000_000_000)
    # It carries the number behind its own SYN as an acknowledgement, far out of every window.
    assert talk.send("o", "RA", 3_000_000_000, 2_000_000_001).split(" ", 1)[1] == state


def test_a_kernel_that_checks_no_window() -> None:
    """OpenWrt's nf_conntrack_tcp_no_window_check: no condition, no bookkeeping, no zero window."""
    talk = Conversation("openwrt-5.4")
    talk.shake_hands()
    assert talk.send("o", "PA", 3_000_000_000, 7, 10) == "ESTABLISHED ESTABLISHED 432000 a"
    assert talk.send("r", "A", 5001, 1001, win=0) == "ESTABLISHED ESTABLISHED 432000 a"
    assert talk.entry.tcp.seen[0].td_end == 1001
    on = Conversation("openwrt-5.4", tcp_no_window_check=0)
    on.shake_hands()
    assert on.send("o", "PA", 3_000_000_000, 7, 10).startswith("INVALID")
    mainline = Conversation("5.4", tcp_no_window_check=1)
    mainline.shake_hands()
    assert mainline.send("o", "PA", 3_000_000_000, 7, 10).startswith("INVALID")


@pytest.mark.parametrize(("kernel", "passes"), [("5.16", "SYN_SENT2"), ("5.17", "SYN_SENT2")])
def test_a_syn_of_the_server_starts_its_side_anew(kernel: str, passes: str) -> None:
    """SYNACK_REINIT_IN_SYN_SENT: a lone SYN is a simultaneous open, whatever its number."""
    talk = Conversation(kernel)
    talk.send("o", "S", 1000)
    talk.entry.tcp.seen[1].td_maxwin = 1  # heard before
    talk.entry.tcp.seen[1].td_end = 5000
    talk.entry.tcp.seen[1].td_maxend = 5000
    answer = talk.send("r", "S", 9000)
    assert answer == {"5.16": "INVALID SYN_SENT 120 u", "5.17": f"ESTABLISHED {passes} 120"}[kernel]


def test_the_highest_edge_of_the_blocks_counts() -> None:
    """tcp_sack, whatever the order of the blocks; an edge below the acknowledgement does not."""
    talk = Conversation()
    talk.shake_hands(options=SYN_OPTIONS)
    talk.send("o", "PA", 1001, 5001, 3000)
    blocks = ((3001, 4001), (2001, 2501), (900, 950))
    assert talk.send("r", "A", 5001, 1001, options=TcpOptions(sack=blocks)).startswith("ESTAB")
    beyond = TcpOptions(sack=((2001, 2501), (3001, 4002)))
    assert talk.send("r", "A", 5001, 1001, options=beyond).startswith("INVALID")
    assert talk.log == ["ACK is over upper bound 4002 (ACKed data not seen yet)"]


def test_an_ack_that_is_ignored_in_syn_sent() -> None:
    """RST_AFTER_CHALLENGE_ACK remembers what it acknowledges, where repetitions are counted."""
    for kernel, seconds in (("5.15", 60), ("6.18", 20)):
        talk = Conversation(kernel, tcp_max_retrans=1, tcp_timeout_max_retrans=20)
        talk.send("o", "S", 1000)
        talk.send("r", "A", 5001, 1001)
        talk.send("r", "SA", 5000, 1001)
        assert talk.send("r", "A", 5001, 1001) == f"ESTABLISHED SYN_RECV {seconds}"


@pytest.mark.parametrize(
    ("kernel", "ignored", "refused"),
    [
        ("3.4", "invalid packet ignored", "invalid state"),
        ("3.5", "invalid packet ignored in state ESTABLISHED", "invalid state"),
        ("4.18", None, None),
        ("5.1", "invalid packet ignored in state ESTABLISHED", "invalid state"),
        ("5.15", "packet (index 0) in dir 0 ignored, state ESTABLISHED", "invalid state"),
        (
            "5.19",
            "packet (index 0) in dir 0 ignored, state ESTABLISHED",
            "packet (index 0) in dir 1 invalid, state ESTABLISHED",
        ),
    ],
)
def test_words_of_the_log(kernel: str, ignored: str | None, refused: str | None) -> None:
    """LOG_IGNORED_STATE, LOG_SPEAKS_AGAIN (kernels that were silent), LOG_TABLE_CELL and
    LOG_REFUSED_CELL."""
    talk = Conversation(kernel)
    talk.shake_hands()
    talk.send("o", "S", 900_000)
    assert talk.log == ([] if ignored is None else [ignored])
    talk.send("r", "S", 900_000)
    assert talk.log == ([] if refused is None else [refused])


def test_the_words_about_a_challenge_ack() -> None:
    for kernel, words in (("4.4", "challenge-ACK ignored"), ("5.10", "challenge-ack ignored")):
        talk = Conversation(kernel)
        talk.shake_hands()
        talk.send("o", "FA", 1001, 5001)
        talk.send("r", "FA", 5001, 1002)
        talk.send("o", "S", 900_000)
        talk.send("r", "A", 5002, 1002)
        assert talk.log == [words]


def test_a_synack_of_the_client_in_an_old_stable_kernel() -> None:
    """ORIG_SYNACK_INVALID: 3.2.71 has it, 3.1 and 3.5.0 have not."""
    for kernel, ctstate in (("3.1", "ESTABLISHED"), ("3.2", "INVALID"), ("3.5", "ESTABLISHED")):
        talk = Conversation(kernel)
        talk.shake_hands()
        assert talk.send("o", "SA", 1001, 5001).split()[0] == ctstate
