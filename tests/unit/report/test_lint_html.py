# SPDX-License-Identifier: GPL-2.0-only
"""The HTML report as a text: its structure, what it lets in, and hostile names. tests/browser asks
what a browser makes of it.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ctlint.finding import (
    Compared,
    Fix,
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
from ctlint.lint.registry import shipped_rules
from ctlint.report.lint_html import render_html
from ctlint.report.places import FULL_SHOWN
from ctlint.wire.addresses import Family
from tests.unit.report.results import EXAMPLE, HOSTILE, LOST_FIN, hostile_result

VOID = {"meta", "input", "br", "hr", "img"}
KNOWN_TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "nav", "main", "footer"),
    *("section", "article", "figure", "figcaption", "div", "p", "h1", "h2", "h3", "h4", "h5"),
    *("ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "pre"),
    *("code", "span", "strong", "em", "a", "details", "summary", "fieldset", "legend", "label"),
    *("input", "svg", "path", "text"),
}


class Tree(HTMLParser):
    """Reads a page and holds it to its form: all elements are closed, in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def attributes(self, name: str) -> list[str]:
        return [value for _, found in self.tags if (value := found.get(name)) is not None]


def page_of(result: LintResult) -> str:
    return render_html(result, version="0.1.0", rules=shipped_rules())


def test_the_example() -> None:
    tree = Tree(page_of(EXAMPLE))
    headings = re.findall(r"<h[12][^>]*>(.*?)</h", page_of(EXAMPLE))
    assert headings == ["1 error", "Findings", "Not decided", "Suppressed", "Inputs", "Rules"]
    for said in (
        "in 1 file (24 rules), kernel 6.18; 1 suppressed",
        "certain · client · IPv4",
        "rules.v4:37:1 filter/OUTPUT, rule 9",
        "37 │ -A OUTPUT -m state --state INVALID -j DROP\n   │ " + "^" * 42,
        "FIN,ACK from the client, no entry: INVALID in filter/OUTPUT",
        "local socket: FIN_WAIT_1 for 102 to 158 s; the peer stays ESTABLISHED",
        "Accept INVALID packets that have FIN or RST ahead of this rule.",
        "@@ -36,0 +37,1 @@\n+-A OUTPUT -p tcp -m conntrack --ctstate INVALID",
        "entries live for 120 s, sysctl:12:1: net.netfilter",
        "-m set --match-set office src: the members of the set are not known (rules.v4:14)",
        "warning CT501 sysctl:3:1: no clients behind NAT (the comment at sysctl:2)",
        "idle=600 s (10 min)",
        "INVALID dropped by filter/OUTPUT#1",
        "Flags a rule that drops INVALID packets",
    ):
        assert said in tree.text, said
    # CT501 is suppressed, and its page is there all the same.
    assert {"CT101", "CT501"} <= {*tree.attributes("id")}


def test_it_lets_in_its_style_and_nothing_else() -> None:
    page = page_of(EXAMPLE)
    tree = Tree(page)
    assert {tag for tag, _ in tree.tags} <= KNOWN_TAGS
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [
        found["content"] for tag, found in tree.tags if found.get("http-equiv") is not None
    ]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert tree.attributes("style") == []
    assert tree.attributes("src") == []
    assert "url(" not in style
    assert "@import" not in style
    assert not any(name.startswith("on") for _, found in tree.tags for name in found)


def test_ids_are_one_and_links_lead_somewhere() -> None:
    every = LintResult(
        "6.18",
        (),
        tuple(
            replace(LOST_FIN, rule=rule.id, name=rule.name, location=Location("f", number))
            for number, rule in enumerate(shipped_rules(), 1)
        ),
    )
    tree = Tree(page_of(every))
    ids = tree.attributes("id")
    assert len(ids) == len({*ids})
    for target in tree.attributes("href"):
        assert target.startswith("https://") or target.removeprefix("#") in ids, target
    for name in tree.attributes("aria-labelledby"):
        assert name in ids
    assert sum(tag == "article" for tag, _ in tree.tags) == 2 * len(shipped_rules())


def test_nothing_is_found() -> None:
    tree = Tree(page_of(LintResult("6.18", (), ())))
    assert "No findings" in tree.text
    assert tree.attributes("href") == ["#findings", "#findings"]


def test_hosts_and_what_is_left_out() -> None:
    hosts = tuple(
        replace(LOST_FIN, host=f"h{n}", location=replace(LOST_FIN.location, file=f"h{n}/rules"))
        for n in range(300)
    )
    inputs = tuple(
        InputSummary(f"h{n}/rules", Family.IPV4, 24, (), host=f"h{n}") for n in range(300)
    )
    bad = Skipped("h999", SkipReason.FAULT, (Trouble("a fault"),))
    tree = Tree(page_of(LintResult("6.18", inputs, hosts, skipped=(bad,))))
    assert "300 errors of 1 cause" in tree.text
    assert "h999: a fault" in tree.text
    assert "on 300 hosts: h0, h1, h2 and 297 more" in tree.text
    assert "h199/rules:37:1and 100 more" in tree.text
    assert sum(tag == "article" for tag, _ in tree.tags) == 2  # of the cause, and of its rule


def test_roles_fixes_and_a_baseline() -> None:
    server = replace(LOST_FIN, role=Role.SERVER, fix=Fix("weighty", (), is_safe=False))
    gone = {Identity("CT102", "server", "", "filter", "INPUT", "-A INPUT"): 1}
    result = LintResult("6.18", (), (server, LOST_FIN), baseline=Compared("b.json", 3, gone))
    tree = Tree(page_of(result))
    assert "Fix as a patch (weigh it)weighty" in tree.text
    assert "CT102 filter/INPUT (server): -A INPUT" in tree.text
    # The first role's picture is open, the other's is not.
    details = [found for tag, found in tree.tags if tag == "details"]
    assert ["open" in found for found in details][:2] == [True, False]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    page = page_of(hostile_result(text))
    tree = Tree(page)
    tame = Tree(page_of(hostile_result("x")))
    assert [tag for tag, _ in tree.tags] == [tag for tag, _ in tame.tags]
    assert [set(found) for _, found in tree.tags] == [set(found) for _, found in tame.tags]
    assert tree.attributes("href") == tame.attributes("href")
    assert all(char.isprintable() or char == "\n" for char in page)
    if text.isprintable():
        assert f"The chain {text} drops it." in tree.text


def many(count: int) -> LintResult:
    severities = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    return LintResult(
        "6.18",
        (),
        tuple(
            replace(
                LOST_FIN,
                severity=severities[number % 3],
                location=replace(LOST_FIN.location, line=number),
            )
            for number in range(1, count + 1)
        ),
    )


def test_a_large_report_is_bounded_and_the_same_each_time() -> None:
    page = page_of(many(1_000))
    assert len(page) < 3_000_000
    assert page.count("<svg") == FULL_SHOWN
    assert f"Witnesses are drawn for the first {FULL_SHOWN} places of each rule" in page
    assert page == page_of(many(1_000))
