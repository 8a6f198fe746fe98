# SPDX-License-Identifier: GPL-2.0-only
"""What is said of lines. Sources of what sysctls do: Documentation/networking/ip-sysctl.rst and
nf_conntrack-sysctl.rst.
"""

from __future__ import annotations

import pytest
from lsprotocol.types import PositionEncodingKind

from ctlint.finding import (
    AllowedBy,
    Confidence,
    Finding,
    Location,
    PacketKind,
    Role,
    Severity,
    Stranded,
    Suppressed,
    Undecided,
)
from ctlint.lint.registry import shipped_rules
from ctlint.lsp.checking import Answer
from ctlint.lsp.documents import Kind
from ctlint.lsp.hover import hover
from ctlint.lsp.positions import Places
from ctlint.report.rule_page import page_markdown

RULES, SETTINGS = Kind.RULES, Kind.SETTINGS
PAGE = next(page_markdown(info) for info in shipped_rules() if info.id == "CT101")


def _places(text: str) -> Places:
    return Places(text, PositionEncodingKind.Utf16)


def _hover(text: str, line: int, kind: Kind = RULES, answer: Answer | None = None) -> str:
    return hover("f", kind, _places(text), line, answer)


def _finding(role: Role, remedy: str = "", suppressed: Suppressed | None = None) -> Finding:
    return Finding(
        "CT101",
        "output-invalid-drop",
        Severity.ERROR,
        Confidence.CERTAIN,
        "the FIN of <b>host</b> is lost",
        remedy,
        Location("f", 2, table="filter", chain="OUTPUT", position=1, text="-A OUTPUT -j DROP"),
        role=role,
        packet=PacketKind("FA", "orig", "none", "INVALID"),
        packets=(PacketKind("FA", "orig", "none", "INVALID"), PacketKind("R", "orig", "", "NEW")),
        ports=("22", "80:90"),
        stranded=Stranded("local", "FIN_WAIT_1", 106, 158),
        suppressed=suppressed,
    )


def _answer(*findings: Finding, undecided: tuple[Undecided, ...] = ()) -> Answer:
    return Answer("f", ("f",), ("f",), findings=findings, undecided=undecided, kernel="6.18")


TEXT = "*filter\n-A OUTPUT -j DROP\nCOMMIT\n"


def test_a_finding_then_its_page() -> None:
    said = _hover(TEXT, 2, answer=_answer(_finding(Role.CLIENT, "accept `-j X`")))
    finding, page = said.split("\n\n---\n\n")
    assert page == PAGE
    assert finding.splitlines() == [
        "**error CT101** output-invalid-drop (filter/OUTPUT, rule 1)",
        "",
        r"certain, client: the FIN of \<b\>host\</b\> is lost",
        "",
        "- packet: FIN,ACK from the client, no entry: INVALID in filter/OUTPUT",
        "- also lost: RST from the client, entry : NEW",
        "- stranded: local socket: FIN_WAIT_1 for 106 to 158 s; the peer stays ESTABLISHED",
        "- ports: 22, 80:90",
        "",
        "**help**: accept `-j X`",
    ]


def test_roles_stand_side_by_side_and_the_page_once() -> None:
    answer = _answer(_finding(Role.SERVER, "b"), _finding(Role.CLIENT, "a"))
    said = _hover(TEXT, 2, answer=answer)
    assert said.count(PAGE) == 1
    places = [said.index(word) for word in ("certain, client", "certain, server")]
    assert places == sorted(places)
    assert "**help (client)**: a" in said
    assert "**help (server)**: b" in said


def test_other_lines_have_no_finding() -> None:
    answer = _answer(_finding(Role.CLIENT))
    assert _hover(TEXT, 1, answer=answer) == ""
    assert "CT101" not in _hover(TEXT, 3, answer=answer)


@pytest.mark.parametrize(
    ("text", "line", "chain", "rule"),
    [
        (
            "*mangle\n:INPUT ACCEPT\n[5:6] -A INPUT -p tcp --dport 22 -j DROP\n",
            3,
            "mangle/INPUT",
            "-A INPUT -p tcp -m tcp --dport 22 -j DROP",
        ),
        ("*filter\n:OTHER - [0:0]\n-A MINE -s 1.2.3.4 -g OTHER\n", 3, "filter/MINE", None),
        ("-A INPUT -s fe80::1 -j ACCEPT\n", 1, "filter/INPUT", "-A INPUT -s fe80::1/128 -j ACCEPT"),
    ],
)
def test_what_is_read_in_a_rule(text: str, line: int, chain: str, rule: str | None) -> None:
    said = _hover(text, line)
    assert said.startswith(f"{chain}, as ctlint reads it:\n\n```text\n-A ")
    if rule is not None:
        assert f"\n{rule}\n" in said


@pytest.mark.parametrize(
    "line",
    ["-A", "-A INPUT --what", "# -A INPUT", ":INPUT DROP", "-D INPUT 1", "", "-A " + "x" * 20_000],
)
def test_lines_that_say_nothing(line: str) -> None:
    assert _hover(f"*filter\n{line}\n", 2) == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("# ctlint: allow CT101 because so [x]", "allows **CT101** output-invalid-drop because so"),
        ("# ctlint: allow CT101", "gives no reason: nothing is allowed"),
        ("# ctlint: allow CT999 because so", "no rules are CT999"),
        ("# ctlint: forbid", "not understood"),
        (
            '-A OUTPUT -m comment --comment "ctlint: allow CT101 because so" -j DROP',
            "allows **CT101** output-invalid-drop because so",
        ),
    ],
)
def test_what_a_permission_says(line: str, expected: str) -> None:
    assert expected in _hover(f"*filter\n{line}\n-A OUTPUT -j DROP\n", 2)


def test_what_a_permission_hides() -> None:
    hidden = Suppressed(AllowedBy.COMMENT, "so", "f", 2)
    text = "*filter\n# ctlint: allow CT101 because so\n-A OUTPUT -j DROP\n"
    said = _hover(text, 2, answer=_answer(_finding(Role.CLIENT, suppressed=hidden)))
    assert "- hides error CT101, client: the FIN of" in said
    assert PAGE not in said


def test_what_is_not_decided() -> None:
    what = Undecided(Location("f", 2), "limit", "depends on [time]")
    said = _hover(TEXT, 2, answer=_answer(undecided=(what, what)))
    assert said.count(r"not decided: limit: depends on \[time\]") == 1
    assert "as ctlint reads it" in said


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (
            "net.netfilter.nf_conntrack_tcp_timeout_established=120",
            ["seconds", "default of kernel 6.18: 432000 s (5 d)", "here: 120 s"],
        ),
        ("net/ipv4/tcp_retries2 = 15", ["net.ipv4.tcp\\_retries2", "default of kernel 6.18: 15"]),
        ("net.ipv4.tcp_tw_recycle = 1", ["kernel 6.18 does not have it", "gone since Linux 4.12"]),
    ],
)
def test_what_is_known_of_a_setting(line: str, lines: list[str]) -> None:
    said = _hover(f"{line}\n", 1, SETTINGS, _answer())
    for each in lines:
        assert each.replace("\\", "") in said


@pytest.mark.parametrize(
    "line", ["vm.swappiness = 1", "tcp_loose = 1", "net.ipv4.*.x = 1", "# x", "a b", ""]
)
def test_settings_of_which_nothing_is_known(line: str) -> None:
    assert _hover(f"{line}\n", 1, SETTINGS) == ""
