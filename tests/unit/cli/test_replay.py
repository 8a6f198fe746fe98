# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint replay`` as a user runs it, on a capture that the lab made (examples/captures)."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.captures import ethernet, interface, packet, pcap, section
from tests.corpus import REPOSITORY
from tests.unit.cli.running import ctlint

_FOLDER = REPOSITORY / "examples" / "captures"
_CAPTURE = _FOLDER / "idle.pcapng"
_OTHER_RULES = REPOSITORY / "examples" / "explain" / "router.v4"
_FIREWALL = ("--rules", _FOLDER / "router.v4", "--sysctl", _FOLDER / "sysctl.conf")
_ALL = ("replay", _CAPTURE, *_FIREWALL, "--kernel", "6.18")


def _json(*arguments: str | Path) -> list[dict[str, Any]]:
    done = ctlint([*arguments, "--format", "json"])
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_text() -> None:
    done = ctlint(_ALL)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "packets      87 of 87 frames" in lines
    assert "connections  11" in lines
    assert "ctstate      NEW 24, ESTABLISHED 51, RELATED 1, INVALID 11" in lines
    assert "verdict      passed 64, dropped 23" in lines
    assert "expired      7 times an entry ran out before a packet of its connection" in lines
    assert sum(line.startswith("10.1.0.2:") for line in lines) == 7


def test_without_rules_there_is_no_verdict() -> None:
    done = ctlint(["replay", _CAPTURE, "--kernel", "6.18"])
    assert done.returncode == 0
    assert "no rules" in done.stdout
    assert "verdict" not in done.stdout
    assert "No connection with trouble." in done.stdout


@pytest.mark.parametrize(
    ("only", "count"),
    [("all", 11), ("trouble", 7), ("invalid", 3), ("dropped", 6), ("expired", 7), ("undecided", 0)],
)
def test_only(only: str, count: int) -> None:
    *connections, summary = _json(*_ALL, "--only", only)
    assert len(connections) == count
    assert summary["kind"] == "summary"
    assert summary["connections"] == 11
    if only != "all":
        done = ctlint([*_ALL, "--only", only])
        shown = [line for line in done.stdout.splitlines() if line.startswith("10.1.0.2:")]
        assert len(shown) == count
        if not count:
            assert "No connection with undecided packets." in done.stdout


def test_limit() -> None:
    done = ctlint([*_ALL, "--limit", "2"])
    assert sum(line.startswith("10.1.0.2:") for line in done.stdout.splitlines()) == 2
    assert "5 more are not shown" in done.stdout


def test_packets() -> None:
    *packets, summary = _json(*_ALL, "--packets", "--only", "all")
    assert [line["kind"] for line in packets] == ["packet"] * 87
    states = [line["ctstate"] for line in packets]
    assert {state: states.count(state) for state in set(states)} == summary["ctstates"]
    expired = [line for line in packets if "expired" in line]
    assert len(expired) == summary["expired"] == 7
    assert all(line["at"] - line["expired"]["at"] > 3_000_000 for line in expired)
    dropped = [line for line in packets if line["verdict"] == "dropped"]
    assert {line["cause"] for line in dropped} == {"filter/FORWARD#1", "filter/FORWARD policy"}
    *some, _ = _json(*_ALL, "--packets", "--only", "invalid")
    assert {line["ctstate"] for line in some} == {"INVALID"}


def test_one_connection() -> None:
    ends = "10.2.0.2-10.1.0.2:55764"
    *connections, _ = _json(*_ALL, "--connection", ends)
    assert [(one["sport"], sum(one["packets"])) for one in connections] == [(55764, 12)]
    done = ctlint([*_ALL, "--connection", ends, "--ladder"])
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert "10.1.0.2:55764 > 10.2.0.2:8080, routed from eth0 to eth1" in lines
    assert sum("INVALID     no entry" in line for line in lines) == 5
    assert "No entries are left." in lines


def test_the_ladder_of_a_connection_that_is_not_there() -> None:
    done = ctlint([*_ALL, "--connection", "10.9.9.9-10.8.8.8", "--ladder"])
    assert done.returncode == 2
    assert "no packet of this connection" in done.stderr


def test_check() -> None:
    assert ctlint([*_ALL, "--check"]).returncode == 1
    # Under the kernel's own timeouts nothing runs out.
    rules = ("--rules", _FOLDER / "router.v4")
    assert ctlint(["replay", _CAPTURE, *rules, "--check"]).returncode == 0


def test_gzip_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(gzip.compress(_CAPTURE.read_bytes()))
    packed = ctlint(["replay", tmp_path / "f", *_FIREWALL])
    plain = ctlint(["replay", _CAPTURE, *_FIREWALL])
    assert packed.stdout.splitlines()[1:] == plain.stdout.splitlines()[1:]
    done = subprocess.run(
        [sys.executable, "-m", "ctlint", "replay", "-", *map(str, _FIREWALL)],
        input=_CAPTURE.read_bytes(),
        capture_output=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0
    assert b"packets      87 of 87 frames" in done.stdout


def test_damage_ends_it_and_what_was_before_counts(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(_CAPTURE.read_bytes()[:-1])
    done = ctlint(["replay", tmp_path / "f", *_FIREWALL])
    assert done.returncode == 2
    assert "packets      86 of 86 frames" in done.stdout
    assert "ends in a block" in done.stderr
    *_, summary = (
        json.loads(line)
        for line in ctlint(["replay", tmp_path / "f", "--format", "json"]).stdout.splitlines()
    )
    assert summary["packets"] == 86
    assert "ends in a block" in summary["error"]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    arp = ethernet(b"\x45")[:12] + b"\x08\x06" + bytes(28)
    (tmp_path / "f").write_bytes(pcap([(1, arp)]))
    done = ctlint(["replay", tmp_path / "f"])
    assert done.returncode == 0
    assert "packets      0 of 1 frames" in done.stdout
    assert "left out     1 not IP (ARP, LLDP, PPPoE …)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/nosuch"], "No such file"),
        ([_FOLDER / "router.v4"], "neither pcap nor pcapng"),
        ([_CAPTURE, "--rules", "/nosuch"], "No such file"),
        ([_CAPTURE, "--rules", _CAPTURE], "binary data"),
        ([_CAPTURE, "--rules", "a", "--packets"], "--packets needs --format json"),
        ([_CAPTURE, "--ladder"], "--ladder shows --connection"),
        ([_CAPTURE, "--connection", "x"], "is not ADDRESS:PORT-ADDRESS:PORT"),
        ([_CAPTURE, "--connection", "1.1.1.1:70000-1.1.1.2"], "is not ADDRESS:PORT"),
        ([_CAPTURE, "--connection", "1.1.1.1-::1"], "is not ADDRESS:PORT"),
        ([_CAPTURE, "--local", "x"], "is not ADDRESS[/LENGTH][@INTERFACE]"),
        ([_CAPTURE, "--local", "1.1.1.1@"], "names no interface"),
        ([_CAPTURE, "--interface", "eth0"], "is not NUMBER=NAME"),
        (["-", "--rules", "-"], "given twice"),
        ([_CAPTURE, *_FIREWALL, "--rules", _OTHER_RULES], "a second rule set of IPv4"),
    ],
)
def test_what_cannot_be_used(arguments: list[str | Path], said: str) -> None:
    done = ctlint(["replay", *arguments])
    assert done.returncode == 2
    assert said in done.stderr
    assert "fault" not in done.stderr


def test_rules_that_need_an_address_of_the_box(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text(
        "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        ":POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n"
    )
    arguments: list[str | Path] = ["replay", _CAPTURE, "--rules", tmp_path / "rules"]
    done = ctlint(arguments)
    assert done.returncode == 2
    assert "--local ADDRESS@INTERFACE" in done.stderr
    done = ctlint([*arguments, "--local", "10.2.0.1/24@eth1", "--in", "eth0", "--only", "all"])
    assert done.returncode == 0
    assert "answered as 10.2.0.2:8080 > 10.2.0.1:55760" in done.stdout


def test_names_of_a_capture_are_escaped(tmp_path: Path) -> None:
    name = b"\x1b[31m\n"
    udp = bytes.fromhex("4500001c00000000401100000a0100020a020002 00050035 0008 0000")
    data = section() + interface(options=[(2, name)]) + packet(1, ethernet(udp))
    (tmp_path / "f").write_bytes(data)
    done = ctlint(["replay", tmp_path / "f", "--connection", "10.1.0.2-10.2.0.2", "--ladder"])
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
