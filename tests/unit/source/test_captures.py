# SPDX-License-Identifier: GPL-2.0-only
"""Captures by the layouts of their drafts, and as another writer makes them; what is damaged."""

from __future__ import annotations

import gzip
import io
import struct
import sys
import tracemalloc
from pathlib import Path

import pytest
from scapy.layers.l2 import CookedLinuxV2, Ether
from scapy.utils import PcapNgWriter, PcapWriter

from ctlint.source.captures import CaptureError, CaptureStream, frames
from ctlint.source.errors import SourceError
from ctlint.wire.frame import Frame
from tests import captures as made
from tests.captures import MICROS, NANOS, block, interface, packet, pcap, section

_SECOND = 1_000_000
_FRAME = made.ethernet(bytes.fromhex("4500001400000000ff000000") + bytes(8))


def _frames(data: bytes, folder: Path, name: str = "f") -> list[Frame]:
    (folder / name).write_bytes(data)
    return list(frames(CaptureStream(str(folder / name))))


def _failure(data: bytes, folder: Path) -> tuple[list[Frame], str]:
    """The frames before the damage, and what is said of it."""
    (folder / "f").write_bytes(data)
    found: list[Frame] = []
    with pytest.raises(CaptureError) as caught:  # noqa: PT012 - what came before counts
        for frame in frames(CaptureStream(str(folder / "f"))):
            found.append(frame)
    return found, str(caught.value).removeprefix(f"{folder / 'f'}: ")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "parts"), [(MICROS, 1), (NANOS, 1000)])
def test_pcap(tmp_path: Path, order: str, magic: int, parts: int) -> None:
    at = 1_700_000_000_123_456
    data = pcap([(at * parts, _FRAME), ((at + 7) * parts, b"x")], order=order, magic=magic)
    assert _frames(data, tmp_path) == [
        Frame(at, 1, _FRAME, len(_FRAME), "", 24),
        Frame(at + 7, 1, b"x", 1, "", 24 + 16 + len(_FRAME)),
    ]


def test_nanoseconds_are_cut(tmp_path: Path) -> None:
    assert _frames(pcap([(1_999, b"x")], magic=NANOS), tmp_path)[0].at == 1


def test_what_the_capture_cut_off(tmp_path: Path) -> None:
    (frame,) = _frames(pcap([(0, _FRAME)], snaplen=20), tmp_path)
    assert (frame.data, frame.length) == (_FRAME[:20], len(_FRAME))


def test_the_link_type_stands_below_what_is_known_of_check_sums(tmp_path: Path) -> None:
    assert _frames(pcap([(0, b"x")], link=0x1400_0001), tmp_path)[0].link == 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng(tmp_path: Path, order: str) -> None:
    data = section(order) + interface(order=order, options=[(2, b"eth0")])
    data += interface(101, order=order, options=[(2, b"tun0"), (9, b"\x09")])
    data += packet(5, _FRAME, 0, order) + packet(9_000, b"yz", 1, order, length=9)
    found = _frames(data, tmp_path)
    assert [frame._replace(offset=0) for frame in found] == [
        Frame(5, 1, _FRAME, len(_FRAME), "eth0", 0),
        Frame(9, 101, b"yz", 9, "tun0", 0),
    ]


@pytest.mark.parametrize(
    ("options", "ticks", "at"),
    [
        ([], 1_500_000, 1_500_000),
        ([(9, b"\x00")], 3, 3 * _SECOND),
        ([(9, b"\x03")], 1_500, 1_500_000),
        ([(9, b"\x09")], 1_500_000_999, 1_500_000),
        ([(9, b"\x8a")], 1536, 1_500_000),
        ([(9, b"\xff")], 5, 0),
        ([(14, struct.pack("<q", 100))], 1, 100 * _SECOND + 1),
        ([(14, struct.pack("<q", -1))], 2 * _SECOND, _SECOND),
    ],
)
def test_clocks_of_interfaces(
    tmp_path: Path, options: list[tuple[int, bytes]], ticks: int, at: int
) -> None:
    data = section() + interface(options=options) + packet(ticks, b"x")
    assert _frames(data, tmp_path)[0].at == at


def test_each_section_has_its_own_order_and_interfaces(tmp_path: Path) -> None:
    data = section("<") + interface(options=[(2, b"eth0")]) + packet(1, b"x")
    data += section(">") + interface(113, order=">", options=[(2, b"any")])
    data += packet(2, b"y", order=">")
    assert [(frame.link, frame.interface, frame.at) for frame in _frames(data, tmp_path)] == [
        (1, "eth0", 1),
        (113, "any", 2),
    ]


def test_blocks_without_packets_are_passed_over(tmp_path: Path) -> None:
    data = section() + interface() + block(5, bytes(12)) + block(0x0BAD, bytes(1 << 20))
    assert len(_frames(data + packet(1, b"x"), tmp_path)) == 1


def test_old_and_simple_packets(tmp_path: Path) -> None:
    old = block(2, struct.pack("<HHIIII", 0, 0, 0, 7, 1, 4) + b"x")
    simple = block(3, struct.pack("<I", 9) + b"abcd")
    data = section() + interface(snaplen=4) + old + simple
    assert [(frame.at, frame.data, frame.length) for frame in _frames(data, tmp_path)] == [
        (7, b"x", 4),
        (None, b"abcd", 9),
    ]


def test_as_another_writer_makes_them(tmp_path: Path) -> None:
    frame = Ether(bytes(_FRAME))
    frame.time = 1_700_000_000.25
    for name, writer in (("a", PcapWriter(str(tmp_path / "a"))), ("b", None)):
        with writer or PcapNgWriter(str(tmp_path / "b")) as opened:
            opened.write(frame)
        (found,) = frames(CaptureStream(str(tmp_path / name)))
        assert (found.at, found.data, found.link) == (1_700_000_000_250_000, _FRAME, 1)


def test_the_interface_that_a_cooked_frame_names(tmp_path: Path) -> None:
    cooked = bytes(CookedLinuxV2(ifindex=3)) + _FRAME[14:]
    data = section() + interface(276, options=[(2, b"any")]) + packet(1, cooked)
    for file in (pcap([(1, cooked), (2, cooked[:19])], link=276), data + packet(2, cooked[:19])):
        first, cut = _frames(file, tmp_path)
        assert first.interface == "3"
        assert cut.interface in ("", "any")


def test_packed_with_gzip(tmp_path: Path) -> None:
    data = pcap([(1, b"x"), (2, b"y")])
    # A file of several members is one.
    packed = gzip.compress(data[:30]) + gzip.compress(data[30:])
    (tmp_path / "f").write_bytes(packed)
    stream = CaptureStream(str(tmp_path / "f"))
    assert len(list(frames(stream))) == 2
    assert (stream.taken, stream.size) == (len(packed), len(packed))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pcap([(1, b"x")]))))
    stream = CaptureStream("-")
    assert len(list(frames(stream))) == 1
    assert stream.size is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\x1f\x8b", "gzip"),
        (b"*filter\n", "neither pcap nor pcapng"),
        (b"\xfd7zXZ\0", "packed in another way"),
        (b"\x28\xb5\x2f\xfd", "packed in another way"),
    ],
)
def test_what_is_no_capture(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        _frames(data, tmp_path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        CaptureStream(str(tmp_path / "f"))
    with pytest.raises(SourceError, match="directory"):
        CaptureStream(str(tmp_path))
    with pytest.raises(SourceError, match="null"):
        CaptureStream("a\0b")


_GOOD = pcap([(1, b"abcd")])
_NG = section() + interface() + packet(1, b"abcd")


@pytest.mark.parametrize(
    ("data", "count", "said"),
    [
        (_GOOD[:10], 0, "at byte 10: the file ends in its header"),
        (_GOOD + b"\1\2", 1, "at byte 44: the file ends in the head of a packet"),
        (_GOOD[:-1], 0, "at byte 24: the file ends in a packet: 3 of 4 bytes are there"),
        (
            _GOOD + struct.pack("<IIII", 0, 0, 0xFFFFFFFF, 1),
            1,
            "at byte 44: a packet of 4294967295 captured bytes: the file is damaged",
        ),
        (
            _GOOD + struct.pack("<IIII", 0, _SECOND, 1, 1) + b"x",
            1,
            "at byte 44: a moment with 1000000 parts of a second: the file is damaged",
        ),
        (_NG[:-1], 0, f"at byte {len(_NG) - 36}: the file ends in a block of 36 bytes"),
        (_NG + b"\6\0\0\0\0", 1, f"at byte {len(_NG)}: the file ends in the head of a block"),
        (
            _NG + struct.pack("<II", 6, 0),
            1,
            f"at byte {len(_NG)}: a block of 0 bytes: no block is as long",
        ),
        (
            _NG + struct.pack("<II", 6, 12) + struct.pack("<I", 12),
            1,
            f"at byte {len(_NG)}: the block of a packet is too short",
        ),
        (
            _NG + struct.pack("<II", 6, 0xFFFFFFFC),
            1,
            f"at byte {len(_NG)}: a block of 4294967292 bytes: the file is damaged",
        ),
        (
            _NG + block(9, b"x" * 8)[:-4] + b"\0\0\0\0",
            1,
            f"at byte {len(_NG)}: a block of 20 bytes at its begin and 0 at its end",
        ),
        (
            _NG + packet(1, b"x", 1),
            1,
            f"at byte {len(_NG)}: a packet of interface 1, which is not described",
        ),
        (
            _NG + block(6, struct.pack("<IIIII", 0, 0, 0, 5, 5) + b"x"),
            1,
            f"at byte {len(_NG)}: a packet of 5 captured bytes goes beyond its block",
        ),
        (
            section() + block(1, struct.pack("<HHIHH", 1, 0, 0, 2, 50) + b"abcd"),
            0,
            "at byte 28: an option of 50 bytes goes beyond its block",
        ),
        (_NG[:8] + b"\0\0\0\0", 0, "at byte 0: a section without its byte order"),
        (
            section() + interface(options=[(14, struct.pack("<q", 1 << 62))]) + packet(1, b"x"),
            0,
            "at byte 60: a moment before 1970 or behind the year 9999: the file is damaged",
        ),
    ],
)
def test_damage_is_named_with_its_place(tmp_path: Path, data: bytes, count: int, said: str) -> None:
    found, message = _failure(data, tmp_path)
    assert (len(found), message) == (count, said)


def test_gzip_that_ends_too_early(tmp_path: Path) -> None:
    packed = gzip.compress(pcap([(1, bytes(range(256)))] * 9))
    _, said = _failure(packed[:-20], tmp_path)
    assert said.endswith("gzip ends too early")


def test_a_bomb_takes_time_but_no_memory(tmp_path: Path) -> None:
    data = section() + interface() + struct.pack("<II", 0x0BAD, 64 << 20) + bytes((64 << 20) - 12)
    (tmp_path / "f").write_bytes(gzip.compress(data + struct.pack("<I", 64 << 20), 1))
    del data
    tracemalloc.start()
    assert list(frames(CaptureStream(str(tmp_path / "f")))) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
