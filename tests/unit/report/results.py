# SPDX-License-Identifier: GPL-2.0-only
"""Results to print: a plain one, which docs/json.md shows, and hostile ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ctlint.finding import (
    AllowedBy,
    Confidence,
    Edit,
    Finding,
    Fix,
    InputSummary,
    LintResult,
    Location,
    PacketKind,
    Role,
    Severity,
    Skipped,
    SkipReason,
    Stranded,
    Suppressed,
    Trouble,
    Undecided,
    Witness,
)
from ctlint.wire.addresses import Family

DROP = "-A OUTPUT -m state --state INVALID -j DROP"
TIMEOUT = "net.netfilter.nf_conntrack_tcp_timeout_established = 120"
SET = "-A INPUT -p tcp -m set --match-set office src -j ACCEPT"

FIN = PacketKind("FA", "orig", "none", "INVALID")
RST = PacketKind("R", "orig", "none", "INVALID")
RST_ACK = PacketKind("RA", "orig", "none", "INVALID")

LOST_FIN = Finding(
    rule="CT101",
    name="output-invalid-drop",
    severity=Severity.ERROR,
    confidence=Confidence.CERTAIN,
    message="After 120 s of silence conntrack has forgotten a connection; this rule then drops "
    "the FIN that closes it.",
    remedy="Accept INVALID packets that have FIN or RST ahead of this rule.",
    location=Location("rules.v4", 37, 1, 43, "filter", "OUTPUT", 9, DROP),
    family=Family.IPV4,
    related=(Location("sysctl", 12, 1, 57, text=TIMEOUT, message="entries live for 120 s"),),
    role=Role.CLIENT,
    packet=FIN,
    packets=(FIN, RST, RST_ACK),
    ports=("8088",),
    stranded=Stranded("local", "FIN_WAIT_1", 102, 158),
    witness=Witness(
        {
            "topology": {"kind": "host", "role": "orig"},
            "ruleset": f"*filter\n{DROP}\nCOMMIT\n",
            "packets": [{"dir": "orig", "flags": "FA", "seq": 1001, "ack": 5001}],
        },
        (
            {
                "packet": 0,
                "ctstate": "INVALID",
                "delivered": False,
                "rules": ["filter/OUTPUT#1"],
            },
        ),
    ),
    fix=Fix(
        "accept what closes a forgotten connection before it; it lets INVALID FIN out, to any "
        "address, from port 8088",
        (
            Edit(
                "rules.v4",
                37,
                0,
                (
                    "-A OUTPUT -p tcp -m conntrack --ctstate INVALID "
                    "-m tcp --sport 8088 --tcp-flags FIN FIN -j ACCEPT",
                ),
            ),
        ),
        is_safe=True,
    ),
    host="rules.v4",
)

ALLOWED = Finding(
    rule="CT501",
    name="tcp-tw-recycle",
    severity=Severity.WARNING,
    confidence=Confidence.LIKELY,
    message="Clients behind one NAT address lose their SYN packets.",
    remedy="Remove the line.",
    location=Location("sysctl", 3, 1, 28, text="net.ipv4.tcp_tw_recycle = 1"),
    suppressed=Suppressed(AllowedBy.COMMENT, "no clients behind NAT", "sysctl", 2),
)

EXAMPLE = LintResult(
    kernel="6.18",
    inputs=(InputSummary("rules.v4", Family.IPV4, 24, ("filter",), {"idle": 600}, "rules.v4"),),
    findings=(LOST_FIN, ALLOWED),
    undecided=(
        Undecided(
            Location("rules.v4", 14, 17, 46, "filter", "INPUT", 5, SET),
            "-m set --match-set office src",
            "the members of the set are not known",
        ),
    ),
)

SKIPPED = (
    Skipped(
        "x",
        SkipReason.UNREADABLE,
        (
            Trouble("what is this", "x/rules.v4", 3, 7, "leave it out"),
            Trouble("and this", "x/rules.v4", 4, 1),
        ),
    ),
    Skipped("y", SkipReason.UNREADABLE, (Trouble("y: no such file"),)),
    Skipped("z", SkipReason.FAULT, (Trouble("a witness does not show it"),)),
)
"""Inputs that are left out."""

HOSTILE = {
    "escape sequence": "\x1b[2J\x1b]0;title\x07\x9b31m",
    "markup": "[bold red]x[/bold red] [link=http://x]y[/link] :smile:",
    "workflow command": "\n::error file=x::y\r::set-env name=A::B %0A::stop-commands::z",
    "own format": "x,line=1::error::y",
    "line break": "a\nrules.v4:1:1: error\r\n\u2028b\x85c",
    "bidi": "\u202egnihton\u202c \u2066x\u2069 \u200b\ufeff",
    "odd bytes": b"\xff\xc3\x28".decode("utf-8", "surrogateescape"),
    "structure": '"]}, {"a": [1]}\\ {0} [text](http://x) </failure>&]]> <script>',
}
"""What a rule file may say, by name: each tries to break out of some report format."""


def hostile_result(text: str) -> LintResult:
    """A result in which every string that comes from an input holds ``text``."""
    location = Location(f"f{text}", 7, 1, 3, f"t{text}", f"c{text}", 2, f"-A {text}", text)
    finding = Finding(
        rule="CT101",
        name="output-invalid-drop",
        severity=Severity.ERROR,
        confidence=Confidence.POSSIBLE,
        message=f"The chain {text} drops it.",
        remedy=f"Remove {text}.",
        location=location,
        related=(location,),
        role=Role.FORWARD,
        packet=FIN,
        packets=(FIN,),
        ports=(text,),
        stranded=Stranded("orig", "FIN_WAIT_1", None, None),
        witness=Witness({"name": text, "ruleset": text}, ()),
        fix=Fix(text, (Edit(f"f{text}", 7, 1, (text,)), Edit(text, 1, 1, ())), is_safe=False),
    )
    allowed = Finding(
        rule="CT102",
        name="input-drop-of-invalid",
        severity=Severity.WARNING,
        confidence=Confidence.CERTAIN,
        message="m",
        remedy="r",
        location=location,
        suppressed=Suppressed(AllowedBy.RULE, text, f"f{text}", 7),
    )
    return LintResult(
        "6.18",
        (InputSummary(f"f{text}", Family.IPV6, 1, (f"t{text}",)),),
        (finding, allowed),
        (Undecided(location, f"-m {text}", text),),
    )


@dataclass(frozen=True)
class Rule:
    """What a lint rule says of itself."""

    id: str
    name: str
    severity: Severity
    summary: str
    sections: Mapping[str, str]


RULES = (
    Rule(
        "CT501",
        "tcp-tw-recycle",
        Severity.ERROR,
        "tcp_tw_recycle is on.",
        {"What it does": "Flags the sysctl.", "Why it matters": "It drops SYN packets."},
    ),
    Rule(
        "CT101",
        "output-invalid-drop",
        Severity.WARNING,
        "A rule in OUTPUT drops INVALID.",
        {"What it does": "Flags the rule.", "Bad": "```iptables-save\n*filter\nCOMMIT\n```"},
    ),
)
