# SPDX-License-Identifier: GPL-2.0-only
"""Files and folders of hosts become rule sets, settings and sets."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from ctlint.parse.errors import ParseError
from ctlint.source.errors import SourceError
from ctlint.source.host_folders import host_files
from ctlint.source.inputs import HostInput, read_inputs
from ctlint.wire.addresses import Family
from tests.corpus import corpus_files
from tests.unit.source.folders import write

_V4 = "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 10.0.0.1 -j ACCEPT\nCOMMIT\n"
_V6 = "*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n"
_LISTING = "Chain INPUT (policy ACCEPT 0 packets, 0 bytes)\n    pkts      bytes target\n"


def _write(folder: Path, files: dict[str, str]) -> str:
    return str(write(folder, files))


def _rules(host: HostInput) -> list[tuple[Family, int]]:
    return [(ruleset.family, ruleset.rule_count) for ruleset in host.rulesets]


def _value(host: HostInput, key: str) -> str | None:
    setting = host.sysctls.get(key)
    return setting and setting.value


def test_files(tmp_path: Path) -> None:
    _write(tmp_path, {"rules.v4": _V4, "rules.v6": _V6, "firewall": _V4})
    paths = [f"{tmp_path}/{name}" for name in ("rules.v4", "rules.v6", "firewall")]
    hosts = read_inputs(paths)
    assert [host.name for host in hosts] == paths
    assert [_rules(host) for host in hosts] == [
        [(Family.IPV4, 1)],
        [(Family.IPV6, 2)],
        [(Family.IPV4, 1)],
    ]


def test_a_name_is_a_hint_that_operands_refute(tmp_path: Path) -> None:
    # A test of firehol has "ipv6-disable" in its name, and rules of IPv4.
    text = "*filter\n-A INPUT -s 10.0.0.1/32 -p icmp -m icmp --icmp-type 8 -j ACCEPT\nCOMMIT\n"
    _write(tmp_path, {"ipv6-disable.conf": text, "bad-ipv6": "*filter\n-A INPUT -x\nCOMMIT\n"})
    (host,) = read_inputs([f"{tmp_path}/ipv6-disable.conf"])
    assert [ruleset.family for ruleset in host.rulesets] == [Family.IPV4]
    with pytest.raises(ParseError):
        read_inputs([f"{tmp_path}/bad-ipv6"])


@pytest.mark.parametrize("name", ["ip6tables-save", "rules-v6.txt", "host.ipv6", "IP6TABLES"])
def test_a_name_tells_the_family(tmp_path: Path, name: str) -> None:
    _write(tmp_path, {name: _V6})
    (host,) = read_inputs([f"{tmp_path}/{name}"])
    assert host.rulesets[0].family is Family.IPV6


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(_V4.encode())))
    (host,) = read_inputs(["-"])
    assert (host.name, host.rulesets[0].file) == ("-", "-")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(_V4.encode())))
    with pytest.raises(SourceError, match="given twice"):
        read_inputs(["-", "-"])


@pytest.mark.parametrize(
    ("v4", "v6", "sysctl", "sets"),
    [
        ("iptables-save", "ip6tables-save", "sysctl", "ipset-save"),
        ("iptables-save.txt", "ip6tables-save.txt", "sysctl-a.txt", "ipset-save.txt"),
        ("iptables.rules", "ip6tables.rules", "sysctl.conf", "ipset"),
        ("rules.v4", "rules.v6", "sysctl.d/10-x.conf", "ipset"),
        ("etc/iptables/rules.v4", "etc/iptables/rules.v6", "etc/sysctl.d/1.conf", "ipset"),
        ("etc/sysconfig/iptables", "etc/sysconfig/ip6tables", "etc/sysctl.conf", "ipset"),
    ],
)
def test_a_folder(tmp_path: Path, v4: str, v6: str, sysctl: str, sets: str) -> None:
    path = _write(
        tmp_path,
        {v4: _V4, v6: _V6, sysctl: "a.b = 1\n", sets: "create s hash:ip\nadd s 10.0.0.1\n"},
    )
    (host,) = read_inputs([path])
    assert host.name == path
    assert _rules(host) == [(Family.IPV4, 1), (Family.IPV6, 2)]
    assert _value(host, "a.b") == "1"
    assert host.sets["s"].contains(0x0A000001, Family.IPV4)


def test_the_running_kernel_stands_before_what_is_loaded_at_boot(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        {
            "iptables-save": _V4,
            "rules.v4": "broken",
            "sysctl-a.txt": "a.b = live\n",
            "etc/sysctl.conf": "a.b = boot\n",
            "ip6tables-save": "",
            "rules.v6": "# nothing\n",
        },
    )
    (host,) = read_inputs([path])
    assert _rules(host) == [(Family.IPV4, 1)]
    assert _value(host, "a.b") == "live"


def test_shared_settings_and_sets_win(tmp_path: Path) -> None:
    host = _write(
        tmp_path / "h",
        {
            "rules.v4": _V4,
            "sysctl": "a.b = 1\na.c = 1\n",
            "ipset": "create s hash:ip\nadd s 10.0.0.1\ncreate t hash:ip\n",
        },
    )
    _write(tmp_path, {"x": "a.b = 2\n", "y": "a.b = 3\n", "z": "create s hash:ip\n"})
    (found,) = read_inputs([host], [f"{tmp_path}/x", f"{tmp_path}/y"], [f"{tmp_path}/z"])
    assert (_value(found, "a.b"), _value(found, "a.c")) == ("3", "1")
    assert set(found.sets) == {"s", "t"}
    assert not found.sets["s"].contains(0x0A000001, Family.IPV4)


def test_a_set_that_rules_change_is_not_known(tmp_path: Path) -> None:
    rules = _V4.replace("-j ACCEPT", "-j SET --add-set s src")
    path = _write(tmp_path, {"iptables-save": rules, "ipset": "create s hash:ip\n"})
    assert read_inputs([path])[0].sets == {}


def test_sosreport(tmp_path: Path) -> None:
    """An unpacked report: listings beside a dump, known by content; sysctl -a of the kernel plugin.

    Source: sos 4, plugins firewall_tables and kernel.
    """
    path = _write(
        tmp_path,
        {
            "sos_commands/firewall_tables/iptables_-vnxL": _LISTING,
            "sos_commands/firewall_tables/iptables_-t_filter_-nvL": _LISTING,
            "sos_commands/firewall_tables/iptables-save": "# Generated by x\n" + _V4,
            "sos_commands/firewall_tables/nft_list_ruleset": "table ip filter {\n}\n",
            "sos_commands/kernel/sysctl_-a": "a.b = 1\n",
            "etc/sysconfig/iptables": "boot: not read",
            "etc/sysconfig/ip6tables": _V6,
        },
    )
    (host,) = read_inputs([path])
    assert _rules(host) == [(Family.IPV4, 1), (Family.IPV6, 2)]
    assert _value(host, "a.b") == "1"


def test_sosreport_with_listings_only(tmp_path: Path) -> None:
    path = _write(tmp_path, {"sos_commands/firewall_tables/iptables_-vnxL": _LISTING})
    with pytest.raises(SourceError, match=r"only listings of `iptables -L` \(iptables_-vnxL\)"):
        read_inputs([path])


@pytest.mark.parametrize("files", [{}, {"iptables-save": ""}, {"sysctl": "a.b = 1\n"}])
def test_a_folder_without_rules(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(SourceError, match="no rules in this folder"):
        read_inputs([_write(tmp_path, files)])


@pytest.mark.parametrize("name", ["iptables-save", "sysctl", "ipset", "sysctl.d"])
def test_links_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text(_V4)
    path = _write(tmp_path / "h", {"rules.v4": _V4, name: "-> ../secret"})
    with pytest.raises(SourceError, match="a link that leads out of the folder"):
        read_inputs([path])


def test_links_inside_the_folder(tmp_path: Path) -> None:
    path = _write(tmp_path, {"data/4": _V4, "iptables-save": "-> data/4"})
    assert _rules(read_inputs([path])[0]) == [(Family.IPV4, 1)]


def test_all_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    _write(tmp_path, {"empty": "", "bad": "*filter\n-A\nCOMMIT\n"})
    paths = [f"{tmp_path}/{name}" for name in ("absent", "empty", "bad")]
    with pytest.raises(SourceError) as caught:
        read_inputs(paths, [f"{tmp_path}/none"], [f"{tmp_path}/no-set"])
    for name in ("absent", "empty", "none", "no-set"):
        assert f"{tmp_path}/{name}: " in caught.value.message
    assert "bad" not in caught.value.message


def test_all_problems_of_all_files(tmp_path: Path) -> None:
    _write(
        tmp_path,
        {
            "one": "*filter\n-A INPUT --nonsense\nCOMMIT\n",
            "two": "*filter\n-A INPUT -p nonsense -j ACCEPT\nCOMMIT\n",
            "sysctl": "nonsense\n",
            "sets": "nonsense\n",
        },
    )
    with pytest.raises(ParseError) as caught:
        read_inputs(
            [f"{tmp_path}/one", f"{tmp_path}/two"], [f"{tmp_path}/sysctl"], [f"{tmp_path}/sets"]
        )
    found = {(Path(problem.span.file).name, problem.span.line) for problem in caught.value.problems}
    assert found == {("one", 2), ("two", 2), ("sysctl", 1), ("sets", 1)}
    assert len(caught.value.problems) == 4


@pytest.mark.corpus
@pytest.mark.parametrize("path", corpus_files("generated/*"), ids=lambda path: path.name)
def test_corpus(path: Path) -> None:
    """Each folder: as many rules as the dumps have `-A` lines, and all their settings."""
    dumps = [path / "iptables-save.txt", path / "ip6tables-save.txt"]
    if not any(dump.is_file() for dump in dumps):
        with pytest.raises(SourceError, match="no rules in this folder"):
            read_inputs([str(path)])
        return
    (host,) = read_inputs([str(path)])
    counts = {}
    for family, dump in zip((Family.IPV4, Family.IPV6), dumps, strict=True):
        if dump.is_file() and (text := dump.read_text()).strip():
            counts[family] = sum(line.startswith("-A ") for line in text.splitlines())
    assert dict(_rules(host)) == counts
    assert _value(host, "net.netfilter.nf_conntrack_tcp_timeout_established") is not None


def test_texts_that_are_known_win_over_files(tmp_path: Path) -> None:
    files = {
        "iptables-save": _V4,
        "etc/sysctl.conf": "net.ipv4.tcp_retries1 = 3\n",
        "etc/sysctl.d/x.conf": "net.ipv4.tcp_retries2 = 15\n",
        "ipset-save": "create a hash:ip\n",
        "sos_commands/networking/ip6tables-save": _V6,
    }
    host = _write(tmp_path / "host", files)
    other = _write(tmp_path, {"more": "net.ipv4.tcp_retries1 = 4\n"})
    known = {
        f"{host}/iptables-save": _V6,
        f"{host}/etc/sysctl.d/x.conf": "net.ipv4.tcp_retries2 = 8\n",
        f"{host}/ipset-save": "create b hash:ip\n",
        f"{host}/sos_commands/networking/ip6tables-save": _V4.replace("10.0.0.1", "fe80::1"),
        f"{other}/more": "net.ipv4.tcp_retries1 = 5\n",
    }
    (found,) = read_inputs([host], [f"{other}/more"], known=known)
    assert _rules(found) == [(Family.IPV4, 2), (Family.IPV6, 1)]
    assert _value(found, "net.ipv4.tcp_retries1") == "5"
    assert _value(found, "net.ipv4.tcp_retries2") == "8"
    assert list(found.sets) == ["b"]

    assert found.texts[f"{host}/iptables-save"] == _V6


def test_the_files_of_a_host(tmp_path: Path) -> None:
    files = {
        "iptables-save": _V4,
        "rules.v4": _V4,
        "rules.v6": _V6,
        "ipset-save": "create a hash:ip\n",
        "etc/sysctl.conf": "",
        "etc/sysctl.d/x.conf": "",
        "etc/sysctl.d/README": "",
    }
    host = _write(tmp_path, files)
    wanted = {name for name in files if name not in ("rules.v4", "etc/sysctl.d/README")}
    assert set(host_files(host)) == {f"{host}/{name}" for name in wanted}
    with pytest.raises(SourceError, match="no rules in this folder"):
        host_files(f"{host}/etc")
