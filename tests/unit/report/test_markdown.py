# SPDX-License-Identifier: GPL-2.0-only
"""The Markdown summary: its layout is that of docs/formats.md."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from ctlint.finding import (
    Compared,
    Identity,
    InputSummary,
    LintResult,
    Location,
    Role,
    Severity,
    Skipped,
    SkipReason,
    Trouble,
)
from ctlint.model.kernel.profiles import NEWEST
from ctlint.report.markdown import render_markdown
from ctlint.report.markdown_text import MOST_CHARACTERS
from ctlint.wire.addresses import Family
from tests.unit.report.results import ALLOWED, DROP, EXAMPLE, HOSTILE, LOST_FIN, hostile_result
from tests.unit.report.test_markdown_text import alive

PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")

PAGE = f"""\
## ctlint: 1 error

1 file (24 rules), kernel 6.18; 1 suppressed

| severity | rule | where | what happens |
| --- | --- | --- | --- |
| **error** | CT101 | `rules.v4:37` filter/OUTPUT, rule 9 (client) | After 120 s of silence \
conntrack has forgotten a connection; this rule then drops the FIN that closes it. |

<details>
<summary>error CT101 output-invalid-drop (certain, client, IPv4): \
<code>rules.v4:&#8203;37:&#8203;1</code></summary>

filter/OUTPUT, rule 9

```text
{DROP}
```

- **what happens:** After 120 s of silence conntrack has forgotten a connection; this rule then \
drops the FIN that closes it.
- **packet:** FIN,ACK from the client, no entry: INVALID in filter/OUTPUT
- **also lost:** RST or RST,ACK from the client, no entry: INVALID
- **stranded:** local socket: FIN\\_WAIT\\_1 for 102 to 158 s; the peer stays ESTABLISHED
- **ports:** 8088
- **witness:** kernel {NEWEST.name}; the host with these rules is the client

```text
client 10.1.0.1:40000                               server 10.2.0.2:80
│ FIN,ACK 0:0 ─── INVALID ──────────────✗ dropped by filter/OUTPUT#1 │
```

- entries live for 120 s: `sysctl:12:1` `net.netfilter.nf_conntrack_tcp_timeout_established = 120`

- **help:** Accept INVALID packets that have FIN or RST ahead of this rule.

**fix:** accept what closes a forgotten connection before it; it lets INVALID FIN out, to any \
address, from port 8088

```diff
--- rules.v4
+++ rules.v4
@@ -36,0 +37,1 @@
+-A OUTPUT -p tcp -m conntrack --ctstate INVALID -m tcp --sport 8088 --tcp-flags FIN FIN -j ACCEPT
```

</details>

**Not decided**, could change what is said above:

- -m set --match-set office src: the members of the set are not known (rules.v4:&#8203;14)

<details>
<summary>suppressed (1)</summary>

- warning CT501 sysctl:&#8203;3:&#8203;1: no clients behind NAT (the comment at sysctl:&#8203;2)

</details>

told: idle=600 s (10 min)
"""


def test_the_example() -> None:
    assert render_markdown(EXAMPLE) == PAGE.replace("\n- -m", "\n- \\-m")


def test_nothing_is_found() -> None:
    assert render_markdown(LintResult("6.18", (), ())) == (
        "## ctlint: no findings\n\n0 files (0 rules), kernel 6.18\n"
    )


def test_roles_at_one_place_share_a_row_and_their_details() -> None:
    server = replace(LOST_FIN, role=Role.SERVER, message="Else; this rule then drops it.")
    page = render_markdown(LintResult("6.18", (), (server, LOST_FIN)))
    assert page.count("<details>") == 1
    assert "`rules.v4:37` filter/OUTPUT, rule 9 (client, server)" in page
    assert "- **what happens (client):** After" in page
    assert "- **what happens (server):** Else" in page


def test_hosts_and_what_is_left_out() -> None:
    hosts = tuple(
        replace(LOST_FIN, host=f"h{n}", location=replace(LOST_FIN.location, file=f"h{n}/rules"))
        for n in range(5)
    )
    inputs = tuple(InputSummary(f"h{n}/rules", Family.IPV4, 24, (), host=f"h{n}") for n in range(5))
    bad = Skipped("h9", SkipReason.UNREADABLE, (Trouble("unknown option", "h9/rules", 3, 4),))
    page = render_markdown(LintResult("6.18", inputs, hosts, skipped=(bad,)))
    assert page.startswith(
        "## ctlint: 5 errors of 1 cause\n\n5 files of 5 hosts (120 rules), kernel 6.18\n\n"
        "**Not looked at:** 1 input\n\n- h9/rules:&#8203;3:&#8203;4: unknown option\n\n"
    )
    assert "| `h0/rules:37` filter/OUTPUT, rule 9 (client, 5 hosts) |" in page
    assert "- **on 5 hosts:** h0, h1, h2 and 2 more\n" in page


def test_rules_in_a_sentence_stand_as_code() -> None:
    finding = replace(LOST_FIN, remedy="Add `-A x_y`, `-A z` and `w`; or not_this")
    page = render_markdown(LintResult("6.18", (), (finding,)))
    assert "- **help:** Add `-A x_y`, `-A z` and `w`; or not\\_this\n" in page


def test_a_baseline() -> None:
    gone = {Identity("CT102", "server", "", "filter", "INPUT", "-A INPUT @x"): 2}
    page = render_markdown(LintResult("6.18", (), (), baseline=Compared("b.json", 3, gone)))
    assert "0 files (0 rules), kernel 6.18; 3 in the baseline" in page
    assert "- CT102 filter/INPUT (server): -A INPUT @&#8203;x (2 of them)" in page


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_does_nothing(text: str) -> None:
    html = PARSER.render(render_markdown(hostile_result(text)))
    tags = set(re.findall("</?([a-z0-9]+)", html))
    assert tags == {
        *("h2", "p", "table", "thead", "tbody", "tr", "th", "td", "strong", "code", "pre"),
        *("ul", "li", "details", "summary"),
    } | ({"span"} & tags)
    outside = re.sub(r"(?s)<(code|pre)\b.*?</\1>", "", html)
    assert alive(outside) == []
    assert html.count("<td>") == 4
    assert html.count("<h2>") == 1


def _many(count: int, text: str = "x") -> LintResult:
    severities = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    return LintResult(
        "6.18",
        (),
        tuple(
            replace(
                LOST_FIN,
                severity=severities[number % 3],
                location=Location("f", number, text=text * 40),
                message=f"{text * 40} {number}",
            )
            for number in range(1, count + 1)
        ),
        hostile_result(text).undecided,
    )


@pytest.mark.parametrize("text", ["x", "@", "`", "|", "\u202e"])
def test_it_is_bounded_and_counts_what_it_leaves_out(text: str) -> None:
    count = 600
    page = render_markdown(_many(count, text))
    # docs.github.com, "Commands for workflow runs"; the API refuses a body of more characters.
    assert len(page) <= MOST_CHARACTERS < 65_536
    rows = page.count("\n| ") - 2
    (rest,) = re.findall(r"^and (\d+) more places \((.*)\)$", page, re.MULTILINE)
    assert rows + int(rest[0]) == count
    assert sum(map(int, re.findall(r"(\d+) ", rest[1]))) == int(rest[0])
    shown = page.count("<summary>error") + page.count("<summary>warning")
    shown += page.count("<summary>note")
    (left,) = re.findall(r"^The details of (\d+) more places have no room here\.$", page, re.M)
    assert shown + int(left) == count
    assert shown > 5
    assert page.count("<details>") == page.count("</details>")


def test_what_is_said_at_the_end_is_bounded() -> None:
    many = tuple(replace(ALLOWED, location=Location("f" * 900, n)) for n in range(500))
    page = render_markdown(LintResult("6.18", (), many, config="c" * 5_000))
    assert len(page) < 20_000
    (rest,) = re.findall(r"^- and (\d+) more$", page, re.MULTILINE)
    assert page.count("\n- warning CT501") + int(rest) == 500


def test_the_same_result_gives_the_same_bytes() -> None:
    assert render_markdown(_many(30)) == render_markdown(_many(30))
