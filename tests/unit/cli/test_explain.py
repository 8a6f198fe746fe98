# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint explain`` as a user calls it. The rules are those of incident 1 (docs/explain.md)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import REPOSITORY
from tests.unit.cli.running import Done, ctlint

RULES = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 8088 -m state --state NEW -j ACCEPT
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A OUTPUT -p tcp -m state --state INVALID -j LOG --log-prefix "OUTPUT INVALID: "
-A OUTPUT -m state --state INVALID -j DROP
COMMIT
"""
FIN = "10.1.0.1:40000 > 10.2.0.2:8088 FIN,ACK"
ACK_BACK = "10.2.0.2:8088 > 10.1.0.1:40000 ACK"
LOGGED = (
    "Nov  3 10:00:00 host kernel: OUTPUT INVALID: IN= OUT=eth0 SRC=10.1.0.1 DST=10.2.0.2 LEN=52 "
    "TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=40000 DPT=8088 WINDOW=502 RES=0x00 ACK FIN "
    "URGP=0"
)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.v4"
    path.write_text(RULES, encoding="utf-8")
    return path


def run(rules: Path, packet: str, *options: str, columns: int = 100) -> Done:
    return ctlint(
        ["explain", packet, "--rules", rules.name, *options],
        cwd=rules.parent,
        COLUMNS=str(columns),
    )


def as_json(rules: Path, packet: str, *options: str) -> dict[str, Any]:
    done = run(rules, packet, *options, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def words(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())


def test_the_fin_of_the_incident(rules: Path) -> None:
    done = run(rules, FIN)
    assert (done.returncode, done.stderr) == (0, "")
    text = words(done.stdout)
    assert "conntrack: INVALID" in text
    assert "OUTPUT filter: DROP by OUTPUT#2 (line 9)" in text
    assert "✓ line 9 OUTPUT#2 -m state --state INVALID -j DROP" in text
    assert "Result dropped by filter/OUTPUT#2 (rules.v4:9:1)" in text
    assert "the local socket stays in FIN_WAIT_1 for 106 to " in text
    assert "with its entry alive (established) ESTABLISHED, delivered" in text
    assert (
        "without filter/OUTPUT#2 INVALID, delivered; but the ACK of it then is NEW, dropped by "
        "filter/INPUT policy (line 2)" in text
    )


def test_the_ack_that_comes_back(rules: Path) -> None:
    text = words(run(rules, ACK_BACK, "--dir", "reply").stdout)
    assert "conntrack: NEW" in text
    assert "INPUT filter: DROP by policy (line 2)" in text
    assert "✗ line 7 INPUT#3 -m state --state RELATED,ESTABLISHED -j ACCEPT" in text
    assert "but for --state RELATED,ESTABLISHED: it is NEW" in text
    assert "Result dropped by filter/INPUT policy (rules.v4:2:1)" in text
    assert "FIN_WAIT_1" in text


def test_without_the_drop_the_answer_is_shown(rules: Path) -> None:
    rules.write_text(RULES.replace("-A OUTPUT -m state --state INVALID -j DROP\n", ""))
    text = words(run(rules, FIN).stdout)
    assert "Result delivered Answer 10.2.0.2:8088 > 10.1.0.1:40000 ACK" in text
    assert "NEW, dropped by filter/INPUT policy (line 2) so the FIN's sender stays in" in text


def test_check_turns_the_answer_into_an_exit_code(rules: Path) -> None:
    assert run(rules, FIN, "--check").returncode == 1
    assert run(rules, FIN, "--check", "--entry", "established").returncode == 0
    rules.write_text("*filter\n-A INPUT -m limit --limit 1/s -j DROP\nCOMMIT\n")
    undecided = run(rules, ACK_BACK, "--dir", "reply", "--check")
    assert undecided.returncode == 1
    assert "Result not decided" in words(undecided.stdout)
    assert "--limit 1/sec" in undecided.stdout
    assert "rules.v4:2:1" in undecided.stdout


def test_settings_and_kernel_are_used(rules: Path) -> None:
    settings = rules.with_name("sysctl")
    settings.write_text("net.netfilter.nf_conntrack_tcp_loose = 0\n")
    strict = as_json(rules, ACK_BACK, "--dir", "reply", "--sysctl", "sysctl", "--kernel", "5.15")
    assert strict["kernel"] == "5.15"
    assert strict["conntrack"]["ctstate"] == "INVALID"
    assert strict["conntrack"]["reason"] == "NOT_PICKED_UP"


def test_json_holds_the_whole_tree(rules: Path) -> None:
    result = as_json(rules, FIN)
    assert list(result) == [
        "version",
        "kernel",
        "packet",
        "role",
        "dir",
        "entry",
        "in",
        "out",
        "mark",
        "header",
        "conntrack",
        "untracked_by",
        "phases",
        "nat",
        "result",
        "socket",
        "answer",
        "changes",
        "undecided",
    ]
    assert result["version"] == 1
    assert result["packet"]["flags"] == "FA"
    assert (result["role"], result["dir"], result["entry"]) == ("client", "orig", "expired")
    conntrack = result["conntrack"]
    assert (conntrack["class"], conntrack["row"], conntrack["column"]) == ("fin", "orig", "sNO")
    assert (conntrack["cell"], conntrack["ctstate"]) == ("sIV", "INVALID")
    (phase,) = result["phases"]
    assert (phase["hook"], phase["table"]) == ("OUTPUT", "filter")
    last = phase["rules"][-1]
    assert (last["location"]["line"], last["matches"], last["decides"]) == (9, True, True)
    assert result["result"]["delivered"] is False
    (ending,) = result["result"]["endings"]
    assert (ending["disposition"], ending["name"]) == ("DROPPED_BY_RULE", "filter/OUTPUT#2")
    assert ending["location"]["text"] == "-A OUTPUT -m state --state INVALID -j DROP"
    left = result["socket"]["stranded"]
    assert (left["end"], left["state"]) == ("local", "FIN_WAIT_1")
    # Measured with short round trips: 106.1 to 107.5 s.
    assert left["seconds"] <= 106.1
    assert left["at_most"] >= 107.5


def test_the_documented_keys_are_those_that_are_printed(rules: Path) -> None:
    page = (REPOSITORY / "docs" / "explain.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([a-z_]+)`", page.split("## JSON")[1]))

    def keys(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {key for one in value.values() for key in keys(one)}
        if isinstance(value, list):
            return {key for one in value for key in keys(one)}
        return set()

    printed = keys(as_json(rules, FIN)) | keys(as_json(rules, ACK_BACK, "--dir", "reply"))
    nat = "*nat\n-A OUTPUT -p tcp -j DNAT --to-destination 10.9.0.1:99\nCOMMIT\n"
    rules.write_text(nat + RULES)
    printed |= keys(as_json(rules, "10.1.0.1:40000 > 10.2.0.2:8088 S"))
    assert printed - documented == set()


def test_a_log_line_says_which_way_the_packet_goes(rules: Path) -> None:
    out = as_json(rules, LOGGED)
    assert (out["role"], out["dir"], out["out"]) == ("client", "orig", "eth0")
    into = as_json(rules, LOGGED.replace("IN= OUT=eth0", "IN=eth0 OUT="))
    assert (into["role"], into["dir"], into["in"]) == ("client", "reply", "eth0")
    through = as_json(rules, LOGGED.replace("IN= OUT=eth0", "IN=eth0 OUT=eth1"))
    assert (through["role"], through["in"], through["out"]) == ("forward", "eth0", "eth1")
    over_lo = as_json(rules, LOGGED.replace("OUT=eth0", "OUT=lo"))
    assert over_lo["role"] == "loopback"


def test_an_answer_of_icmp_comes_from_the_server(rules: Path) -> None:
    reply = as_json(rules, "10.2.0.2 > 10.1.0.1 icmp echo-reply", "--entry", "unreplied")
    assert (reply["dir"], reply["conntrack"]["ctstate"]) == ("reply", "ESTABLISHED")
    assert as_json(rules, "10.1.0.1 > 10.2.0.2 icmp echo-request")["dir"] == "orig"


def test_a_line_seen_behind_routing_has_lost_a_hop(rules: Path) -> None:
    line = LOGGED.replace("IN= OUT=eth0", "IN=eth0 OUT=eth1")
    assert as_json(rules, line)["header"] == {"length": 52, "ttl": 65, "tos": 0}
    assert as_json(rules, LOGGED)["header"]["ttl"] == 64


def test_the_sender_of_a_line_decides_m_mac(rules: Path) -> None:
    rules.write_text(
        "*filter\n:INPUT DROP\n-A INPUT -m mac --mac-source 66:77:88:99:AA:BB -j ACCEPT\nCOMMIT\n"
    )
    line = LOGGED.replace(
        "IN= OUT=eth0", "IN=eth0 OUT= MAC=00:11:22:33:44:55:66:77:88:99:aa:bb:08:00"
    )
    assert as_json(rules, line)["result"]["delivered"] is True
    assert as_json(rules, line.replace("aa:bb:08", "aa:bc:08"))["result"]["delivered"] is False


def test_a_bad_packet_is_shown_with_its_place(rules: Path) -> None:
    done = run(rules, "10.1.0.1:40000 > 10.2.0.2:8088 FIN,AKC")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0].startswith("PACKET:1:32: expected TCP flags such as FIN,ACK")
    text = next(n for n, line in enumerate(lines) if "10.1.0.1:40000 >" in line)
    assert lines[text + 1].index("^") == lines[text].index("FIN,AKC")


def test_an_ipv6_packet_takes_the_ipv6_rules(rules: Path) -> None:
    packet = "[fd00::1]:40000 > [fd00::2]:443 FA"
    refused = run(rules, packet)
    assert refused.returncode == 2
    assert refused.stderr == (
        f"{rules.name}: no IPv6 rules for this IPv6 packet\n"
        "  hint: give what ip6tables-save prints\n"
    )
    rules.with_name("rules.v6").write_text(RULES)
    found = ctlint(["explain", packet, "--rules", "rules.v6", "--format", "json"], cwd=rules.parent)
    assert json.loads(found.stdout)["packet"]["family"] == "ipv6"
    folder = ctlint(["explain", packet, "--rules", ".", "--format", "json"], cwd=rules.parent)
    (ending,) = json.loads(folder.stdout)["result"]["endings"]
    assert ending["location"]["file"].endswith("rules.v6")


def test_rules_come_from_standard_input(rules: Path) -> None:
    done = ctlint(["explain", FIN, "--rules", "-", "--check"], stdin=RULES)
    assert done.returncode == 1


def test_sets_are_known_where_they_are_given(rules: Path) -> None:
    rules.write_text(
        "*filter\n:INPUT DROP\n-A INPUT -m set --match-set office src -j ACCEPT\nCOMMIT\n"
    )
    sets = rules.with_name("ipsets")
    sets.write_text("create office hash:net family inet\nadd office 10.2.0.0/16\n")
    unknown = as_json(rules, ACK_BACK, "--dir", "reply")
    assert unknown["result"]["delivered"] is None
    assert unknown["undecided"][0]["match"] == "--match-set office src"
    known = as_json(rules, ACK_BACK, "--dir", "reply", "--sets", "ipsets")
    assert known["result"]["delivered"] is True


@pytest.mark.parametrize(
    ("packet", "options", "said"),
    [
        ("nonsense", (), r"PACKET:1:1: expected an address"),
        ("10.1.0.1 > 10.2.0.2 FA", (), r"PACKET:1:\d+: expected ':' and a port"),
        ("10.1.0.1 > 10.2.0.2 gre", (), r"tracker of GRE is not modelled"),
        ("10.1.0.1 > 10.2.0.2 icmp 8", ("--entry", "syn-sent"), r"state of TCP entries only"),
        (FIN, ("--in", "eth0"), r"does not come in on eth0"),
        (FIN, ("--dir", "reply", "--out", "eth0"), r"does not go out on eth0"),
        (FIN, ("--out", "lo"), r"--role loopback only"),
        (FIN, ("--role", "server", "--in", "lo"), r"--role loopback only"),
        (FIN, ("--role", "loopback", "--in", "eth0"), r"the interface is lo"),
        (FIN, ("--entry", "syn_sent"), r"'syn_sent' is not one of"),
        (FIN, ("--kernel", "5.99"), r"unknown kernel"),
        (FIN, ("--sysctl", "missing"), r"missing"),
        (LOGGED, ("--out", "eth9"), r"the packet's text says eth0"),
    ],
)
def test_bad_questions_are_refused(
    rules: Path, packet: str, options: tuple[str, ...], said: str
) -> None:
    done = run(rules, packet, *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.search(said, done.stderr)
    assert "Traceback" not in done.stderr


def test_errors_in_the_rules_have_their_place(rules: Path) -> None:
    rules.write_text(RULES.replace("--dport 80 ", "--dport http9 "))
    done = run(rules, FIN)
    assert done.returncode == 2
    assert re.match(r"rules\.v4:5:\d+: ", done.stderr)
    rules.write_text(
        "*filter\n:INPUT ACCEPT\n:a -\n:b -\n-A INPUT -j a\n-A a -j b\n-A b -j a\nCOMMIT\n"
    )
    loop = run(rules, ACK_BACK, "--dir", "reply")
    assert loop.returncode == 2


def test_hostile_text_is_escaped(rules: Path) -> None:
    rules.write_text(
        RULES.replace("INVALID -j DROP", 'INVALID -m comment --comment "\x1b[31m\u202e" -j DROP')
    )
    done = run(rules, FIN)
    assert "\x1b" not in done.stdout
    assert r"\x1b[31m\u202e" in done.stdout


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_lines_keep_to_the_width(rules: Path, columns: int) -> None:
    text = run(rules, FIN, columns=columns).stdout
    assert max(map(len, text.splitlines())) <= columns
    assert not re.search(r"[ \t]$", text, re.MULTILINE)


def test_the_output_is_the_same_every_time_and_plain_without_a_terminal(rules: Path) -> None:
    first = run(rules, FIN)
    assert first.stdout == run(rules, FIN).stdout
    assert "\x1b" not in first.stdout
    coloured = run(rules, FIN, "--color", "always").stdout
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == first.stdout


def test_an_ascii_terminal_gets_ascii_marks(rules: Path) -> None:
    done = ctlint(
        ["explain", FIN, "--rules", rules.name],
        cwd=rules.parent,
        PYTHONUTF8="0",
        PYTHONIOENCODING="ascii",
    )
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "+ line 9" in done.stdout
