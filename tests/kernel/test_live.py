# SPDX-License-Identifier: GPL-2.0-only
"""``--live`` and ``--netns``: what is read is what the real tools save, and nothing is changed."""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ctlint.ir.rule import UnknownMatch, UnknownTarget
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_ruleset
from ctlint.source import live_rules
from ctlint.source.iptables_library import READER, library_dump, why_no_library
from ctlint.source.programs import printed, program
from ctlint.wire.addresses import Family
from tests.corpus import REPOSITORY
from tests.netns import PrivateNetns
from tests.unit.cli.running import Done, ctlint

pytestmark = pytest.mark.netns

RULES = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.7:80
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:web - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m set --match-set friends src -j ACCEPT
-A INPUT ! -i eth+ -s 10.0.0.0/8 ! -d 192.0.2.1/32 -p tcp -m tcp --dport 22 -j web
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment "the \\"usual\\"" -j ACCEPT
-A INPUT -m state --state INVALID -j DROP
-A INPUT -p tcp -m multiport --dports 80,443 -g web
-A INPUT -p gre -m mark --mark 0x1/0xf -m limit --limit 3/min -j LOG --log-prefix "a b"
-A web -s 10.0.0.1/255.0.255.0 -p tcp -j REJECT --reject-with tcp-reset
-A web -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT
COMMIT
"""
RULES6 = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT ! -s fd00::/64 -p tcp -m conntrack --ctstate INVALID -j DROP
-A OUTPUT -d fe80::/10 -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT
COMMIT
"""
SETS = "create friends hash:ip family inet\nadd friends 192.0.2.7\n"
BACKENDS = [("legacy",), ("nft",), ("legacy", "nft")]
TABLE_NAMES = ("/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names")


def load(netns: PrivateNetns, *backends: str) -> None:
    netns.run(["ipset", "restore"], input=SETS)
    netns.run(["sysctl", "-w", "net.netfilter.nf_conntrack_tcp_timeout_established=300"])
    for backend in backends:
        netns.run([f"iptables-{backend}-restore"], input=RULES)
        netns.run([f"ip6tables-{backend}-restore"], input=RULES6)


def lint(*arguments: str | Path, code: int = 1, command: str = "lint") -> Done:
    done = ctlint([command, *arguments], PATH="/usr/bin:/bin")
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    return done


def findings(done: Done, *roots: str) -> list[dict[str, Any]]:
    """What is said, with the bare names of files."""
    text = done.stdout
    for root in roots:
        text = text.replace(root, "")
    found = json.loads(text)["findings"]
    assert isinstance(found, list)
    return found


def told(found: list[dict[str, Any]]) -> list[str]:
    """Findings in an order that hangs on no name of a file or host. Of settings /proc/sys has fewer
    than sysctl(8) prints, so their lines are others.
    """
    for one in found:
        del one["host"], one["cause"]
        if one["location"]["file"] in ("/proc/sys", "sysctl"):
            one["location"]["line"] = one["location"]["file"] = None
            one["fingerprint"] = one["fix"] = None
    return sorted(json.dumps(one, sort_keys=True) for one in found)


def state(netns: PrivateNetns) -> list[str]:
    """What there is in the namespace that a reader could change."""
    commands = [
        ["nft", "list", "ruleset"],
        ["ipset", "save"],
        ["cat", *TABLE_NAMES],
        ["sysctl", "-a", "--pattern", r"^net\.(netfilter|ipv4|ipv6|core)"],
        ["ip", "address"],
    ]
    return [netns.run(words, check=False).stdout for words in commands]


@pytest.mark.parametrize("backends", BACKENDS, ids="+".join)
def test_a_live_host_is_linted_as_its_saved_files(
    netns: PrivateNetns, tmp_path: Path, backends: tuple[str, ...]
) -> None:
    load(netns, *backends)
    for name in ("iptables", "ip6tables"):
        for backend in backends:
            program = f"{name}-{backend}-save"
            (tmp_path / program).write_text(netns.run([program]).stdout)
    (tmp_path / "ipset-save").write_text(netns.run(["ipset", "save"]).stdout)
    (tmp_path / "sysctl").write_text(netns.run(["sysctl", "-a"], check=False).stdout)
    before = state(netns)
    live = lint("--netns", netns.name, "--format", "json")
    assert state(netns) == before
    kernel = json.loads(live.stdout)["kernel"]
    saved = lint(tmp_path, "--format", "json", "--kernel", kernel)
    of_live, of_saved = findings(live, f"{netns.name}:"), findings(saved, f"{tmp_path}/")
    assert {"CT102", "CT202"} <= {one["rule"] for one in of_live}
    assert any(one["rule"] == "CT415" for one in of_live) == (len(backends) > 1)
    assert told(of_live) == told(of_saved)
    counts = "; ".join(f"iptables-{backend}-save 11 rules" for backend in backends)
    assert f"{netns.name}: kernel " in live.stderr
    assert counts in live.stderr
    assert "conntrack in use" in live.stderr


def test_reading_registers_nothing(netns: PrivateNetns) -> None:
    """A namespace without a table has none afterwards."""
    before = state(netns)
    done = lint("--netns", netns.name, code=2)
    assert done.stderr.splitlines()[-1] == (
        f"the network namespace {netns.name}: no table of iptables is loaded: nothing to check"
    )
    assert state(netns) == before
    # Of legacy only the tables that are there are asked for.
    netns.run(["iptables-legacy", "-t", "raw", "-A", "OUTPUT", "-j", "NOTRACK"])
    before = state(netns)
    lint("--netns", netns.name, code=0)
    assert state(netns) == before
    names = netns.run(["cat", *TABLE_NAMES]).stdout
    assert names == "raw\n"


def test_settings_are_those_of_the_namespace(netns: PrivateNetns) -> None:
    netns.run(["iptables-nft", "-A", "INPUT", "-m", "state", "--state", "INVALID", "-j", "DROP"])
    netns.run(["sysctl", "-w", "net.netfilter.nf_conntrack_tcp_timeout_established=77"])
    done = lint("--netns", netns.name, "--select", "CT202", "--format", "json")
    (found,) = findings(done)
    assert found["location"]["file"] == f"{netns.name}:/proc/sys"
    assert found["location"]["text"] == "net.netfilter.nf_conntrack_tcp_timeout_established = 77"


def test_a_process_names_its_namespace(netns: PrivateNetns) -> None:
    netns.run(["iptables-nft", "-A", "INPUT", "-m", "state", "--state", "INVALID", "-j", "DROP"])
    with netns.inside():
        process = subprocess.Popen(["sleep", "60"])
    try:
        done = lint("--netns", str(process.pid), "--format", "json", code=0)
        by_file = lint("--netns", f"/proc/{process.pid}/ns/net", code=0)
    finally:
        process.kill()
        process.wait()
    assert {one["location"]["file"] for one in findings(done)} == {
        f"{process.pid}:iptables-nft-save"
    }
    assert "iptables-nft-save" in by_file.stdout


@pytest.mark.parametrize("backends", [("legacy", "nft"), ("nft", "legacy")])
def test_a_packet_must_pass_both_backends(netns: PrivateNetns, backends: tuple[str, str]) -> None:
    """What CT415 says, whichever was loaded first."""

    def answers() -> bool:
        with netns.inside(), socket.socket() as client:
            client.settimeout(0.3)
            # Nobody listens: whoever gets the SYN says so.
            return client.connect_ex(("127.0.0.1", 9)) == errno.ECONNREFUSED

    accepting, dropping = backends
    netns.run([f"iptables-{accepting}", "-A", "INPUT", "-p", "tcp", "-j", "ACCEPT"])
    assert answers()
    netns.run([f"iptables-{dropping}", "-A", "INPUT", "-p", "tcp", "-j", "DROP"])
    assert not answers()


def test_explain_follows_the_packet_through_both_backends(netns: PrivateNetns) -> None:
    netns.run(["iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "DROP"])
    netns.run(["iptables-nft", "-A", "INPUT", "-p", "tcp", "--dport", "23", "-j", "DROP"])
    packet = "10.0.0.9:4000 > 10.0.0.5:23 S"
    asked = [packet, "--role", "server", "--netns", netns.name]
    done = lint(*asked, "--check", command="explain")
    first, other, second = done.stdout.partition("And by the other backend")
    assert other
    assert "Result    delivered" in first
    assert "dropped by filter/INPUT#1 (" in second
    legacy = lint(*asked, "--backend", "legacy", "--check", command="explain", code=0)
    assert "Result    delivered" in legacy.stdout
    refused = lint(*asked, "--format", "json", command="explain", code=2)
    assert "--backend" in refused.stderr
    # One that lets everything pass has nothing to say.
    netns.run(["iptables-legacy", "-F"])
    alone = lint(*asked, "--format", "json", command="explain", code=0)
    assert json.loads(alone.stdout)["result"]["delivered"] is False


def test_whatif_is_asked_of_a_live_host(netns: PrivateNetns) -> None:
    load(netns, "nft")
    done = lint("--netns", netns.name, "--idle", "15m", "--check", command="whatif")
    assert "nf_conntrack_tcp_timeout_established = 300" in done.stdout
    assert "100% stranded" in done.stdout


def test_diagnose_collects_in_the_namespace(netns: PrivateNetns) -> None:
    netns.run(["iptables-nft", "-A", "INPUT", "-p", "udp", "-j", "DROP"])
    with netns.inside():
        server = socket.create_server(("127.0.0.1", 8_000))
        client = socket.create_connection(server.getsockname())
    with server, client:
        words = ["--netns", netns.name, "--interval", "0", "--format", "json"]
        said = json.loads(lint(*words, command="diagnose", code=0).stdout)
    assert said["name"] == f"network namespace {netns.name}"
    looked_at = {one["what"]: one["found"] for one in said["looked_at"]}
    assert looked_at["rules of IPv4"] == "1"
    assert int(looked_at["sockets"]) > 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ctlint-absent", "no such network namespace"),
        ("99999999", "no such network namespace"),
        ("/etc/passwd", "this is no network namespace"),
        ("..", "no name of a network namespace"),
    ],
)
def test_no_such_namespace(name: str, said: str) -> None:
    done = lint("--netns", name, code=2)
    assert said in done.stderr
    assert name in done.stderr


def test_what_is_wrong_with_one_namespace_is_told_and_the_others_are_checked(
    netns: PrivateNetns,
) -> None:
    netns.run(["iptables-nft", "-A", "INPUT", "-m", "state", "--state", "INVALID", "-j", "DROP"])
    done = lint("--netns", "ctlint-absent", "--netns", netns.name, "--format", "json", code=2)
    assert "--netns ctlint-absent: no such network namespace" in done.stderr
    said = json.loads(done.stdout)
    assert [one["host"] for one in said["skipped"]] == ["ctlint-absent"]
    assert {one["host"] for one in said["findings"]} == {netns.name}


def test_tables_that_are_not_read_are_named(netns: PrivateNetns) -> None:
    netns.run(["iptables-nft", "-A", "INPUT", "-m", "state", "--state", "INVALID", "-j", "DROP"])
    netns.run(["nft", "add", "table", "inet", "firewalld"])
    netns.run(["nft", "add", "table", "ip", "filter"])
    done = lint("--netns", netns.name, "--format", "json", code=0)
    said = [one["why"] for one in json.loads(done.stdout)["undecided"]]
    assert any("the table inet firewalld of nft" in each for each in said)
    assert not any("table ip filter" in each for each in said)


# Without root


def test_without_root_it_says_what_it_lacks() -> None:
    """As nobody, who may read the settings, and no rules."""
    places = [str(REPOSITORY), *(path for path in sys.path if "site-packages" in path)]
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "ctlint", "lint", "--live"],
        capture_output=True,
        text=True,
        user=65534,
        group=65534,
        extra_groups=[],
        cwd="/",
        env={"PYTHONPATH": ":".join(places), "PATH": "/usr/bin:/bin"},
        check=False,
    )
    if "No module named" in done.stderr or "Permission denied: '" in done.stderr:
        pytest.skip("nobody cannot read the modules of Python here")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no rules could be read: " in done.stderr
    assert "needs root" in done.stderr
    assert "hint: rules are read as root: run it with sudo" in done.stderr


# python-iptables


@pytest.mark.parametrize(("family", "rules"), [(Family.IPV4, RULES), (Family.IPV6, RULES6)])
def test_python_iptables_reads_the_same(netns: PrivateNetns, family: Family, rules: str) -> None:
    reason = why_no_library()
    if reason is not None:
        pytest.skip(reason)
    load(netns, "legacy")
    name = "iptables" if family is Family.IPV4 else "ip6tables"
    (saved,) = parse_rulesets(netns.run([f"{name}-legacy-save"]).stdout, "rules", family)
    before = state(netns)
    with netns.inside():
        names = Path(TABLE_NAMES[family is Family.IPV6]).read_text().split()
        text = library_dump(family, names)
    assert state(netns) == before
    (read,) = parse_rulesets(text, "rules", family)
    assert print_ruleset(read) == print_ruleset(saved)
    assert read.rule_count == saved.rule_count > 1


def test_it_reads_where_the_programs_are_missing(
    netns: PrivateNetns, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(netns, "legacy", "nft")
    monkeypatch.setattr(
        live_rules, "program", lambda *names: None if "save" in names[0] else program(*names)
    )
    with netns.inside():
        found = live_rules.live_rules()
    assert [(dump.program, dump.family) for dump in found.dumps] == [
        ("iptables-python-iptables", Family.IPV4),
        ("ip6tables-python-iptables", Family.IPV6),
    ]
    # It is blind to nft, and that is said.
    assert found.missing == (
        "the nft tables of iptables: no iptables-nft-save here",
        "the nft tables of ip6tables: no ip6tables-nft-save here",
    )
    monkeypatch.setattr(live_rules, "why_no_library", lambda: "no python-iptables: install it")
    with netns.inside():
        found = live_rules.live_rules()
    assert found.dumps == ()
    assert "no iptables-legacy-save here, and no python-iptables" in found.missing[0]


def test_what_the_library_cannot_show_is_undecided(netns: PrivateNetns, tmp_path: Path) -> None:
    """Here it finds no extension of libxtables."""
    load(netns, "legacy")
    words = [sys.executable, "-P", "-c", READER, "4", "filter", "nat"]
    environment = {"PYTHONPATH": str(REPOSITORY), "XTABLES_LIBDIR": str(tmp_path)}
    with netns.inside():
        text = printed(words, environment=environment).text
    (read,) = parse_rulesets(text, "rules")
    assert read.rule_count == 11
    of_input = [rule for _, chain, _, rule in read.rules() if chain.name == "INPUT"]
    names = [[match.name for match in rule.matches] for rule in of_input]
    assert names[:3] == [["ip"], ["unread-set"], ["ip", "unread-tcp"]]
    (dnat,) = (rule for _, chain, _, rule in read.rules() if chain.name == "PREROUTING")
    assert isinstance(dnat.target, UnknownTarget)
    assert any(isinstance(match, UnknownMatch) for match in dnat.matches)
