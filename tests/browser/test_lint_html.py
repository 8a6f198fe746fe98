# SPDX-License-Identifier: GPL-2.0-only
"""The HTML report in a real browser, with the network off: what it tries, how it fits, and what
hostile names can do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ctlint.finding import LintResult, Severity
from ctlint.lint.registry import shipped_rules
from ctlint.report.html_style import STYLE
from ctlint.report.lint_html import render_html
from tests.unit.cli.running import ctlint
from tests.unit.report.results import EXAMPLE, HOSTILE, LOST_FIN, hostile_result
from tools.browser import Browser, find_chromium

ATTACKS = {
    **HOSTILE,
    "script": "<script>console.log('alive')</script>",
    "end of style": "</style><script>console.log('alive')</script><style>body{display:none}",
    "end of title": "</title></head><body onload=console.log('alive')>",
    "attribute": "\" onmouseover=\"console.log('alive')\" autofocus onfocus=\"console.log('alive')",
    "single quotes": "' onerror='console.log(1)' src='x",
    "image": "<img src=https://example.org/x onerror=console.log('alive')>",
    "link": "<a href=\"javascript:console.log('alive')\">x</a> javascript:console.log(1)",
    "frame": "<iframe srcdoc='<script>parent.console.log(1)</script>'></iframe>",
    "svg": "</text></svg><svg onload=console.log('alive')><foreignObject>",
    "refresh": "<meta http-equiv=refresh content='0;url=https://example.org'>",
    "comment": "--> <!-- ]]> <![CDATA[",
    "entity": "&lt;script&gt; &#60;script&#62; &amp;",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("chromium is absent (apt-get install chromium)")
    with Browser(program) as found:
        yield found


def write(folder: Path, result: LintResult) -> Path:
    file = folder / "report.html"
    file.write_text(render_html(result, version="0.1.0", rules=shipped_rules()), encoding="utf-8")
    return file


def test_a_page_that_does_something_is_noticed(browser: Browser, tmp_path: Path) -> None:
    """The other tests could fail."""
    page = tmp_path / "page.html"
    page.write_text("<script>console.log('alive');x.y</script><img src='https://example.org/x'>")
    browser.open(page, width=800)
    assert any("alive" in said for said in browser.told)
    assert any("ReferenceError" in said for said in browser.told)
    assert browser.requests == ["https://example.org/x"]
    guarded = tmp_path / "guarded.html"
    guarded.write_text(write(tmp_path, EXAMPLE).read_text().replace("<main>", page.read_text()))
    browser.open(guarded, width=800)
    assert any("Content Security Policy" in said for said in browser.told)
    assert not any("'alive'" in said for said in browser.told)


def test_the_report_of_the_example(browser: Browser, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = ctlint(["lint", "examples/fin-wait-1", "--format", "html", "--output", report])
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    browser.open(report, width=1100)
    assert (browser.told, browser.requests, browser.dialogs) == ([], [], [])
    assert browser.evaluate("document.title") == "ctlint: 5 errors, 1 warning"
    headings = browser.evaluate("[...document.querySelectorAll('h1,h2')].map(e => e.innerText)")
    assert headings == ["5 errors, 1 warning", "Findings", "Inputs", "Rules"]
    assert browser.evaluate("document.querySelectorAll('article.finding').length") == 3
    picture = browser.evaluate("document.querySelector('svg.ladder').getAttribute('aria-label')")
    assert picture == (
        "SYN 0 from the client, NEW, arrives; SYN,ACK 0:1 from the server, ESTABLISHED, arrives; "
        "ACK 1:1 from the client, ESTABLISHED, arrives; 120 s of silence: the entry is forgotten; "
        "FIN,ACK 1:1 from the server, INVALID, dropped by filter/INPUT policy"
    )
    landmarks = "[...document.querySelectorAll('header,nav,main,footer')].map(e => e.tagName)"
    assert browser.evaluate(landmarks) == ["HEADER", "NAV", "MAIN", "FOOTER"]


@pytest.mark.parametrize("width", [360, 480, 700, 1100, 1600])
def test_it_fits(browser: Browser, tmp_path: Path, width: int) -> None:
    long = replace(LOST_FIN, message="x" * 300, remedy=f"Try `{'y' * 300}`.", ports=("9" * 300,))
    result = replace(EXAMPLE, findings=(long, *EXAMPLE.findings))
    browser.open(write(tmp_path, result), width=width)
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    outside = (
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll,pre') && "
        f"e.getBoundingClientRect().right > {width}).map(e => e.tagName)"
    )
    assert browser.evaluate(outside) == []


def test_what_the_boxes_hide(browser: Browser, tmp_path: Path) -> None:
    severities = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    findings = [
        replace(LOST_FIN, severity=each, location=replace(LOST_FIN.location, line=number))
        for number, each in enumerate(severities, 1)
    ]
    browser.open(write(tmp_path, LintResult("6.18", (), tuple(findings))), width=900)
    seen = "[...document.querySelectorAll('article.finding')].map(e => e.offsetHeight > 0)"
    assert browser.evaluate(seen) == [True, True, True]
    # With the keyboard alone: behind the link that skips, the boxes are first.
    for _ in range(3):
        browser.press("Tab")
    assert browser.evaluate("document.activeElement.id") == "show-warning"
    browser.press(" ")
    assert browser.evaluate(seen) == [True, False, True]


def test_print_has_everything_unfolded(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, EXAMPLE), width=800)
    folded = (
        "[...document.querySelectorAll('details:not([open]) > :not(summary)')]"
        ".map(e => e.checkVisibility() && e.getBoundingClientRect().height > 0)"
    )
    assert set(browser.evaluate(folded)) == {False}
    browser.show_as("print")
    browser.evaluate("document.body.offsetHeight")  # the page is laid out anew
    assert set(browser.evaluate(folded)) == {True}
    hidden = "['nav', 'fieldset'].every(e => !document.querySelector(e)?.offsetHeight)"
    assert browser.evaluate(hidden) is True


# WCAG 2.2, 1.4.3: text has a contrast of 4.5, large or bold one of 3. Colours of pictures too.
CONTRAST = """
(() => {
  const light = c => { const v = c.map(x => { x /= 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
  const read = c => c.match(/[\\d.]+/g).map(Number);
  const behind = e => { for (; e; e = e.parentElement) {
    const c = read(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
  const bad = new Set();
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e);
    const own = read(e.closest('svg') ? style.fill : style.color).slice(0, 3);
    const [a, b] = [light(own), light(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.add(`${e.tagName}.${e.getAttribute('class')} ${ratio.toFixed(2)}`);
  }
  return [...bad];
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(browser: Browser, tmp_path: Path, scheme: str) -> None:
    note = replace(LOST_FIN, severity=Severity.NOTE)
    warning = replace(LOST_FIN, severity=Severity.WARNING)
    result = replace(EXAMPLE, findings=(*EXAMPLE.findings, warning, note))
    browser.open(write(tmp_path, result), width=1000, scheme=scheme)
    browser.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
    assert browser.evaluate(CONTRAST) == []
    page = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert page == {"light": "rgb(243, 245, 248)", "dark": "rgb(5, 8, 12)"}[scheme]


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
def test_hostile_names_do_nothing(browser: Browser, tmp_path: Path, text: str) -> None:
    result = replace(hostile_result(text), kernel=f"6.18{text}", config=text)
    browser.open(write(tmp_path, result), width=800)
    assert (browser.told, browser.requests, browser.dialogs) == ([], [], [])
    elements = "document.querySelectorAll('script,img,iframe,object,embed,link,form').length"
    assert browser.evaluate(elements) == 0
    assert browser.evaluate("document.querySelectorAll('style').length") == 1
    assert browser.evaluate("document.querySelector('style').textContent") == STYLE
    assert browser.evaluate("document.querySelectorAll('svg').length") == 0
    handlers = (
        "[...document.querySelectorAll('*')].some(e => [...e.attributes].some("
        "a => a.name.startsWith('on') || /^\\s*javascript:/i.test(a.value)))"
    )
    assert browser.evaluate(handlers) is False
    shown: Any = browser.evaluate("document.querySelector('.says').textContent")
    assert shown.isprintable()
    if text.isprintable():
        assert shown == f"The chain {text} drops it."


def test_a_thousand_findings(browser: Browser, tmp_path: Path) -> None:
    findings = [
        replace(LOST_FIN, location=replace(LOST_FIN.location, line=number))
        for number in range(1, 1_001)
    ]
    report = write(tmp_path, LintResult("6.18", (), tuple(findings)))
    assert report.stat().st_size < 3_000_000
    browser.open(report, width=1000)
    assert (browser.told, browser.requests) == ([], [])
    assert browser.evaluate("document.querySelectorAll('article.finding').length") == 1_000
