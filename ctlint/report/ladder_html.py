# SPDX-License-Identifier: GPL-2.0-only
"""Socket scripts as one page of HTML that needs nothing else: pictures, and the script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ctlint.report.escape import visible
from ctlint.report.ladder_svg import render_svg
from ctlint.scenario.socket_story import Story

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>
body{{margin:2em auto;max-width:60em;font:16px/1.5 system-ui,sans-serif;background:#fff;
color:#1b1f24}}svg{{max-width:100%;height:auto}}
pre{{overflow:auto;padding:1em;border:1px solid #8884}}
@media (prefers-color-scheme:dark){{body{{background:#0d1117;color:#e6edf3}}}}
</style></head><body>
<h1>{title}</h1>
{pictures}
<h2>The script</h2>
<pre>{script}</pre>
</body></html>
"""


def render_html(title: str, stories: Sequence[Story], lines: Sequence[str]) -> str:
    """A page of the stories of one script, whose lines are given."""
    pictures = "\n".join(render_svg([(story, lines)]) for story in stories)
    script = "\n".join(escape(visible(line)) for line in lines)
    return _PAGE.format(title=escape(visible(title)), pictures=pictures, script=script)
