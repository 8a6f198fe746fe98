# SPDX-License-Identifier: GPL-2.0-only
"""The configuration that holds, with where each value comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ctlint.analysis.circumstances import FACTS, FactForm
from ctlint.lint.allowing import Allow
from ctlint.lint.configuration import FACT, SEVERITY, Effective, Said
from ctlint.report.escape import visible

_UNSAID = {"select": "all rules", "baseline": "none", "jobs": "as many as there are cores"}
"""What stands for a value that TOML has no word for."""

_QUOTED = str.maketrans({'"': '\\"', "\\": "\\\\"})


def render_toml(holds: Effective, file: str) -> str:
    """The values as TOML, each with its origin as a comment. ``file`` is that of the configuration;
    empty where there is none.
    """
    lines = [f"# configuration: {visible(file) or 'none'}"]
    top = {key: said for key, said in holds.values.items() if "." not in key}
    lines += _table([(key, said) for key, said in top.items() if said.value is not None])
    lines += [
        f"# {key}: {_UNSAID[key]}  # {said.origin}"
        for key, said in top.items()
        if said.value is None
    ]
    for prefix in (SEVERITY, FACT):
        inside = [
            (key.removeprefix(prefix), _listed(key, said))
            for key, said in sorted(holds.values.items())
            if key.startswith(prefix)
        ]
        if inside:
            lines += ["", f"[{prefix[:-1]}]", *_table(inside)]
    for allow in holds.allows:
        place = f"{allow.place.file}:{allow.place.line}"
        lines += ["", "[[allow]]" + f"  # {visible(place)}"]
        lines += [f"{key} = {_toml(value)}" for key, value in _allow(allow)]
    return "\n".join(lines) + "\n"


def render_json(holds: Effective, file: str) -> str:
    """The same for programs: ``file``, ``values`` with ``value`` and ``origin``, ``allow``."""
    document = {
        "file": file or None,
        "values": {
            key: {"value": said.value, "origin": said.origin} for key, said in holds.values.items()
        },
        "allow": [
            {
                **dict(_allow(allow)),
                "origin": f"{allow.place.file}:{allow.place.line}",
            }
            for allow in holds.allows
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def _table(values: Sequence[tuple[str, Said]]) -> list[str]:
    shown = [(f"{key} = {_toml(said.value)}", visible(said.origin)) for key, said in values]
    width = min(max((len(line) for line, _ in shown), default=0), 40)
    return [f"{line:<{width}}  # {origin}" for line, origin in shown]


def _listed(key: str, said: Said) -> Said:
    """Roles as the list that they are."""
    fact = FACTS.get(key.removeprefix(FACT)) if key.startswith(FACT) else None
    if fact is None or fact.form is not FactForm.ROLES:
        return said
    return said._replace(value=tuple(said.value.split(",")))


def _allow(allow: Allow) -> list[tuple[str, Any]]:
    values = {
        "rules": allow.allows,
        "reason": allow.reason,
        "table": allow.table,
        "chain": allow.chain,
        "text": allow.text,
    }
    return [(key, value) for key, value in values.items() if value is not None]


def _toml(value: object) -> str:
    """A number, a text or a list of texts as TOML in one line."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        quoted = value.translate(_QUOTED)
        return '"' + "".join(c if c.isprintable() else _escape(c) for c in quoted) + '"'
    assert isinstance(value, tuple)
    return f"[{', '.join(map(_toml, value))}]"


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
