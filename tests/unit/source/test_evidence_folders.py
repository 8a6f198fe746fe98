# SPDX-License-Identifier: GPL-2.0-only
"""Evidence from folders: names of files, what is missing, what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.parse.errors import ParseError
from ctlint.source.errors import SourceError
from ctlint.source.evidence_folders import read_evidence
from ctlint.wire.addresses import Family
from tests.unit.source.folders import write

_SS = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
_ONE = "ESTAB 0 0 10.0.0.5:1 10.0.0.9:2\n"
_ENTRY = (
    "tcp      6 9 CLOSE src=10.0.0.5 dst=10.0.0.9 sport=1 dport=2 src=10.0.0.9 dst=10.0.0.5 "
    "sport=2 dport=1 use=1\n"
)
_ENTRY_6 = _ENTRY.replace("10.0.0.", "fd00::")
_RULES = "*filter\n[{0}:9] -A INPUT -j ACCEPT\nCOMMIT\n"


def test_what_collect_writes(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "manifest": "ctlint-evidence 1\nconntrack.later: cat /proc/net/nf_conntrack\n"
            "dmesg: missing: dmesg: Operation not permitted\n",
            "uname": "6.1.0-28-amd64\n",
            "date": "2026-11-30T02:51:30Z\n",
            "date.later": "2026-11-30T02:51:35Z\n",
            "ss": _SS,
            "ss.later": _SS + _ONE,
            "conntrack": _ENTRY + _ENTRY,
            "conntrack.later": _ENTRY,
            "nstat": "#kernel\nTcpExtListenOverflows 1 0.0\n",
            "nstat.later": "#kernel\nTcpExtListenOverflows 4 0.0\n",
            "iptables-save": _RULES.format(1),
            "iptables-save.later": _RULES.format(3),
            "ip6tables-save": "",
            "ip6tables-save.later": "",
            "sysctl": "net.ipv4.tcp_orphan_retries = 3\n",
            "ipset-save": "",
        },
    )
    found = read_evidence(str(tmp_path))
    assert found.release == "6.1.0-28-amd64"
    assert (found.date, found.interval) == ("2026-11-30T02:51:35Z", 5)
    assert found.sockets is not None
    assert found.earlier is not None
    assert [len(found.sockets.sockets), len(found.earlier.sockets)] == [1, 0]
    assert found.entries is not None
    assert found.earlier_entries is not None
    assert [len(found.entries.entries), len(found.earlier_entries.entries)] == [1, 2]
    assert found.knows_entries(Family.IPV6)
    assert found.risen("TcpExtListenOverflows") == 3
    assert [one.rule_count for one in found.rulesets] == [1, 0]
    assert [one.family for one in found.later_rulesets] == [Family.IPV4, Family.IPV6]
    assert ("kernel log", "no logged packet was looked for: dmesg: Operation not permitted") in (
        found.missing
    )


def test_one_snapshot_by_hand(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"ss-tan.txt": _SS + _ONE, "conntrack-L.txt": _ENTRY, "rules.v4": _RULES.format(1)},
    )
    found = read_evidence(str(tmp_path), 7)
    assert found.sockets is not None
    assert found.earlier is None
    assert (found.release, found.date, found.interval) == (None, None, 7)
    assert not found.knows_entries(Family.IPV6)
    assert not found.later_rulesets


@pytest.mark.parametrize(
    "files",
    [
        {"conntrack": _ENTRY, "conntrack6": ""},
        {"conntrack": _ENTRY + _ENTRY_6},
        {"nf_conntrack": _ENTRY},
    ],
)
def test_entries_of_ipv6(tmp_path: Path, files: dict[str, str]) -> None:
    assert read_evidence(str(write(tmp_path, files))).knows_entries(Family.IPV6)


def test_dates(tmp_path: Path) -> None:
    for first, second, seconds in (
        ("Mon Nov 30 02:12:13 UTC 2026", "Mon Nov 30 02:12:18 UTC 2026", 5),
        ("1796000000", "@1796000009", 9),
        ("Mo 30. Nov 02:12:13 CET 2026", "Mo 30. Nov 02:12:18 CET 2026", None),
        ("2026-11-30T02:51:30Z", "2026-11-30T02:51:20Z", None),
    ):
        write(tmp_path, {"ss": _SS, "date": first, "date.later": second})
        assert read_evidence(str(tmp_path)).interval == seconds


def test_release_of_uname_a(tmp_path: Path) -> None:
    line = "Linux gw 5.10.0-28-amd64 #1 SMP x86_64 GNU/Linux\n"
    write(tmp_path, {"ss": _SS, "sos_commands/kernel/uname_-a": line})
    assert read_evidence(str(tmp_path)).release == "5.10.0-28-amd64"


def test_problems_of_all_files_are_told_together(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "ss": "hello\n",
            "conntrack": "hello\n",
            "nstat": "hello\n",
            "iptables-save": "*filter\n-A INPUT --nosuch\nCOMMIT\n",
            "date": "x" * 300,
        },
    )
    with pytest.raises(ParseError) as caught:
        read_evidence(str(tmp_path))
    files = {Path(problem.span.file).name for problem in caught.value.problems}
    assert files == {"ss", "conntrack", "nstat", "iptables-save", "date"}


def test_what_is_no_evidence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no evidence"):
        read_evidence(str(tmp_path))
    with pytest.raises(SourceError, match="no folder"):
        read_evidence(str(tmp_path / "nosuch"))
    (tmp_path / "ss").write_bytes(b"\x1f\x8bxx")
    with pytest.raises(SourceError, match="gzip"):
        read_evidence(str(tmp_path))


def test_link_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, {"out": _SS, "evidence/ss": "-> ../out"})
    with pytest.raises(SourceError, match="leads out"):
        read_evidence(str(tmp_path / "evidence"))
