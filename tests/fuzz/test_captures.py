# SPDX-License-Identifier: GPL-2.0-only
"""Damaged and hostile captures: nothing but SourceError may come, and what was read is played."""

from __future__ import annotations

import gzip
import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ctlint.analysis.capture.ledger import Ledger
from ctlint.analysis.capture.replay import Firewall, Replay
from ctlint.analysis.capture.story import Ends, Story
from ctlint.analysis.capture.whereabouts import Stage
from ctlint.model.kernel.profiles import NEWEST
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.report.replay_json import connection_line, packet_line
from ctlint.source.captures import CaptureStream, frames
from ctlint.source.errors import SourceError
from ctlint.wire.addresses import Family
from tests.captures import ethernet, pcap
from tests.corpus import REPOSITORY

_FOLDER = REPOSITORY / "examples" / "captures"
_PCAPNG = (_FOLDER / "idle.pcapng").read_bytes()
_RULES = parse_rulesets((_FOLDER / "router.v4").read_text(), "router.v4")
_NAT = parse_rulesets(
    "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    ":POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j SNAT --to-source 192.0.2.1\nCOMMIT\n",
    "nat",
)


def _as_pcap() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "f"
        path.write_bytes(_PCAPNG)
        found = [(frame.at or 0, frame.data) for frame in frames(CaptureStream(str(path)))]
    return pcap(found)


_PCAP = _as_pcap()


def _replayed(data: bytes, *, nat: bool = False) -> int:
    """Plays a capture, and says all of it; the number of frames before any damage."""
    replay = Replay(Firewall(NEWEST, {}, _NAT if nat else _RULES, {}, Stage()))
    ledger = Ledger()
    story = Story(Family.IPV4, Ends((0x0A010002, None), (0x0A020002, None)))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "f"
        path.write_bytes(data)
        done = []
        try:
            for frame in frames(CaptureStream(str(path))):
                played = replay.play(frame)
                if played is None:
                    continue
                connection, expiry, ended = ledger.add(played)
                story.add(played)
                packet_line(played, connection, expiry, has_rules=True)
                done += ended
        except SourceError as error:
            assert str(error).startswith(str(path))
    for one in (*done, *ledger.close()):
        connection_line(one, has_rules=True)
    totals = ledger.totals
    assert totals.packets == totals.fates.total()
    assert replay.frames >= totals.packets
    return replay.frames


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    for magic in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a", b"\x1f\x8b\x08\0"):
        _replayed(magic + data)


@settings(max_examples=30)
@given(st.randoms(use_true_random=False), st.sampled_from([_PCAP, _PCAPNG]), st.booleans())
def test_changed_bytes(source: random.Random, data: bytes, nat: bool) -> None:
    changed = bytearray(data)
    for _ in range(source.choice((1, 3, 30, 300))):
        changed[source.randrange(len(changed))] = source.choice((0, 1, 0x45, 0xFF, 0x80, 7))
    _replayed(bytes(changed), nat=nat)


@settings(max_examples=30)
@given(st.randoms(use_true_random=False))
def test_changed_headers(source: random.Random) -> None:
    """The frames are whole, their headers are not."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "f"
        path.write_bytes(_PCAP)
        found = list(frames(CaptureStream(str(path))))
    changed = []
    for frame in found:
        data = bytearray(frame.data)
        for _ in range(source.choice((0, 0, 1, 4))):
            data[source.randrange(min(len(data), 70))] = source.randrange(256)
        changed.append((frame.at or 0, bytes(data[: source.choice((20, 40, 60, 2000, 2000))])))
    assert _replayed(pcap(changed), nat=source.random() < 0.3) == len(found)


@settings(max_examples=30)
@given(st.integers(0, len(_PCAPNG)), st.binary(max_size=40))
def test_what_is_cut_off_or_put_in(at: int, more: bytes) -> None:
    _replayed(_PCAPNG[:at])
    _replayed(_PCAPNG[:at] + more + _PCAPNG[at:])


@given(st.randoms(use_true_random=False))
def test_damaged_gzip(source: random.Random) -> None:
    packed = bytearray(gzip.compress(_PCAPNG))
    packed[source.randrange(len(packed))] ^= 1 << source.randrange(8)
    _replayed(bytes(packed[: source.randrange(len(packed))]))


@given(
    st.lists(st.binary(min_size=1, max_size=100), max_size=8), st.sampled_from([0, 101, 113, 276])
)
def test_any_frames(packets: list[bytes], link: int) -> None:
    data = [(number, ethernet(one) if link == 1 else one) for number, one in enumerate(packets)]
    _replayed(pcap(data, link=link))
