# SPDX-License-Identifier: GPL-2.0-only
"""Writes docs/rules/: a page for each lint rule and an index, from the rules' docstrings.

``python tools/rule_pages.py`` writes them; ``--check`` exits 1 where they are not as they must be.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ctlint.lint.registry import shipped_rules
from ctlint.lint.rule_api import Persona, RuleInfo
from ctlint.report.rule_page import page_markdown

DROPPED = """
## Considered, and no rules

- CT110, a flush or reload that expires everything: `conntrack -F`, an unloaded module or a policy
  of DROP before the restore stands in scripts and units, and those are no input of ctlint. A dump
  does not show how it was loaded. What a flush costs is what CT101 to CT109 say: to them it does
  not matter why the entry is gone.
- CT204, a keepalive as long as `nf_conntrack_tcp_timeout_unacknowledged`: one report
  (elasticsearch#68931), which was withdrawn. An entry whose data are acknowledged has the timeout
  of ESTABLISHED, and a keepalive, which brings no data, leaves it so (measured on 6.18).
- CT303, `nf_conntrack_tcp_be_liberal` unset on an old kernel: CT301 says it wherever the rules show
  the NAT that makes it matter. The rules of kube-proxy's nftables mode are no input.
- CT304, a guard in FORWARD alone: CT301 looks at both places where an untranslated segment may end
  up, the host and the client, and names the one where it does; a guard in FORWARD alone leaves the
  first.
- CT305, resets beyond the window with `nf_conntrack_tcp_be_liberal=1`: measured on 6.18, they pass.
  Only one before the peer's highest acknowledgement is INVALID, and no end of a live connection
  sends that.
- CT308, wrong checksums: checking them is the default everywhere, and whether a card or tunnel
  hands over packets with wrong ones is in no input.
- CT310, liberal entries of Open vSwitch: what it commits is in no input.
- CT404, a DHCP request dropped as INVALID: one report, of bridges and one kernel version (6.6.30).
  Measured on 6.18, where rules see bridged packets (`bridge-nf-call-iptables=1`): the broadcasts of
  two clients at once, from 0.0.0.0, are NEW in INPUT and FORWARD.
- CT407, chains of other programs before the operator's own: CT102 and CT104 name a drop of INVALID
  wherever it stands, with its chain. That another program wrote it changes nothing for the packets,
  and its name is a guess.
- CT509, settings of one network namespace alone: neither a rule set nor its settings say of which
  namespace they are.
"""

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "rules"


def pages() -> dict[str, str]:
    """The files of docs/rules/ by name."""
    rules = shipped_rules()
    index = [
        "# Lint rules\n",
        "Made from the rules' own pages by `tools/rule_pages.py`. What shows that each is right: "
        "[evidence](../evidence.md). What they say of real rule sets: "
        "[false alarms](../false-alarms.md). Those that are pedantic speak with "
        "`--persona pedantic` alone.\n",
        "| id | name | at most | what it does |",
        "|---|---|---|---|",
        *(f"| [{r.id}]({r.id}.md) | {r.name} | {_at_most(r)} | {r.summary} |" for r in rules),
    ]
    found = {f"{r.id}.md": page_markdown(r) for r in rules}
    found["README.md"] = "\n".join(index) + "\n" + DROPPED
    return found


def _at_most(info: RuleInfo) -> str:
    """The worst that it says, and whether to few."""
    few = ", pedantic" if info.persona is Persona.PEDANTIC else ""
    return f"{info.severity.value}{few}"


def main() -> int:
    """Write or check the pages."""
    wanted = pages()
    present = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    if "--check" in sys.argv[1:]:
        stale = sorted(
            name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name)
        )
        for name in stale:
            print(f"docs/rules/{name} is out of date: run python tools/rule_pages.py")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in present.keys() - wanted.keys():
        (FOLDER / name).unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
