# SPDX-License-Identifier: GPL-2.0-only
"""Single packets: what no entry and what a live entry makes of them."""

from __future__ import annotations

import os
import re
import sys

import pytest

from ctlint.model.conntrack.first_packet import classify_first, classify_with_state
from ctlint.model.conntrack.reason import Reason
from ctlint.model.conntrack.status import CtState, Dir, Mark, Seg, TcpCt
from ctlint.model.kernel.profiles import UnknownKernel, all_profiles, profile
from ctlint.wire.tcp_flags import TcpFlags
from tests.netns import PrivateNetns

TIMEOUT = "net.netfilter.nf_conntrack_tcp_timeout_"
KERNELS = ["2.6.32", "rhel6", "3.9", "3.10", "rhel7", "rhel8", "5.10", "6.0", "6.1", "6.18", "7.2"]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("letters", "loose", "strict"),
    [  # read in the sources of 2.6.20 to 6.18: nf_conntrack_proto_tcp.c, tcp_new()
        ("S", CtState.NEW, CtState.NEW),
        ("SPUEC", CtState.NEW, CtState.NEW),
        ("SA", CtState.INVALID, CtState.INVALID),
        ("A", CtState.NEW, CtState.INVALID),
        ("PA", CtState.NEW, CtState.INVALID),
        ("AU", CtState.NEW, CtState.INVALID),
        ("FA", CtState.INVALID, CtState.INVALID),
        ("R", CtState.INVALID, CtState.INVALID),
        ("RA", CtState.INVALID, CtState.INVALID),
        ("", CtState.INVALID, CtState.INVALID),
        ("F", CtState.INVALID, CtState.INVALID),
        ("SF", CtState.INVALID, CtState.INVALID),
        ("FPU", CtState.INVALID, CtState.INVALID),
    ],
)
def test_ctstate_without_an_entry(
    letters: str, loose: CtState, strict: CtState, kernel: str
) -> None:
    flags = TcpFlags.parse(letters)
    for tcp_loose, ctstate in ((True, loose), (False, strict)):
        first = classify_first(flags, tcp_loose=tcp_loose, kernel=profile(kernel))
        assert first.ctstate is ctstate
        assert (first.reason is None) == (ctstate is CtState.NEW)
        assert (first.entry_state is None) == (ctstate is CtState.INVALID)


@pytest.mark.parametrize(
    ("letters", "tcp_loose", "checksum_ok", "reason"),
    [
        ("SA", True, True, Reason.INVALID_NEW),
        ("FA", True, True, Reason.INVALID_NEW),
        ("RA", False, True, Reason.INVALID_NEW),
        ("A", False, True, Reason.NOT_PICKED_UP),
        ("F", True, True, Reason.INVALID_FLAGS),
        ("S", True, False, Reason.BAD_CHECKSUM),
        ("F", True, False, Reason.BAD_CHECKSUM),
    ],
)
def test_reasons(letters: str, tcp_loose: bool, checksum_ok: bool, reason: Reason) -> None:
    first = classify_first(
        TcpFlags.parse(letters),
        tcp_loose=tcp_loose,
        kernel=profile("6.18"),
        checksum_ok=checksum_ok,
    )
    assert first.reason is reason


def test_class_and_cell() -> None:
    kernel = profile("6.18")
    fin = classify_first(TcpFlags.parse("FPA"), tcp_loose=True, kernel=kernel)
    assert (fin.seg, fin.cell) == (Seg.FIN, Mark.INVALID)
    data = classify_first(TcpFlags.parse("PA"), tcp_loose=False, kernel=kernel)
    assert (data.seg, data.cell) == (Seg.ACK, TcpCt.ESTABLISHED)
    null = classify_first(TcpFlags(0), tcp_loose=True, kernel=kernel)
    assert (null.seg, null.cell) == (Seg.NONE, None)


@pytest.mark.parametrize("kernel", all_profiles(), ids=lambda kernel: str(kernel.name))
def test_default_lifetimes(kernel: object) -> None:
    """SYN_SENT 120 s; a pick-up five days until 3.9, then 300 s, as in RHEL 6."""
    chosen = next(k for k in all_profiles() if k is kernel)

    def default(name: str) -> int:
        value = chosen.sysctl_default(name)
        assert value is not None
        return value

    syn = classify_first(TcpFlags.SYN, tcp_loose=True, kernel=chosen)
    assert (syn.entry_state, syn.timeout) == (TcpCt.SYN_SENT, f"{TIMEOUT}syn_sent")
    assert syn.seconds(default) == 120
    ack = classify_first(TcpFlags.ACK, tcp_loose=True, kernel=chosen)
    assert ack.entry_state is TcpCt.ESTABLISHED
    old = chosen.version < (3, 10) and chosen.name != "rhel6"
    assert ack.timeout == TIMEOUT + ("established" if old else "unacknowledged")
    assert ack.seconds(default) == (432000 if old else 300)
    rst = classify_first(TcpFlags.RST, tcp_loose=True, kernel=chosen)
    assert (rst.timeout, rst.seconds(default)) == (None, None)


# Read with `conntrack -L` on 6.18.44 after one packet each, on loopback.
@pytest.mark.parametrize(
    ("max_retrans", "unacknowledged", "syn_sent", "established", "of_syn", "of_ack"),
    [
        (60, 300, 120, 432000, 60, 60),
        (300, 45, 120, 432000, 120, 45),
        (300, 300, 120, 40, 120, 40),
        (200, 250, 220, 432000, 200, 200),
    ],
)
def test_lifetimes_by_sysctl(
    max_retrans: int,
    unacknowledged: int,
    syn_sent: int,
    established: int,
    of_syn: int,
    of_ack: int,
) -> None:
    values = {
        f"{TIMEOUT}max_retrans": max_retrans,
        f"{TIMEOUT}unacknowledged": unacknowledged,
        f"{TIMEOUT}syn_sent": syn_sent,
        f"{TIMEOUT}established": established,
    }
    kernel = profile("6.18")
    for flags, seconds in ((TcpFlags.SYN, of_syn), (TcpFlags.ACK, of_ack)):
        first = classify_first(flags, tcp_loose=True, kernel=kernel)
        assert first.seconds(values.__getitem__) == seconds


@pytest.mark.parametrize(
    ("state", "direction", "letters", "seen_reply", "ctstate"),
    [  # measured on 6.18
        (TcpCt.SYN_SENT, Dir.ORIGINAL, "S", False, CtState.NEW),
        (TcpCt.SYN_SENT, Dir.ORIGINAL, "A", False, CtState.INVALID),
        (TcpCt.SYN_SENT, Dir.REPLY, "SA", False, CtState.ESTABLISHED),
        (TcpCt.SYN_SENT, Dir.REPLY, "A", False, CtState.ESTABLISHED),
        (TcpCt.SYN_SENT, Dir.REPLY, "FA", False, CtState.INVALID),
        (TcpCt.SYN_SENT, Dir.ORIGINAL, "S", True, CtState.ESTABLISHED),
        (TcpCt.SYN_RECV, Dir.ORIGINAL, "SA", True, CtState.ESTABLISHED),
        (TcpCt.ESTABLISHED, Dir.ORIGINAL, "S", True, CtState.ESTABLISHED),
        (TcpCt.ESTABLISHED, Dir.ORIGINAL, "S", False, CtState.NEW),
        (TcpCt.ESTABLISHED, Dir.ORIGINAL, "FA", False, CtState.NEW),
        (TcpCt.ESTABLISHED, Dir.REPLY, "S", True, CtState.INVALID),
        (TcpCt.ESTABLISHED, Dir.ORIGINAL, "SA", True, CtState.INVALID),
        (TcpCt.ESTABLISHED, Dir.REPLY, "SA", True, CtState.ESTABLISHED),
        (TcpCt.ESTABLISHED, Dir.ORIGINAL, "P", True, CtState.INVALID),
        (TcpCt.TIME_WAIT, Dir.ORIGINAL, "S", True, CtState.NEW),
        (TcpCt.TIME_WAIT, Dir.REPLY, "S", True, CtState.NEW),
        (TcpCt.CLOSE, Dir.ORIGINAL, "S", True, CtState.NEW),
        (TcpCt.CLOSE, Dir.REPLY, "S", True, CtState.INVALID),
        (TcpCt.CLOSE, Dir.REPLY, "FA", True, CtState.ESTABLISHED),
        (TcpCt.SYN_SENT2, Dir.ORIGINAL, "S", True, CtState.ESTABLISHED),
        (TcpCt.SYN_SENT2, Dir.ORIGINAL, "A", True, CtState.INVALID),
    ],
)
def test_ctstate_of_a_live_entry(
    state: TcpCt, direction: Dir, letters: str, seen_reply: bool, ctstate: CtState
) -> None:
    flags = TcpFlags.parse(letters)
    found = classify_with_state(flags, direction, state, profile("6.18"), seen_reply)
    assert found is ctstate


def test_older_tables_judge_otherwise() -> None:
    syn = (TcpFlags.SYN, Dir.REPLY, TcpCt.TIME_WAIT)
    assert classify_with_state(*syn, profile("3.16"), seen_reply=True) is CtState.INVALID
    assert classify_with_state(*syn, profile("rhel7"), seen_reply=True) is CtState.NEW
    synack = (TcpFlags.SYN | TcpFlags.ACK, Dir.ORIGINAL, TcpCt.ESTABLISHED)
    assert classify_with_state(*synack, profile("3.5"), seen_reply=True) is CtState.ESTABLISHED
    assert classify_with_state(*synack, profile("3.6"), seen_reply=True) is CtState.INVALID


def test_an_entry_is_never_in_state_none() -> None:
    with pytest.raises(ValueError, match="NONE"):
        classify_with_state(TcpFlags.SYN, Dir.REPLY, TcpCt.NONE, profile("6.1"), seen_reply=False)


# Sends one segment with each combination of flags, from port 20000 + flags.
SEND = """
import socket, struct
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
pseudo = socket.inet_aton("127.0.0.1") * 2 + struct.pack("!BBH", 0, 6, 20)
for flags in range(256):
    head = [20000 + flags, 80, 1000, 5000, 0x50, flags, 64240, 0, 0]
    head[7] = checksum(pseudo + struct.pack("!HHIIBBHHH", *head))
    raw.sendto(struct.pack("!HHIIBBHHH", *head), ("127.0.0.1", 0))
"""


@pytest.mark.netns
@pytest.mark.parametrize("tcp_loose", [0, 1])
def test_every_combination_on_the_running_kernel(netns: PrivateNetns, tcp_loose: int) -> None:
    """All 256 combinations of flags, sent over loopback: which make an entry, in which state."""
    try:
        kernel = profile(os.uname().release)
    except UnknownKernel as unknown:
        pytest.skip(str(unknown))
    rules = "*filter\n:INPUT DROP\n-A OUTPUT -m conntrack --ctstate NEW\nCOMMIT\n"
    netns.run(["iptables-restore"], rules)
    netns.run(["sysctl", "-qw", f"net.netfilter.nf_conntrack_tcp_loose={tcp_loose}"])
    netns.run([sys.executable, "-c", SEND])
    listed = netns.run(["conntrack", "-L", "-p", "tcp"]).stdout
    entries = {
        int(port) - 20000: (state, int(seconds))
        for seconds, state, port in re.findall(
            r"^tcp +6 ([0-9]+) ([A-Z_0-9]+) src=\S+ dst=\S+ sport=(2[0-9]{4}) ",
            listed,
            re.MULTILINE,
        )
    }
    assert len(entries) in (16, 32)
    for value in range(256):
        first = classify_first(TcpFlags(value), tcp_loose=tcp_loose != 0, kernel=kernel)
        if first.entry_state is None:
            assert value not in entries, first
        else:
            state, seconds = entries[value]
            lifetime = {TcpCt.SYN_SENT: 120, TcpCt.ESTABLISHED: 300}[first.entry_state]
            assert state == first.entry_state.name
            assert lifetime - 30 <= seconds <= lifetime
