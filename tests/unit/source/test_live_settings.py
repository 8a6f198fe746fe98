# SPDX-License-Identifier: GPL-2.0-only
"""Settings are read from files as sysctl(8) names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.parse.sysctl import parse_sysctl
from ctlint.source import live_settings as module
from ctlint.source.live_settings import live_setting, live_settings
from tests.unit.source.folders import write


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    folder = write(
        tmp_path,
        {
            "kernel/osrelease": "6.18.44\n",
            "net/netfilter/nf_conntrack_max": "262144\n",
            "net/ipv4/conf/eth0.7/forwarding": "1\n",
            "net/ipv4/tcp_rmem": "4096\t131072\t6291456\n",
            "net/ipv4/neigh/eth0/delay_first_probe_time": "5\n",
            "net/ipv4/ip_local_reserved_ports": "\n",
            "net/unix/max_dgram_qlen": "512\n",
        },
    )
    (folder / "net" / "core").mkdir()
    (folder / "net" / "core" / "bytes").write_bytes(b"\xff\n")
    return folder


def test_they_are_named_as_sysctl_names_them(root: Path) -> None:
    text = live_settings()
    assert sorted(text.splitlines()) == [
        "kernel.osrelease = 6.18.44",
        "net.core.bytes = \udcff",
        "net.ipv4.conf.eth0/7.forwarding = 1",
        "net.ipv4.ip_local_reserved_ports = ",
        "net.ipv4.tcp_rmem = 4096\t131072\t6291456",
        "net.netfilter.nf_conntrack_max = 262144",
    ]
    keys = {entry.key for entry in parse_sysctl(text, "/proc/sys").entries}
    assert "net.ipv4.conf.eth0/7.forwarding" in keys


def test_numbers(root: Path) -> None:
    assert live_setting("net.netfilter.nf_conntrack_max") == 262144
    assert live_setting("net.ipv4.tcp_rmem") is None
    assert live_setting("net.netfilter.nf_conntrack_count") is None


def test_there_is_an_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_FILES", 2)
    assert len(live_settings().splitlines()) == 3
