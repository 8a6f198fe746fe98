# SPDX-License-Identifier: GPL-2.0-only
"""A rule's page as Markdown: what ``ctlint rules ID`` prints and docs/rules/ holds."""

from __future__ import annotations

from ctlint.lint.rule_api import RuleInfo


def page_markdown(info: RuleInfo) -> str:
    """The whole page."""
    parts = [
        f"# {info.id} {info.name}\n",
        f"At most: {info.severity.value} · shown to: {info.persona.value} · "
        f"since ctlint {info.since}\n",
    ]
    for heading, body in info.sections.items():
        parts.append(f"## {heading}\n\n{body}\n")
    return "\n".join(parts)
