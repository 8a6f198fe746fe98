# SPDX-License-Identifier: GPL-2.0-only
"""Texts that show what a host is doing: fast paths against the grammars, hostile text."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from time import process_time
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ctlint.analysis.diagnose import diagnose
from ctlint.analysis.settings import BadSettingError, Settings
from ctlint.model.kernel.profiles import profile
from ctlint.parse import conntrack, kernel_log, ss
from ctlint.parse.conntrack import parse_conntrack
from ctlint.parse.counters import parse_counters
from ctlint.parse.errors import MAX_PROBLEMS, ParseError
from ctlint.parse.kernel_log import parse_kernel_log
from ctlint.parse.ss import parse_ss
from ctlint.report.diagnosis_json import render_diagnosis_json
from ctlint.report.diagnosis_text import render_diagnosis
from ctlint.source.errors import SourceError
from ctlint.source.evidence_folders import read_evidence
from tests.fuzz.mutants import edits, mutants
from tests.fuzz.properties import assert_inside

Reader = Callable[[str, str], Any]

_SOCKETS = (
    "FIN-WAIT-1 0 1 127.0.0.1:54348 127.0.0.1:80 timer:(persist,6.488ms,5) ino:0 sk:2 ---",
    'LISTEN 0 2 [::]:80 *:* users:(("a",pid=2,fd=3)) ino:1 <->',
    "ESTAB 0 0 [fe80::1]%e:22 [::ffff:1.2.3.4]:5 timer:(on,1min5sec,0)",
)
_ENTRIES = (
    "tcp      6 118 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport=5 dport=80 [UNREPLIED] "
    "src=10.0.0.2 dst=10.0.0.1 sport=80 dport=5 mark=0 use=1",
    "ipv6     10 tcp      6 60 CLOSE src=fd00::1 dst=fd00::2 sport=1 dport=2 packets=1 bytes=2 "
    "src=fd00::2 dst=fd00::1 sport=2 dport=1 packets=3 bytes=4 [ASSURED] mark=0 zone=0 use=1",
)
_LOG = (
    "[1.5] p IN= OUT=eth0 SRC=10.0.0.5 DST=10.0.0.9 LEN=52 TTL=64 ID=7 DF PROTO=TCP SPT=44321 "
    "DPT=443 WINDOW=502 RES=0x00 ACK FIN URGP=0 ",
)
_COUNTERS = ("#kernel", "TcpInSegs 5 0.0", "Tcp:", "    5 segments received", "TcpExt: A 5")
_READERS: dict[Reader, tuple[str, ...]] = {
    parse_ss: (*_SOCKETS, "State Recv-Q Send-Q Local", "\t cubic rto:204 backoff:3"),
    parse_conntrack: _ENTRIES,
    parse_counters: _COUNTERS,
    parse_kernel_log: (*_LOG, "nf_conntrack: table full, dropping packet", "x SYN flooding on"),
}
_NEVER = re.compile(r"(?!)")


def _outcome(read: Reader, text: str) -> Any:
    try:
        return read(text, "f")
    except ParseError as error:
        assert len(error.problems) <= MAX_PROBLEMS + 1
        for problem in error.problems:
            assert_inside(problem, text)
        return error.problems


@pytest.mark.parametrize("read", _READERS, ids=lambda read: read.__name__)
@given(data=st.data())
def test_any_text(read: Reader, data: st.DataObject) -> None:
    line = st.one_of(
        st.text(max_size=60),
        st.sampled_from(_READERS[read]),
        st.sampled_from(_READERS[read]).flatmap(mutants),
        st.binary(max_size=60).map(lambda found: found.decode("utf-8", "surrogateescape")),
    )
    _outcome(read, "\n".join(data.draw(st.lists(line, max_size=6))))


@pytest.mark.parametrize(
    ("module", "read", "names", "lines"),
    [
        (ss, parse_ss, ("_PLAIN", "_PLAIN_INFO"), _SOCKETS),
        (conntrack, parse_conntrack, ("_PLAIN",), _ENTRIES),
        (kernel_log, parse_kernel_log, ("_PLAIN",), _LOG),
    ],
    ids=["ss", "conntrack", "kernel_log"],
)
def test_fast_paths_read_what_the_grammars_read(
    module: Any, read: Reader, names: tuple[str, ...], lines: tuple[str, ...]
) -> None:
    compared = 0
    for line in lines:
        for text in (line, *edits(line)):
            fast = _outcome(read, text)
            if module._PLAIN.fullmatch(text) is None:
                continue
            with ExitStack() as stack:
                for name in names:
                    stack.enter_context(patch.object(module, name, _NEVER))
                assert _outcome(read, text) == fast, text
            compared += 1
    assert compared > 100


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (parse_ss, "ESTAB 0 0 1.1.1.1:1 1.1.1.1:2 " + "a:" * 5_000),
        (parse_ss, "ESTAB 0 0 1.1.1.1:1 1.1.1.1:2\n\t " + "a" * 9_000 + '"'),
        (parse_ss, "ESTAB 0 0 1.1.1.1:1 1.1.1.1:2\n\t " + "a " * 4_500 + '"'),
        (parse_ss, "ESTAB 0 0 1.1.1.1:1 1.1.1.1:2 " + "users:((" * 1_200),
        (parse_ss, "ESTAB" + " " * 10_000 + "x"),
        (parse_conntrack, _ENTRIES[0] + " " + "a=b " * 2_500 + '"'),
        (parse_conntrack, _ENTRIES[0] + " " + "a=" * 4_500),
        (parse_conntrack, "tcp 6 5 " + "src=1 " * 1_600),
        (parse_kernel_log, ("a" * 200 + " IN= OUT=") * 45),
        (parse_kernel_log, "IN= OUT= SRC=1 DST=2 " + "A=B " * 2_400),
        (parse_kernel_log, "IN= " * 2_400 + "OUT="),
        (parse_counters, "Tcp: " + "A " * 5_000),
        (parse_counters, "#" * 10_000),
        (parse_ss, "x\n" * 1_000_000),
        (parse_conntrack, "x\n" * 1_000_000),
    ],
)
def test_hostile_text_costs_little(read: Reader, text: str) -> None:
    begun = process_time()
    _outcome(read, text)
    assert process_time() - begun < 5


_FILES = {
    "uname": ("6.18.44", "Linux gw 5.10.0 x"),
    "date": ("2026-11-30T02:51:30Z", "Mon Nov 30 02:12:13 UTC 2026", "1796000000"),
    "ss": (*_SOCKETS, "CLOSE-WAIT 1 0 10.0.0.1:5 10.0.0.2:80 ino:7", "\t rto:204 lastsnd:90000"),
    "conntrack": _ENTRIES,
    "nstat": _COUNTERS,
    "dmesg": _LOG,
    "sysctl": ("net.ipv4.tcp_orphan_retries = 3", "net.ipv4.tcp_retries2 = 99999999"),
    "iptables-save": ("*filter", "-A OUTPUT -m state --state INVALID -j DROP", "COMMIT"),
    "ip-rule": ('[{"priority":0,"src":"all","table":"local"}]', "["),
    "ip-route": ('[{"dst":"default","dev":"eth0"}]', '[{"dst":"x"}]', "[" * 5_000),
    "manifest": ("ctlint-evidence 1", "dmesg: missing: no"),
}


@given(data=st.data())
def test_folders(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the files of a folder hold: a diagnosis, or errors that say where."""
    folder = tmp_path_factory.mktemp("evidence")
    for name, lines in _FILES.items():
        for suffix in ("", ".later"):
            line = st.sampled_from(lines) | st.sampled_from(lines).flatmap(mutants)
            kept = data.draw(st.none() | st.lists(line, max_size=4))
            if kept is not None:
                text = "\n".join(kept) + data.draw(st.sampled_from(["\n", ""]))
                data_bytes = text.encode("utf-8", "surrogateescape")
                (folder / f"{name}{suffix}").write_bytes(data_bytes)
    try:
        evidence = read_evidence(str(folder))
        found = diagnose(evidence, Settings(evidence.sysctls, profile("6.18")))
    except (ParseError, SourceError, BadSettingError):
        return
    json.loads(render_diagnosis_json(found))
    render_diagnosis(found, console=Console(file=io.StringIO(), width=80))
