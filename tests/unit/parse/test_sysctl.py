# SPDX-License-Identifier: GPL-2.0-only
"""The three formats of kernel settings, their errors, and the fast path beside the grammar."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctlint.ir.span import Span
from ctlint.ir.sysctl import Entry, Exclusion, Setting
from ctlint.parse import sysctl
from ctlint.parse.errors import MAX_PROBLEMS, ParseError, Problem
from ctlint.parse.sysctl import MAX_LINE_LENGTH, parse_sysctl
from tests.corpus import corpus_files


def _pairs(text: str) -> list[tuple[str, str | None]]:
    """Keys and values; None for an exclusion."""
    return [
        (entry.key, entry.value if isinstance(entry, Setting) else None)
        for entry in parse_sysctl(text, "t").entries
    ]


def _problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ParseError) as caught:
        parse_sysctl(text, "t")
    return caught.value.problems


def test_sysctl_conf_sample() -> None:
    """The sample of sysctl.conf(5)."""
    text = (
        "# sysctl.conf sample\n"
        "#\n"
        "  kernel.domainname = example.com\n"
        "; this one has a space which will be written to the sysctl!\n"
        "  kernel.modprobe = /sbin/mod probe\n"
    )
    assert _pairs(text) == [
        ("kernel.domainname", "example.com"),
        ("kernel.modprobe", "/sbin/mod probe"),
    ]


def test_sysctl_d_synopsis() -> None:
    """The lines of the synopsis of sysctl.d(5); in canonical keys a slash is a dot in a name."""
    text = (
        "key.name.under.proc.sys = some value\n"
        "key/name/under/proc/sys = some value\n"
        "key/middle.part.with.dots/foo = 123\n"
        "key.middle/part/with/dots.foo = 123\n"
        "-key.that.will.not.fail = value\n"
        "key.pattern.*.with.glob = whatever\n"
        "-key.pattern.excluded.with.glob\n"
        "key.pattern.overridden.with.glob = custom\n"
    )
    assert _pairs(text) == [
        ("key.name.under.proc.sys", "some value"),
        ("key.name.under.proc.sys", "some value"),
        ("key.middle/part/with/dots.foo", "123"),
        ("key.middle/part/with/dots.foo", "123"),
        ("key.that.will.not.fail", "value"),
        ("key.pattern.*.with.glob", "whatever"),
        ("key.pattern.excluded.with.glob", None),
        ("key.pattern.overridden.with.glob", "custom"),
    ]
    entries = parse_sysctl(text, "t").entries
    assert [entry.is_glob for entry in entries] == [False] * 5 + [True] + [False] * 2
    ignoring = [isinstance(entry, Setting) and entry.ignore_errors for entry in entries]
    assert ignoring == [False] * 4 + [True] + [False] * 3


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("net.ipv4.tcp_rmem = 4096\t131072\t6291456", "4096\t131072\t6291456"),
        ("net.ipv4.ip_local_reserved_ports = ", ""),
        ("kernel.core_pattern = |/bin/apport -p%p -s=%s", "|/bin/apport -p%p -s=%s"),
        # systemd-sysctl and sysctl write the quotes: the kernel refuses them for a number
        ('net.ipv4.ip_default_ttl = "55"', '"55"'),
        ("a.b=1", "1"),
        ("a.b = 1 # no comment", "1 # no comment"),
        ("a.b = ü", "ü"),
        ("a.b = \udcff", "\udcff"),
        ("\ta.b\t=\t1 \t", "1"),
        ("a.b = 1\r", "1"),
        ("a.b==1", "=1"),
    ],
)
def test_value(line: str, value: str) -> None:
    for text in (line, line + "\n", f"\n{line}\n"):
        assert [found for _, found in _pairs(text)] == [value]


def test_place_of_a_setting() -> None:
    text = "# x\n\n  -net.ipv4.tcp_sack = 0  \r\n-a.é\n"
    assert parse_sysctl(text, "f").entries == (
        Setting("net.ipv4.tcp_sack", "net.ipv4.tcp_sack", "0", True, Span("f", 3, 3, 25)),
        Exclusion("a.é", "a.é", Span("f", 4, 1, 5)),
    )


@pytest.mark.parametrize(
    "line",
    [
        'sysctl: permission denied on key "net.ipv4.route.flush"',
        "sysctl: permission denied on key 'fs.protected_fifos'",
        'sysctl: reading key "net.ipv6.conf.all.stable_secret"',
        "sysctl: cannot stat /proc/sys/net/x: No such file or directory",
        "error: permission denied on key 'net.ipv4.route.flush'",
        'error: "Invalid argument" reading key "fs.binfmt_misc.register"',
        "sysctl: error reading key 'net.ipv4.route.flush': Permission denied",
        "",
        " \t",
        "\r",
        "# net.ipv4.tcp_sack = 0",
        " ; ü = 1",
    ],
)
def test_lines_that_set_nothing(line: str) -> None:
    assert _pairs(f"{line}\na.b = 1\n") == [("a.b", "1")]


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("net.ipv4.tcp_sack", 1, "no '=' after the key 'net.ipv4.tcp_sack'"),
        ("  net.ipv4.x: 1", 15, "expected '=' after the key 'net.ipv4.x:', found '1'"),
        ("= 1", 1, "expected a key, found '='"),
        ("-", 2, "no key after '-'"),
        ("--a.b = 1", 2, "expected a key, found '-'"),
        ("sysctl -w a.b=1", 8, "expected '=' after the key 'sysctl', found '-'"),
        ("a b = 1", 3, "expected '=' after the key 'a', found 'b'"),
        ("a\u00a0= 1", 2, "expected '=' after the key 'a', found '\\xa0'"),
        ("\ufeffa.b = 1", 1, "byte order mark"),
        ("a.b = \x001", 7, "control character U+0000"),
        ("#\x00", 2, "control character U+0000"),
        ("a.b = 1\rc.d = 2", 8, "control character U+000D"),
        ("/ = 1", 1, "the key '/' has no name"),
        ("net/../kernel/x = 1", 1, "leads out of its folder"),
        ("net.ipv4.conf.{eth,lo}*.rp_filter = 1", 1, "'{' in a glob"),
        ("net.ipv4.conf.[[:alpha:]]*.rp_filter = 1", 1, "'[:' in a glob"),
        ("-net.ipv4.conf.l\\o*.rp_filter", 1, "'\\\\' in a glob"),
        ("a.b = " + "1" * MAX_LINE_LENGTH, 1, "the line has 65542 characters"),
    ],
)
def test_a_line_that_is_no_setting(line: str, column: int, message: str) -> None:
    (problem,) = _problems(f"a.b = 1\n{line}\nc.d = 1\n")
    place = (problem.span.file, problem.span.line, problem.span.column)
    assert place == ("t", 2, column)
    assert message in problem.message


def test_every_problem_of_a_file() -> None:
    assert [found.span.line for found in _problems("=\na.b = 1\nx\n\ny z\n")] == [1, 3, 5]


def test_problems_are_bounded() -> None:
    found = _problems("=\n" * (MAX_PROBLEMS + 50))
    assert len(found) == MAX_PROBLEMS
    assert "there are more problems" in found[-1].message
    assert len(_problems("=\n" * (MAX_PROBLEMS - 1))) == MAX_PROBLEMS - 1


def test_longest_line() -> None:
    value = "1" * (MAX_LINE_LENGTH - len("a.b = "))
    assert _pairs(f"a.b = {value}") == [("a.b", value)]


@pytest.mark.parametrize(
    "line",
    [
        "a" + " " * 60_000 + "\x01",
        "a = " + " " * 60_000 + "\x01",
        "a = b" + " " * 60_000 + "\x01",
        "a = " + "b " * 30_000 + "\x01",
        " " * 60_000 + "\x01",
    ],
    ids=["key", "equals", "value", "words", "blank"],
)
def test_blanks_take_linear_time(line: str) -> None:
    start = time.process_time()
    _problems(line)
    assert time.process_time() - start < 1


# -- the fast path beside the grammar ------------------------------------------------------------

_BLANKS = [" ", "\t", "\r", "\u00a0", "\x85"]
_WORDS = ["net.ipv4", "a", "1", "é", "\ufeff", "\x00", "\udc80", "sysctl: ", "error: x=1"]
_PIECES = st.sampled_from([*'/.*{\\-=#;"', "..", "[a]", " = ", *_BLANKS, *_WORDS])
_LINES = st.lists(_PIECES, max_size=10).map("".join) | st.text(
    st.characters(exclude_characters="\n"), max_size=20
)


def _outcome(line: str, *, by_grammar: bool) -> Entry | Problem | None:
    read = sysctl._read_by_grammar if by_grammar else sysctl._read_line
    try:
        return read(line, "t", 1)
    except sysctl._LineError as error:
        return error.problem


@given(line=_LINES)
@example("net.netfilter.nf_conntrack_max = 262144")
@example("- a = 1")
@example(" #\t\r")
def test_fuzz_fast_path_reads_as_the_grammar(line: str) -> None:
    assert _outcome(line, by_grammar=False) == _outcome(line, by_grammar=True)


def test_common_lines_take_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(line: str, file: str, number: int) -> Entry | None:
        raise AssertionError(line)

    monkeypatch.setattr(sysctl, "_read_by_grammar", refuse)
    parse_sysctl("# c\n\n;c\nnet.ipv4.x = 1\n-a/b=2\r\nnet.ipv4.conf.*.rp_filter = \n", "t")


@given(text=st.text() | st.lists(_LINES).map("\n".join))
def test_fuzz_only_parse_errors(text: str) -> None:
    try:
        entries = parse_sysctl(text, "t").entries
    except ParseError as error:
        spans = [problem.span for problem in error.problems]
        assert 1 <= len(spans) <= MAX_PROBLEMS
        assert spans == sorted(spans)
    else:
        spans = [entry.span for entry in entries]
    lines = text.split("\n")
    for span in spans:
        assert 1 <= span.column <= span.end_column <= len(lines[span.line - 1]) + 1


# -- real hosts ----------------------------------------------------------------------------------


@pytest.mark.corpus
@pytest.mark.parametrize(
    "path", corpus_files("generated/*/sysctl-a.txt"), ids=lambda p: p.parent.name
)
def test_dumps_of_real_hosts(path: Path) -> None:
    """Every line of ``sysctl -a`` is ``key = value``; nothing is lost or changed."""
    text = path.read_text(encoding="utf-8")
    parsed = parse_sysctl(text, path.name)
    written = [
        f"{entry.raw_key} = {entry.value}" for entry in parsed.entries if isinstance(entry, Setting)
    ]
    assert written == [line.rstrip("\t") for line in text.splitlines()]
    assert all(entry.key == entry.raw_key for entry in parsed.entries)
