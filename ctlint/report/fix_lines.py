# SPDX-License-Identifier: GPL-2.0-only
"""The fix of a finding as a unified diff without context, for reports that do not have the files.

``ctlint lint --fix`` has them: its diff has context, and holds the fixes of all findings.
"""

from __future__ import annotations

from ctlint.finding import Edit, Finding
from ctlint.report.patch import file_name


def fix_lines(finding: Finding) -> list[str]:
    """The lines of the diff; empty where the finding has no fix. A line that goes and is not known,
    since the finding does not show it, is told by its number: then it is for reading alone.
    """
    fix = finding.fix
    if fix is None:
        return []
    known = {(place.file, place.line): place.text for place in finding.related}
    known[finding.location.file, finding.location.line] = finding.location.text
    files: dict[str, list[Edit]] = {}
    for edit in fix.edits:
        files.setdefault(edit.file, []).append(edit)
    lines = []
    for file, edits in files.items():
        name = file_name(file)
        lines += [f"--- {name}", f"+++ {name}"]
        shift = 0
        for edit in edits:
            # An empty range stands behind a line, as diff writes it.
            old = edit.line if edit.delete else edit.line - 1
            new = edit.line + shift if edit.insert else edit.line + shift - 1
            lines.append(f"@@ -{old},{edit.delete} +{new},{len(edit.insert)} @@")
            for number in range(edit.line, edit.line + edit.delete):
                lines.append(f"-{known.get((file, number), f'(line {number} as it stands)')}")
            lines += [f"+{line}" for line in edit.insert]
            shift += len(edit.insert) - edit.delete
    return lines
