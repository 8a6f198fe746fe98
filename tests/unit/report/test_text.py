# SPDX-License-Identifier: GPL-2.0-only
"""What a terminal shows: expected pages are written by hand from the layout in docs/formats.md."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from ctlint.finding import (
    Finding,
    LintResult,
    Location,
    PacketKind,
    Role,
    Severity,
    Undecided,
)
from ctlint.report.excerpt import Excerpt, cut_excerpt
from ctlint.report.text import render_text
from tests.corpus import REPOSITORY
from tests.unit.report.results import ALLOWED, EXAMPLE, HOSTILE, LOST_FIN, RST, hostile_result


def _page(
    result: LintResult, *, width: int = 80, encoding: str = "utf-8", color: str | None = None
) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="\n")
    console = Console(
        file=file,
        width=width,
        force_terminal=color is not None,
        color_system="standard" if color else None,
        no_color=color == "none",
        _environ={},
    )
    render_text(result, console=console)
    file.flush()
    return raw.getvalue().decode(encoding)


EXAMPLE_PAGE = """\
error[CT101]: output-invalid-drop (certain, client, IPv4)
  --> rules.v4:37:1 (filter/OUTPUT, rule 9)
   │
37 │ -A OUTPUT -m state --state INVALID -j DROP
   │ ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = what happens: After 120 s of silence conntrack has forgotten a connection;
     this rule then drops the FIN that closes it.
   = packet: FIN,ACK from the client, no entry: INVALID in filter/OUTPUT
   = also lost: RST or RST,ACK from the client, no entry: INVALID
   = stranded: local socket: FIN_WAIT_1 for 102 to 158 s; the peer stays
     ESTABLISHED
   = ports: 8088
   = note: entries live for 120 s
  --> sysctl:12:1
12 │ net.netfilter.nf_conntrack_tcp_timeout_established = 120
   = help: Accept INVALID packets that have FIN or RST ahead of this rule.
   = rule: ctlint rules CT101

not decided, could change what is said above:
  -m set --match-set office src: the members of the set are not known
    (rules.v4:14)

told: idle=600 s (10 min)
1 error in 1 file (24 rules), kernel 6.18; 1 suppressed
"""


def test_a_page() -> None:
    assert _page(EXAMPLE) == EXAMPLE_PAGE


def test_the_documented_page_is_what_is_printed() -> None:
    page = (REPOSITORY / "docs" / "formats.md").read_text(encoding="utf-8")
    section = page.split("\n## text\n")[1].split("\n## ")[0]
    block = re.search(r"\n((?:(?: {4}.*)?\n)+)", section)
    assert block is not None
    lines = [line.removeprefix("    ") for line in block[1].strip("\n").split("\n")]
    assert "\n".join(lines) + "\n" == EXAMPLE_PAGE


def test_a_stream_that_is_not_utf_8_gets_ascii() -> None:
    office = "-A INPUT -m comment --comment Büro漢 -j DROP"
    location = replace(LOST_FIN.location, text=office, end_column=len(office) + 1)
    page = _page(LintResult("6.18", (), (replace(LOST_FIN, location=location),)), encoding="ascii")
    assert "37 | -A INPUT -m comment --comment B\\xfcro\\u6f22 -j DROP\n" in page
    # One caret for each cell that is shown: the two escapes have 4 and 6.
    assert "   | " + "^" * (len(office) - 2 + 4 + 6) + "\n" in page


@pytest.mark.parametrize("width", [60, 61, 79, 100, 133, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """But the lines that name a place: a terminal opens what it can read whole."""
    wide = replace(
        LOST_FIN,
        message="word " * 60 + "x" * 300,
        related=(LOST_FIN.location,) * 9,
        ports=("1",) * 99,
    )
    undecided = EXAMPLE.undecided * 9
    page = _page(replace(EXAMPLE, findings=(wide,), undecided=undecided), width=width)
    widths = {cell_len(line) for line in page.splitlines() if "-->" not in line}
    assert width - 5 <= max(widths) <= width
    assert page.count("x") - page.count("x" * 3) > 0
    assert page.replace("\n", "").replace(" ", "").count("x" * 300) == 1


@pytest.mark.parametrize(("color", "escapes"), [(None, False), ("none", False), ("standard", True)])
def test_colours(color: str | None, escapes: bool) -> None:
    page = _page(EXAMPLE, color=color)
    colours = {
        code
        for codes in re.findall(r"\x1b\[([0-9;]*)m", page)
        for code in codes.split(";")
        if code.startswith("3") and code != "3"
    }
    assert bool(colours) is escapes
    assert re.sub(r"\x1b\[[0-9;]*m", "", page) == EXAMPLE_PAGE


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "iso-8859-1"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_stays_data(text: str, encoding: str) -> None:
    """Nothing acts on the terminal, no line begins with it, no markup is read."""
    page = _page(hostile_result(text), width=200, encoding=encoding)
    assert page.replace("\n", "").isprintable()
    starts = r"error\[CT101\]|\s*-->|\s*[│|]|7 [│|]|\s+= |\s{4}|  -m |not decided|1 error|$"
    assert [line for line in page.splitlines() if not re.match(starts, line)] == []
    if text == HOSTILE["markup"]:
        assert f"= help: Remove {text}." in page
    coloured = _page(hostile_result(text), width=200, encoding=encoding, color="standard")
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == page


def test_a_finding_that_names_little() -> None:
    bare = replace(
        LOST_FIN,
        role=None,
        family=None,
        location=Location("sysctl", 5),
        related=(Location("x", 3),),
        packet=None,
        packets=(),
        ports=(),
        stranded=None,
        remedy="",
        message="It is misspelled.",
    )
    assert _page(LintResult("6.18", (), (bare,))) == (
        "error[CT101]: output-invalid-drop (certain)\n"
        " --> sysctl:5:1\n"
        "  = what happens: It is misspelled.\n"
        "  = note: see also\n"
        " --> x:3:1\n"
        "  = rule: ctlint rules CT101\n"
        "\n"
        "1 error in 0 files (0 rules), kernel 6.18\n"
    )


def test_long_lists_are_counted() -> None:
    related = tuple(Location("f", line, message="there") for line in range(1, 7))
    packets = tuple(PacketKind("A", "reply", f"s{number}", "NEW") for number in range(8))
    long = replace(LOST_FIN, related=related, packets=(LOST_FIN.packet or RST, *packets))
    undecided = tuple(
        Undecided(Location("f", line), f"-m m{kind}", "why")
        for kind in range(12)
        for line in range(1, 6)
    )
    page = _page(LintResult("6.18", (), (long,), undecided), width=200)
    words = " ".join(page.split())
    assert "entry s4: NEW; ACK from the server, entry s5: NEW; and 2 more = stranded:" in words
    assert page.count("= note: there") == 1
    assert [f"--> f:{line}:1" in page for line in range(1, 7)] == [True] * 4 + [False] * 2
    assert "= note: and 2 more places\n" in page
    assert "  -m m0: why (f:1, f:2, f:3 and 2 more)\n" in page
    assert "  -m m9: why (f:1, f:2, f:3 and 2 more)\n  and 2 more kinds\n" in page
    assert "m10" not in page


def test_what_is_undecided_of_a_whole_file_names_no_match() -> None:
    undecided = (Undecided(Location("f", 1), "", "chains call each other without end at B"),)
    page = _page(LintResult("6.18", (), (), undecided), width=200)
    assert "  chains call each other without end at B (f:1)\n" in page


@pytest.mark.parametrize(
    ("text", "column", "end", "room", "excerpt"),
    [
        ("0123456789", 3, 5, 10, Excerpt("0123456789", 2, 2)),
        ("0123456789", 3, 3, 10, Excerpt("0123456789", 2, 1)),  # a point: one caret
        ("0123456789", 99, 99, 10, Excerpt("0123456789", 10, 1)),  # behind the end
        ("", 1, 1, 10, Excerpt("", 0, 1)),
        # Too long: the mark of the cut takes one cell.
        ("0123456789", 1, 3, 8, Excerpt("0123456…", 0, 2)),
        ("0123456789", 1, 11, 8, Excerpt("0123456…", 0, 7)),
        ("0123456789", 9, 11, 8, Excerpt("…3456789", 6, 2)),
        ("0123456789", 10, 11, 8, Excerpt("…3456789", 7, 1)),
        ("a" * 20 + "XYZ" + "b" * 20, 21, 24, 12, Excerpt("…aaaXYZbbbb…", 4, 3)),
        # A tab is two cells as \t, a Chinese character is two cells wide.
        ("a\tb", 3, 4, 10, Excerpt("a\\tb", 3, 1)),
        ("漢字x", 2, 3, 10, Excerpt("漢字x", 2, 2)),
        ("漢字漢字漢字", 1, 2, 8, Excerpt("漢字漢…", 0, 2)),
        ("\x1b[1mx", 5, 6, 20, Excerpt("\\x1b[1mx", 7, 1)),
    ],
)
def test_a_line_is_cut_around_its_place(
    text: str, column: int, end: int, room: int, excerpt: Excerpt
) -> None:
    cut = cut_excerpt(Location("f", 1, column, end, text=text), room)
    assert cut == excerpt
    assert cell_len(cut.text) <= room


def test_the_underline_is_inside_of_every_cut_line() -> None:
    text = "-A INPUT -s 10.0.0.0/8 -m comment --comment 漢字漢字漢字漢字 -j DROP" * 3
    for room in (20, 33, 57, 100):
        for column in range(1, len(text) + 1):
            for length in (0, 1, 5, 40, 400):
                place = Location("f", 1, column, min(column + length, len(text) + 1), text=text)
                cut = cut_excerpt(place, room, ellipsis="...")
                assert cell_len(cut.text) <= room
                assert cut.length >= 1
                assert cut.offset + cut.length <= cell_len(cut.text)
                # The first cell underlined is the character that the place names.
                before = next(
                    index
                    for index in range(len(cut.text) + 1)
                    if cell_len(cut.text[:index]) >= cut.offset
                )
                assert cut.text[before] == text[column - 1]


def test_roles_of_one_rule_at_one_place_share_its_excerpt_and_help() -> None:
    server = replace(LOST_FIN, role=Role.SERVER, message="The server's own.", ports=("22",))
    page = _page(LintResult("6.18", EXAMPLE.inputs, (LOST_FIN, server)))
    assert page.count("rules.v4:37:1") == 1
    assert page.count("help:") == 1
    assert "(certain, client, server, IPv4)" in page
    assert "what happens (client): After 120 s" in page
    assert "what happens (server): The server's own." in page
    assert "ports: 8088" in page
    assert "ports: 22" in page
    # They are still two findings.
    assert "2 errors in 1 file" in page


def test_help_says_for_which_role_it_is_where_roles_need_different_help() -> None:
    server = replace(LOST_FIN, role=Role.SERVER, remedy="Do that.")
    loopback = replace(LOST_FIN, role=Role.LOOPBACK)
    # The order of the findings is that of ranking; in one place it is that of the roles.
    page = _page(LintResult("6.18", EXAMPLE.inputs, (loopback, server, LOST_FIN)), width=200)
    assert "(certain, client, server, loopback, IPv4)" in page
    assert re.findall(r"= (?:help|what happens)[^:]*", page) == [
        "= what happens (client)",
        "= what happens (server)",
        "= what happens (loopback)",
        "= help (client, loopback)",
        "= help (server)",
    ]


@pytest.mark.parametrize(
    ("client", "server", "shown"),
    [
        ("a; x; y", "b; x; y", ["(client): a", "(server): b", "in each case: x; y"]),
        ("a; c; y", "b; y", ["(client): a; c", "(server): b", "in each case: y"]),
        ("a; y", "b; x", ["(client): a; y", "(server): b; x"]),
        ("a; y", "y", ["(client): a; y", "(server): y"]),
        ("a; y", "a; y", ["(client): a", "(server): a", "in each case: y"]),
        ("a", "a", ["(client): a", "(server): a"]),
    ],
)
def test_what_all_roles_share_is_said_once(client: str, server: str, shown: list[str]) -> None:
    group = (
        replace(LOST_FIN, message=client),
        replace(LOST_FIN, message=server, role=Role.SERVER),
    )
    page = _page(LintResult("6.18", EXAMPLE.inputs, group), width=200)
    said = re.findall(r"= (?:what happens )?((?:\(|in each).*)", page)
    assert said == shown


def test_one_finding_says_its_message_whole() -> None:
    page = _page(LintResult("6.18", (), (replace(LOST_FIN, message="a; b; c"),)))
    assert "= what happens: a; b; c\n" in page
    assert "in each case" not in page


def many(number: int, **changes: Any) -> tuple[Finding, ...]:
    """Findings of one rule at as many places."""
    return tuple(
        replace(LOST_FIN, location=replace(LOST_FIN.location, line=line), **changes)
        for line in range(1, number + 1)
    )


def test_a_thousand_findings_stay_readable() -> None:
    notes = many(600, rule="CT106", name="unaccepted-mid-stream-ack", severity=Severity.NOTE)
    result = LintResult("6.18", (), (*many(400), *notes, ALLOWED))
    page = _page(result, width=100)
    lines = page.splitlines()
    # Ten of each rule in full, a line for each other.
    assert page.count("= what happens: ") == 20
    assert len(lines) < 20 * 25 + 1000
    rest = lines[lines.index("more places of the same rules:") + 1 :]
    text = "-A OUTPUT -m state --state INVALID -j DROP"
    assert rest[0] == f"  error[CT101] rules.v4:11:1 (client) {text}"
    assert rest[389] == f"  error[CT101] rules.v4:400:1 (client) {text}"
    assert rest[390] == f"  note[CT106] rules.v4:11:1 (client) {text}"
    assert rest[979] == f"  note[CT106] rules.v4:600:1 (client) {text}"
    assert rest[980:] == [
        "",
        "by rule:",
        "  CT101 output-invalid-drop: 400 errors",
        "  CT106 unaccepted-mid-stream-ack: 600 notes",
        "",
        "400 errors, 600 notes in 0 files (0 rules), kernel 6.18; 1 suppressed",
    ]


def test_ten_findings_are_not_summed_up() -> None:
    page = _page(LintResult("6.18", (), many(10)))
    assert "more places" not in page
    assert "by rule:" not in page
    assert "by rule:" in _page(LintResult("6.18", (), many(11)))


def test_a_line_for_a_place_is_no_wider_than_the_terminal() -> None:
    for width in (40, 60, 80):
        page = _page(LintResult("6.18", (), many(12)), width=width)
        assert all(cell_len(line) <= width for line in page.splitlines() if "-->" not in line)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_stays_data_in_a_line_for_a_place(text: str) -> None:
    (finding, *_) = hostile_result(text).findings
    page = _page(
        LintResult(
            "6.18",
            (),
            tuple(
                replace(finding, location=replace(finding.location, line=line))
                for line in range(12)
            ),
        )
    )
    assert sum(line.startswith("  error[CT101] ") for line in page.splitlines()) == 2
    assert page.replace("\n", "").isprintable()
