# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint lint`` as a user calls it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "fin-wait-1"
RULES = (EXAMPLE / "iptables-save").read_text(encoding="utf-8")
DROP_LINE = RULES.split("\n").index("-A OUTPUT -m state --state INVALID -j DROP") + 1
POLICY_LINE = RULES.split("\n").index(":INPUT DROP [0:0]") + 1
WITHOUT_DROP = RULES.replace("-A OUTPUT -m state --state INVALID -j DROP\n", "")

Done = subprocess.CompletedProcess[str]


def ctlint(
    arguments: Sequence[str | Path],
    stdin: str = "",
    cwd: Path = REPOSITORY,
    **environment: str,
) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "ctlint", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "COLUMNS": "100"}
        | environment,
    )


def lint_json(tmp_path: Path, rules: str, established: int) -> tuple[dict[str, Any], int]:
    (tmp_path / "rules.v4").write_text(rules, encoding="utf-8")
    (tmp_path / "s").write_text(
        f"net.netfilter.nf_conntrack_tcp_timeout_established = {established}\n", encoding="utf-8"
    )
    done = ctlint(["lint", tmp_path / "rules.v4", "--sysctl", tmp_path / "s", "--format", "json"])
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    return result, done.returncode


def at(result: dict[str, Any], line: int) -> dict[str, dict[str, Any]]:
    """The findings at a line, by role."""
    return {
        finding["role"]: finding
        for finding in result["findings"]
        if finding["location"]["line"] == line and finding["role"]
    }


def test_incident_1_with_the_drop(tmp_path: Path) -> None:
    result, code = lint_json(tmp_path, RULES, 120)
    assert code == 1
    found = at(result, DROP_LINE)
    for role, sender in (("client", "orig"), ("server", "reply")):
        finding = found[role]
        assert finding["severity"] == "error"
        assert finding["confidence"] == "certain"
        assert finding["location"]["text"] == "-A OUTPUT -m state --state INVALID -j DROP"
        assert finding["packet"] == {
            "flags": "FA",
            "dir": sender,
            "entry": "none",
            "ctstate": "INVALID",
        }
        assert {packet["flags"] for packet in finding["packets"]} == {"FA", "RA"}
        stranded = finding["stranded"]
        assert (stranded["end"], stranded["state"]) == ("local", "FIN_WAIT_1")
        # Measured with short round trips: 106.1 to 107.5 s.
        assert 102 <= stranded["seconds"] <= 106
        assert stranded["at_most"] >= 108
    witness = found["client"]["witness"]
    assert [packet["flags"] for packet in witness["scenario"]["packets"]] == ["S", "SA", "A", "FA"]
    assert witness["expect"] == [
        {
            "packet": 3,
            "ctstate": "INVALID",
            "delivered": False,
            "rules": ["filter/OUTPUT#4", "filter/OUTPUT#5"],
        }
    ]


def test_incident_1_without_the_drop(tmp_path: Path) -> None:
    result, code = lint_json(tmp_path, WITHOUT_DROP, 120)
    assert code == 1
    found = at(result, POLICY_LINE)
    client = found["client"]
    assert client["packet"] == {"flags": "A", "dir": "reply", "entry": "none", "ctstate": "NEW"}
    assert client["stranded"]["end"] == "local"
    assert client["location"]["position"] is None
    server = found["server"]
    assert server["packet"]["flags"] == "FA"
    assert server["packet"]["dir"] == "orig"
    assert server["ports"] == ["8088"]


@pytest.mark.parametrize(
    ("established", "severity", "code"), [(1200, "warning", 1), (432000, "note", 0)]
)
def test_severity_follows_the_timeout(
    tmp_path: Path, established: int, severity: str, code: int
) -> None:
    result, returned = lint_json(tmp_path, RULES, established)
    assert at(result, DROP_LINE)["client"]["severity"] == severity
    assert returned == code


def test_the_shipped_example_has_findings_on_a_terminal() -> None:
    done = ctlint(["lint", "examples/fin-wait-1"])
    assert done.returncode == 1
    assert f"examples/fin-wait-1/iptables-save:{DROP_LINE}:1" in done.stdout
    assert "FIN_WAIT_1" in done.stdout
    assert "\x1b" not in done.stdout


def test_standard_input_and_all_formats_at_once(tmp_path: Path) -> None:
    forms = ["concise", "json", "sarif", "github", "junit", "gitlab"]
    arguments: list[str | Path] = ["lint", "-"]
    for form in forms:
        arguments += ["--format", form, "--output", tmp_path / form]
    done = ctlint(arguments, stdin=RULES)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    for form in forms:
        assert (tmp_path / form).stat().st_size > 0, form
    json.loads((tmp_path / "sarif").read_text(encoding="utf-8"))


def test_an_input_is_no_output(tmp_path: Path) -> None:
    rules = tmp_path / "rules.v4"
    rules.write_text(RULES)
    for given in (rules, tmp_path):
        done = ctlint(["lint", given, "--format", "json", "--output", rules])
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"cannot write {rules}: it is an input ({given})\n"
        assert rules.read_text() == RULES
    for option in ("--sysctl", "--sets"):
        other = tmp_path / "other"
        other.write_text("")
        done = ctlint(["lint", rules, option, other, "--format", "json", "--output", other])
        assert done.stderr == f"cannot write {other}: it is an input ({other})\n"


def test_an_output_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    done = ctlint(["lint", EXAMPLE, "--format", "json", "--output", tmp_path])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cannot write {tmp_path}: Is a directory\n"


def test_the_same_input_gives_the_same_bytes() -> None:
    outputs = {
        ctlint(["lint", "examples/fin-wait-1", "--format", "sarif"], PYTHONHASHSEED=seed).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


def test_select_and_ignore() -> None:
    done = ctlint(["lint", "examples/fin-wait-1", "--select", "CT2", "--format", "json"])
    assert {f["rule"] for f in json.loads(done.stdout)["findings"]} == {"CT202"}
    done = ctlint(["lint", "examples/fin-wait-1", "--ignore", "CT1,CT202", "--format", "json"])
    assert json.loads(done.stdout)["findings"] == []
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("facts", "severity", "reason"),
    [
        ([], "error", "forgotten after 120 s without a packet"),
        (["keepalive=30"], "note", "a keepalive comes after 30 s of silence"),
        (
            ["keepalive=30", "half-close=90"],
            "error",
            "forgotten after 60 s without a packet, half-closed connections are silent for up to "
            "90 s",
        ),
    ],
)
def test_what_is_told_decides_severity(facts: list[str], severity: str, reason: str) -> None:
    told = [word for fact in facts for word in ("--fact", fact)]
    done = ctlint(["lint", EXAMPLE, *told, "--select", "CT1", "--format", "json"])
    result = json.loads(done.stdout)
    assert {finding["severity"] for finding in result["findings"]} == {severity}
    assert all(reason in finding["message"] for finding in result["findings"])
    assert done.returncode == (1 if severity == "error" else 0)


def test_a_list_of_addresses_is_one_finding() -> None:
    head = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m state --state ESTABLISHED -j ACCEPT\n"

    def found(number: int) -> dict[str, Any]:
        rules = "".join(f"-A INPUT -s 192.0.2.{last} -j DROP\n" for last in range(1, number + 1))
        told = ["--fact", "role=client"]
        done = ctlint(["lint", "-", *told, "--format", "json"], stdin=f"{head}{rules}COMMIT\n")
        (finding,) = json.loads(done.stdout)["findings"]
        assert isinstance(finding, dict)
        return finding

    one, many = found(1), found(30)
    assert many["location"] == one["location"]
    assert many["fingerprint"] == one["fingerprint"]
    assert many["witness"]["expect"] == one["witness"]["expect"]
    row = "; 29 more rules of this row, alike but for addresses or ports, lose it as well; "
    assert many["message"] == one["message"].replace("; an idle entry", f"{row}an idle entry")
    assert [place["position"] for place in many["related"]] == list(range(3, 13))
    assert {place["message"] for place in many["related"]} == {"loses it as well"}
    assert one["related"] == []


def test_roles_that_the_host_does_not_have_are_left_out() -> None:
    def roles(*facts: str) -> set[str]:
        done = ctlint(["lint", EXAMPLE, *facts, "--select", "CT1", "--format", "json"])
        return {finding["role"] for finding in json.loads(done.stdout)["findings"]}

    assert roles() == {"client", "server", "loopback"}
    assert roles("--fact", "role=server") == {"server"}
    assert roles("--fact", "role=loopback,client") == {"client", "loopback"}
    assert roles("--fact", "role=router") == set()


def test_a_slow_keepalive_is_none_where_faster_ones_are_told() -> None:
    def said(*facts: str) -> list[str]:
        done = ctlint(["lint", EXAMPLE, *facts, "--select", "CT202", "--format", "json"])
        return [finding["message"] for finding in json.loads(done.stdout)["findings"]]

    gone = "an idle entry is forgotten after 120 s, "
    assert said() == [gone + "but the first keepalive is due after 7200 s"]
    assert said("--fact", "keepalive=119") == []
    assert said("--fact", "keepalive=120") == [
        gone + "but a keepalive comes only after 120 s of silence"
    ]
    assert said("--fact", "idle=5m") == [gone + "but connections are silent for up to 300 s"]
    assert said("--fact", "keepalive=off") == [gone + "and no keepalive renews it"]


def test_facts_stand_in_the_reports() -> None:
    told = ["--fact", "idle=10m", "--fact", "role=server,client"]
    done = ctlint(["lint", EXAMPLE, *told, "--format", "json"])
    (summary,) = json.loads(done.stdout)["inputs"]
    assert summary["facts"] == {"idle": 600, "role": ["client", "server"]}
    assert (
        "told: idle=600 s (10 min), role=client,server\n" in ctlint(["lint", EXAMPLE, *told]).stdout
    )
    assert "told:" not in ctlint(["lint", EXAMPLE]).stdout


def test_a_misspelled_fact_is_an_error_with_a_suggestion() -> None:
    done = ctlint(["lint", "-", "--fact", "keepalife=30"], stdin=RULES)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no fact 'keepalife'; did you mean keepalive?" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-", "--fact", "idle"],
        ["-", "--fact", "idle=soon"],
        ["-", "--fact", "idle=5m", "--fact", "idle=6m"],
        ["-", "--fact", "\x1b[31m=\udcff"],
        ["no-such-file"],
        ["-", "--kernel", "5.99"],
        ["-", "--select", "CT999"],
        ["-", "--format", "json", "--format", "sarif"],
        ["-", "--format", "json", "--format", "text", "--output", "x/y", "--output", "./x/y"],
        ["-", "--sysctl", "no-such-file"],
    ],
)
def test_wrong_usage_is_one_clear_error(arguments: list[str]) -> None:
    done = ctlint(["lint", *arguments], stdin=RULES)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_every_bad_line_is_reported_with_its_place() -> None:
    text = (
        "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 99999 -j DROP\n"
        "-A NOPE -j DROP\nCOMMIT\n"
    )
    done = ctlint(["lint", "-"], stdin=text)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    assert [line.split(": ")[0].split(":")[-2:] for line in lines] == [["3", "25"], ["4", "4"]]


@pytest.mark.parametrize("form", ["text", "concise", "github"])
def test_a_comment_cannot_speak_for_ctlint(form: str) -> None:
    hostile = "::error::pwned \x1b[31m [bold]x[/bold] \u202e"
    rule = f'-A OUTPUT -m state --state INVALID -m comment --comment "{hostile}" -j DROP'
    text = RULES.replace("-A OUTPUT -m state --state INVALID -j DROP", rule)
    done = ctlint(["lint", "-", "--format", form, "--fail-on", "note"], stdin=text)
    assert done.returncode == 1, done.stderr
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert not any(line.startswith("::error::pwned") for line in done.stdout.splitlines())


def test_a_comment_in_the_rule_allows_it() -> None:
    rule = (
        "-A OUTPUT -m state --state INVALID -m comment "
        '--comment "ctlint: allow CT101 because raw sockets only" -j DROP'
    )
    text = RULES.replace("-A OUTPUT -m state --state INVALID -j DROP", rule)
    done = ctlint(["lint", "-", "--select", "CT101", "--format", "json", "--fail-on", "note"], text)
    assert done.returncode == 0
    result = json.loads(done.stdout)
    line = text.split("\n").index(rule) + 1
    for finding in result["findings"]:
        assert finding["suppressed"] == {
            "where": {"kind": "rule", "file": "-", "line": line},
            "reason": "raw sockets only",
        }
    assert result["summary"]["suppressed"] == len(result["findings"])


def test_an_unknown_match_is_undecided_not_guessed() -> None:
    text = RULES.replace("--state INVALID -j DROP", "--state INVALID -m weird --odd 1 -j DROP")
    done = ctlint(["lint", "-", "--format", "json"], stdin=text)
    result = json.loads(done.stdout)
    assert any(item["match"] == "weird" for item in result["undecided"])
    assert not at(result, DROP_LINE)


def test_a_fault_of_its_own_is_one_line_and_a_report(tmp_path: Path) -> None:
    # Rules that are not as they must be cannot be the user's fault.
    package = tmp_path / "package"
    shutil.copytree(REPOSITORY / "ctlint", package / "ctlint")
    shutil.copytree(REPOSITORY / "grammar", package / "grammar")
    shutil.copy(REPOSITORY / "pyproject.toml", package)
    (package / "rules").mkdir()
    (package / "rules" / "ct101_broken.py").write_text('"""no page"""\n', encoding="utf-8")
    done = ctlint(["rules"], cwd=package, PYTHONPATH="", TMPDIR=str(tmp_path))
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    (report,) = tmp_path.glob("ctlint-fault-*.txt")
    assert "RuleDefinitionError" in report.read_text(encoding="utf-8")


def test_the_remedy_says_where_the_ack_of_the_fin_is_lost(tmp_path: Path) -> None:
    """Incident I1: without the OUTPUT drop the sockets of clients hang all the same."""
    result, _ = lint_json(tmp_path, RULES, 120)
    found = at(result, DROP_LINE)
    answer_lost = "alone it is not enough, filter/INPUT policy loses the ACK of that FIN"
    assert answer_lost in found["client"]["remedy"]
    assert "not enough" not in found["server"]["remedy"]
    assert "not enough" not in found["loopback"]["remedy"]


REJECT = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m state --state INVALID -j REJECT --reject-with {}
{}COMMIT
"""


@pytest.mark.parametrize(
    ("reject", "output", "stranded"),
    [
        # nf_send_reset(): the RST has the sequence number that the peer expects, and closes it.
        ("tcp-reset", "", ("local", "ESTABLISHED", None)),
        # The RST is INVALID as well, and never leaves.
        (
            "tcp-reset",
            "-A OUTPUT ! -o lo -m state --state INVALID -j DROP\n",
            ("remote", "FIN_WAIT_1", 106),
        ),
        # An ICMP error ends no connection.
        (
            "icmp-port-unreachable",
            "",
            ("remote", "FIN_WAIT_1", 106),
        ),
    ],
)
def test_a_rejected_fin_may_close_its_sender(
    tmp_path: Path, reject: str, output: str, stranded: tuple[str, str, int | None]
) -> None:
    result, _ = lint_json(tmp_path, REJECT.format(reject, output), 120)
    found = [finding for finding in result["findings"] if finding["rule"] == "CT108"]
    assert {finding["role"] for finding in found} == {"client", "server"}
    for left in (finding["stranded"] for finding in found):
        assert (left["end"], left["state"], left["seconds"]) == stranded


def test_quiet_still_writes_files(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = ctlint(["lint", EXAMPLE, "-q", "--format", "json", "--output", report])
    assert done.stdout == ""
    assert json.loads(report.read_text(encoding="utf-8"))["findings"]


def undecided(text: str) -> set[tuple[int, str]]:
    result = json.loads(ctlint(["lint", "-", "--format", "json"], stdin=text).stdout)
    return {(item["location"]["line"], item["why"]) for item in result["undecided"]}


def test_nat_that_leads_connections_onto_lo_is_named() -> None:
    text = (
        "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A PREROUTING -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353\n"
        "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.9\n"
        "-A OUTPUT -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n"
    )
    assert undecided(text) == {(6, "connections that this rule translates are not followed")}


def test_a_table_that_stands_twice_is_named() -> None:
    found = undecided("*filter\n:INPUT DROP [0:0]\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    assert [line for line, _ in found] == [1]


def test_walks_without_end_leave_findings_about_settings(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("net.netfilter.nf_conntrack_tcp_timeout_established = 120\n")
    # Each chain calls the next one twice: the kernel loads that.
    names = [f"c{number}" for number in range(40)]
    lines = ["*filter", *(f":{name} - [0:0]" for name in names), "-A INPUT -j c0"]
    for one, other in pairwise(names):
        lines += [f"-A {one} -p tcp -j {other}"] * 2
    text = "\n".join([*lines, "-A c39 -m mark --mark 7 -j DROP", "COMMIT", ""])
    done = ctlint(["lint", "-", "--sysctl", tmp_path / "s", "--format", "json"], stdin=text)
    result = json.loads(done.stdout)
    assert {finding["rule"] for finding in result["findings"]} == {"CT202"}
    assert any("without end" in item["why"] for item in result["undecided"])


def test_what_is_lost_with_a_live_entry_too_is_no_matter_of_expiry() -> None:
    text = (
        "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A OUTPUT -p tcp -m tcp --tcp-flags RST RST -j DROP\nCOMMIT\n"
    )
    done = ctlint(["lint", "-", "--format", "json"], stdin=text)
    result = json.loads(done.stdout)
    assert result["findings"] == []
    (item,) = result["undecided"]
    assert item["location"]["line"] == 4
    assert "with or without an entry" in item["why"]


def test_over_lo_notrack_takes_what_has_no_entry() -> None:
    """nf_conntrack_in() leaves an INVALID packet without an entry, and raw is asked again."""
    text = (
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A PREROUTING -j CT --notrack\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n"
        ":FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A INPUT -p tcp -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT\nCOMMIT\n"
    )
    found = json.loads(ctlint(["lint", "-", "--format", "json"], stdin=text).stdout)["findings"]
    (one,) = (finding for finding in found if finding["role"] == "loopback")
    assert one["rule"] == "CT103"
    assert one["packet"]["ctstate"] == "UNTRACKED"
