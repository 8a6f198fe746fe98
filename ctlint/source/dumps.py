# SPDX-License-Identifier: GPL-2.0-only
"""Whether a text is a dump of rules. One that is plainly something else (a template, a script, a
listing, another program's rules) is refused with what it is and what to give in its place, before a
parser says of its first word that it is wrong.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from ctlint.source.errors import SourceError

_GIVE_A_DUMP: Final = "give what iptables-save prints"
_RUN_IT: Final = (
    "run it in a network namespace of its own, and give what is loaded there: "
    "sudo unshare -n sh -c 'sh FILE; iptables-save'"
)
_RENDER_IT: Final = "fill it in, and give the file that comes out, or what iptables-save prints"
_BEGINNING: Final = 64 << 10
"""Bytes of a file, and characters of a text, that tell its kind."""


class _Other(NamedTuple):
    """A kind of text, known by its first line that is neither blank nor a comment."""

    pattern: re.Pattern[str]
    what: str
    hint: str


_OTHERS: Final = tuple(
    _Other(re.compile(pattern), what, hint)
    for pattern, what, hint in (
        (
            r"Chain \S+ \(",
            "a listing of `iptables -L`, which leaves out parts of the rules",
            _GIVE_A_DUMP,
        ),
        (
            r"-[PN] \S+|-A \S+ ",
            "what `iptables -S` prints: one table, without its name",
            _GIVE_A_DUMP,
        ),
        (
            r"Status: (?:in)?active|To +Action +From",
            "what `ufw status` prints, which are not the rules of the kernel",
            _GIVE_A_DUMP,
        ),
        (r"\S+ \((?:default, )?active\)", "what `firewall-cmd` prints", _GIVE_A_DUMP),
        (
            r"(?:table|add (?:table|rule|chain)|flush ruleset|nft)\b|define \S+ =",
            "a rule set of nft",
            "rules of iptables-nft are printed by iptables-save; others are not read",
        ),
        (r"[\[{]", "JSON", _GIVE_A_DUMP),
        (
            r"(?:create|add) \S+ \S",
            "what `ipset save` prints; it goes to --sets",
            _GIVE_A_DUMP,
        ),
        (
            r'(?:resource|data|variable|provider|module|output) +"|(?:locals|terraform) *\{',
            "HCL, as Terraform reads it",
            _RENDER_IT,
        ),
        (r"---(?:\s|$)|(?:- +)?[\w.-]+:(?:\s|$)", "YAML", _RENDER_IT),
        (
            r"(?:\S*/)?(?:ip6?tables(?:-\w+)?|ufw|firewall-cmd)\s",
            "a shell script",
            _RUN_IT,
        ),
        (
            r"(?:export +)?[A-Za-z_]\w*=|(?:set|source|modprobe|sysctl|echo|function|if|for) +\S",
            "a shell script",
            _RUN_IT,
        ),
        (
            r"[a-z][\w-]*[./][\w./-]+\s*=",
            "kernel settings; they go to --sysctl",
            _GIVE_A_DUMP,
        ),
    )
)

_TEMPLATES: Final = {
    "{{": "a template of Jinja or Go, as Ansible, Salt and Helm fill in",
    "{%": "a template of Jinja, as Ansible and Salt fill in",
    "{#": "a template of Jinja, as Ansible and Salt fill in",
    "<%": "a template of ERB, as Puppet and Chef fill in",
    "%{": "a template of Terraform",
    "${": "a template of Terraform or of a shell",
    "$(": "a part of a shell script",
    "$": "a part of a shell script, with a variable",
}
_MARK: Final = re.compile(r"\{\{|\{%|\{#|<%|%\{|\$\{|\$\(|\$(?=[A-Za-z_])")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SHOWN: Final = 40
_COMMAND: Final = re.compile(
    r"^[ \t]*(?:sudo +)?(?:\S*/)?ip6?tables(?:-legacy|-nft)?[ \t]+(?:-w[ \t]+)?-", re.MULTILINE
)
_SHEBANG: Final = re.compile(r"#!.*\bnft\b")


def first_line(text: str) -> str:
    """The first line that is neither blank nor a comment, without blanks around it; else empty."""
    found = re.search(r"^[ \t]*(?![#\s])(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def is_dump(text: str) -> bool:
    """Whether this is what iptables-save prints: its first line opens a table."""
    return first_line(text).startswith("*")


def is_dump_file(path: Path) -> bool:
    """Whether a file is a dump, as far as its beginning tells; one that cannot be read is none."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_BEGINNING)
    except OSError:
        return False
    return is_dump(start.decode("utf-8", "surrogateescape"))


def require_dump(text: str, path: str) -> None:
    """Raises SourceError for a text that is empty, or plainly of another kind than a dump of
    rules; whether it is one is for the parser to say.
    """
    if not text.strip():
        hint = "iptables-save prints nothing without root, and where no table is loaded"
        raise SourceError(f"{path}: empty", hint)
    line = first_line(text)
    if text.startswith("#!"):
        if _SHEBANG.match(text):
            raise SourceError(f"{path}: a script of nft, not a dump of rules", _OTHERS[4].hint)
        raise SourceError(f"{path}: a script, not a dump of rules", _RUN_IT)
    _require_no_template(text, path)
    if line.startswith("*"):
        return
    for other in _OTHERS:
        if other.pattern.match(line):
            raise SourceError(f"{path}: this is {other.what}", other.hint)
    if _COMMAND.search(text, 0, _BEGINNING):
        raise SourceError(f"{path}: this is a shell script", _RUN_IT)


def _require_no_template(text: str, path: str) -> None:
    """Raises SourceError for a text with a place that is to be filled in: outside of comments and
    quotes, for a comment of a rule may say anything, and iptables-save quotes such a comment.
    """
    if "{" not in text and "$" not in text and "<%" not in text:
        return
    at = 0
    while found := _MARK.search(text, at):
        start = text.rfind("\n", 0, found.start()) + 1
        end = text.find("\n", start)
        line = text[start : end if end >= 0 else len(text)]
        mark = _mark_in(line)
        if mark is not None:
            column, kind = mark
            number = text.count("\n", 0, start) + 1
            shown = line[column - 1 : column - 1 + _SHOWN].rstrip()
            raise SourceError(f"{path}:{number}:{column}: `{shown}`: this is {kind}", _RENDER_IT)
        if end < 0:
            return
        at = end


def _mark_in(line: str) -> tuple[int, str] | None:
    """The column of a place in a line that is to be filled in, and of what it is."""
    if line.lstrip(" \t").startswith("#"):
        return None
    bare = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), line)
    found = _MARK.search(bare)
    return (found.start() + 1, _TEMPLATES[found[0]]) if found else None
