# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint kernel`` against the kernel's own table and what measured kernels answered."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.unit.cli.running import ctlint

# nf_conntrack_proto_tcp.c of Linux 6.18, tcp_conntracks, in the order of its rows.
ORIGINAL = (
    "sSS sSS sIG sIG sIG sIG sIG sSS sSS sS2",
    "sIV sIV sSR sIV sIV sIV sIV sIV sIV sSR",
    "sIV sIV sFW sFW sLA sLA sLA sTW sCL sIV",
    "sES sIV sES sES sCW sCW sTW sTW sCL sIV",
    "sIV sCL sCL sCL sCL sCL sCL sCL sCL sCL",
    "sIV sIV sIV sIV sIV sIV sIV sIV sIV sIV",
)
REPLY = (
    "sIV sS2 sIV sIV sIV sIV sIV sSS sIV sS2",
    "sIV sSR sIG sIG sIG sIG sIG sIG sIG sSR",
    "sIV sIV sFW sFW sLA sLA sLA sTW sCL sIV",
    "sIV sIG sSR sES sCW sCW sTW sTW sCL sIG",
    "sIV sCL sCL sCL sCL sCL sCL sCL sCL sCL",
    "sIV sIV sIV sIV sIV sIV sIV sIV sIV sIV",
)
CLASSES = ("syn", "synack", "fin", "ack", "rst", "none")


def kernel_json(*arguments: str) -> dict[str, Any]:
    done = ctlint(["kernel", *arguments, "--format", "json"])
    assert (done.returncode, done.stderr) == (0, "")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def kernel_text(*arguments: str, columns: int = 100) -> str:
    done = ctlint(["kernel", *arguments], COLUMNS=str(columns))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    return done.stdout


def test_the_state_table_is_the_kernels() -> None:
    table = kernel_json("6.18")["state_table"]
    for direction, rows in (("orig", ORIGINAL), ("reply", REPLY)):
        expected = {name: row.split() for name, row in zip(CLASSES, rows, strict=True)}
        assert table[direction] == expected


def test_text_shows_the_table_with_the_kernels_names() -> None:
    lines = [" ".join(line.split()) for line in kernel_text("6.18").split("\n")]
    head = "sNO sSS sSR sES sFW sCW sLA sTW sCL sS2"
    for direction, rows in (("original", ORIGINAL), ("reply", REPLY)):
        at = lines.index(f"{direction} {head}")
        expected = [f"{name} {row}" for name, row in zip(CLASSES, rows, strict=True)]
        assert lines[at + 1 : at + 7] == expected


def test_an_older_table_has_the_older_cells() -> None:
    # "64f509ce71b0": before 3.6 a SYN/ACK of the original direction was ignored.
    cells = kernel_json("3.5")["state_table"]["orig"]["synack"]
    assert " ".join(cells) == "sIV sIV sIG sIG sIG sIG sIG sIG sIG sSR"
    assert kernel_json("3.16")["state_table"]["reply"]["syn"][7] == "sIV"
    assert kernel_json("3.18")["state_table"]["reply"]["syn"][7] == "sSS"


def first_packets(kernel: str) -> dict[str, tuple[Any, ...]]:
    found = {}
    for row in kernel_json(kernel)["first_packet"]:
        answers = tuple(
            (row[loose]["ctstate"], row[loose]["entry"], row[loose]["seconds"])
            for loose in ("loose", "strict")
        )
        for flags in row["flags"] or ["other"]:
            found[flags] = answers
    return found


def test_first_packets_are_what_a_live_kernel_answered() -> None:
    invalid = ("INVALID", None, None)
    syn = ("NEW", "SYN_SENT", 120)
    picked_up = ("NEW", "ESTABLISHED", 300)
    assert first_packets("6.18") == {
        **dict.fromkeys(("S", "SU"), (syn, syn)),
        **dict.fromkeys(("A", "AU"), (picked_up, invalid)),
        **dict.fromkeys(("SA", "FA", "FAU", "R", "RA", "other"), (invalid, invalid)),
    }


def test_before_3_10_a_connection_that_was_picked_up_lived_for_five_days() -> None:
    assert first_packets("3.9")["A"][0] == ("NEW", "ESTABLISHED", 432000)
    assert "ACK | ACK,URG" in kernel_text("3.9")
    assert "NEW, ESTABLISHED 432000 s" in kernel_text("3.9")
    assert "NEW, ESTABLISHED 300 s" in kernel_text("3.10")


def test_changes_are_named_with_commit_and_release() -> None:
    text = kernel_text("5.10")
    lacks, has = text.split("Changes that it has")
    assert re.search(r"^ +6\.1 +d9a6f0d0df18 +Old data, old ACKs", lacks, re.MULTILINE)
    assert re.search(r"^ +3\.6 +64f509ce71b0\? +A SYN/ACK from the original", has, re.MULTILINE)
    # A repeated SYN keeps its timer since 5.14, and since 5.10.166 of its branch.
    assert re.search(
        r"5\.14 +e15d4cdf27cb +A repeated SYN does not[^.]*\.\s+\(backport:\s+5\.10\.166\)", has
    )
    features = {one["name"]: one for one in kernel_json("5.10")["features"]}
    assert features["OLD_SEGMENTS_IGNORED"]["present"] is False
    assert features["SYN_RETRANSMISSION_KEEPS_TIMER"]["backported"] == "5.10.166"
    assert features["ORIG_SYNACK_INVALID"]["backported"] is None


def test_sysctl_defaults_are_those_of_the_release() -> None:
    def defaults(kernel: str) -> dict[str, int | None]:
        return {one["name"]: one["default"] for one in kernel_json(kernel)["sysctls"]}

    old, new = defaults("4.14"), defaults("6.18")
    key = "net.netfilter.nf_conntrack_tcp_timeout_established"
    assert (old[key], new[key]) == (432000, 432000)
    assert (old["net.core.somaxconn"], new["net.core.somaxconn"]) == (128, 4096)
    assert "net.netfilter.nf_conntrack_tcp_ignore_invalid_rst" not in old
    assert new["net.netfilter.nf_conntrack_tcp_ignore_invalid_rst"] == 0
    assert re.search(rf"^  {key} +432000 s \(5 d\)$", kernel_text("6.18"), re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("5.15", "5.15"),
        ("6.1.0-18-amd64", "6.1"),
        ("3.10.0-1160.el7.x86_64", "rhel7"),
        ("5.10.166", "5.10"),
    ],
)
def test_profiles_go_by_name_and_by_uname(name: str, profile: str) -> None:
    assert kernel_json(name)["kernel"] == profile


def test_without_a_name_it_is_the_newest() -> None:
    kernels = kernel_json("--list")["kernels"]
    assert kernel_json()["kernel"] == kernels[-1]["kernel"]


def test_the_list_has_a_line_for_each_profile() -> None:
    kernels = kernel_json("--list")["kernels"]
    lines = kernel_text("--list", columns=40).splitlines()
    assert len(lines) == len(kernels)
    by_name = {line.split()[0]: line for line in lines}
    assert set(by_name) == {one["kernel"] for one in kernels}
    assert "(longterm, ended in November 2017)" in by_name["3.10"]
    counts = {one["kernel"]: one["features"] for one in kernels}
    assert counts["2.6.32"] < counts["rhel6"] < counts["6.18"]
    assert f" {counts['rhel7']} changes " in by_name["rhel7"]


@pytest.mark.parametrize("name", ["rhel", "5.95", "nonsense", "4.2-\x1b[31m", ""])
def test_an_unknown_name_is_one_error(name: str) -> None:
    done = ctlint(["kernel", name])
    assert done.returncode == 2
    assert done.stdout == ""
    assert "\x1b" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert "ctlint kernel --list" in errors[0]
    if name == "rhel":
        assert all(one in errors[0] for one in ("rhel6", "rhel7", "rhel8"))


def test_list_and_profile_exclude_each_other() -> None:
    assert ctlint(["kernel", "--list", "5.15"]).returncode == 2


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_lines_keep_to_the_width(columns: int) -> None:
    text = kernel_text("4.19", columns=columns)
    body = text.split("Sysctl defaults")[0]
    assert max(map(len, body.splitlines())) <= columns


def test_colours_come_on_request_and_change_no_word() -> None:
    done = ctlint(["kernel", "5.15", "--color", "always"])
    assert "\x1b[31msIV" in done.stdout
    assert re.sub(r"\x1b\[[0-9;]*m", "", done.stdout) == kernel_text("5.15")
