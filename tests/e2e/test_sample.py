# SPDX-License-Identifier: GPL-2.0-only
"""The sample repository, worked on as its owners would: findings come and go as docs/baseline.md,
docs/suppression.md and docs/config.md say.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.running import Done, ctlint

HOSTS = ("hosts/edge", "hosts/web")


def _lint(sample: Path, *more: str) -> Done:
    return ctlint(["lint", *HOSTS, *more], cwd=sample)


def _change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, (file, old)
    file.write_text(text.replace(old, new), encoding="utf-8")


def _counts(sample: Path) -> list[tuple[str, str, str | None]]:
    """Rule, host, and what suppresses it, of all findings."""
    found = json.loads(_lint(sample, "--format", "json").stdout)["findings"]
    return sorted(
        {
            (
                one["rule"],
                Path(one["location"]["file"]).parts[1],
                one["suppressed"] and one["suppressed"]["where"]["kind"],
            )
            for one in found
        },
        key=str,
    )


def test_as_it_stands_it_passes(sample: Path) -> None:
    done = _lint(sample)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no findings in 2 files" in done.stdout
    assert _counts(sample) == [
        ("CT102", "web", "baseline"),
        ("CT106", "web", "config"),
        ("CT111", "edge", "baseline"),
        ("CT202", "web", "comment"),
    ]


def test_a_new_loss_alone_is_told(sample: Path) -> None:
    _change(
        sample / "hosts/web/iptables-save",
        "[812:97440]",
        "-A OUTPUT -m conntrack --ctstate INVALID -j DROP\n[812:97440]",
    )
    done = _lint(sample, "--format", "concise", "--fail-on", "note")
    assert done.returncode == 1
    assert {line.split(":")[0] for line in done.stdout.splitlines()} == {"hosts/web/iptables-save"}
    assert {line.split()[2] for line in done.stdout.splitlines()} == {"CT101"}


def test_counters_and_lines_do_not_matter(sample: Path) -> None:
    """The same rules as the host prints them a day later, below a longer header."""
    rules = sample / "hosts/web/iptables-save"
    _change(rules, "[14:616] -A INPUT", "[98:4312] -A INPUT")
    _change(rules, "*filter", "# saved again\n# a day later\n*filter")
    done = _lint(sample, "--fail-on", "note")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_mended_leaves_the_baseline(sample: Path) -> None:
    _change(
        sample / "hosts/web/iptables-save",
        "[14:616] -A INPUT -m conntrack --ctstate INVALID -j DROP\n",
        "",
    )
    done = _lint(sample)
    assert done.returncode == 0
    assert "CT102" in done.stdout  # named as gone
    baseline = sample / "ctlint-baseline.json"
    assert _lint(sample, "--write-baseline", str(baseline)).returncode == 0
    rules = [one["rule"] for one in json.loads(baseline.read_text(encoding="utf-8"))["findings"]]
    assert rules == ["CT111"]
    assert "CT102" not in _lint(sample).stdout


def test_a_comment_taken_out_tells_again(sample: Path) -> None:
    settings = sample / "hosts/web/sysctl"
    _change(
        settings,
        "# ctlint: allow CT202 because the web server sets keepalives of 60 s on its sockets\n",
        "",
    )
    done = _lint(sample, "--format", "concise")
    assert done.returncode == 1
    assert done.stdout.startswith("hosts/web/sysctl:3:1: warning CT202 ")


def test_a_reason_is_asked_for(sample: Path) -> None:
    _change(sample / "hosts/web/sysctl", " because the web server", "; the web server")
    done = _lint(sample, "--format", "concise")
    assert done.returncode == 1
    assert "CT901" in done.stdout


def test_a_permission_that_is_not_needed_is_told(sample: Path) -> None:
    """Once the rules let the ACKs of forgotten connections pass, the entry of the configuration
    that allowed their loss has no effect.
    """
    _change(
        sample / "hosts/web/iptables-save",
        "COMMIT",
        "-A INPUT -p tcp -m conntrack --ctstate NEW,INVALID -j ACCEPT\nCOMMIT",
    )
    done = _lint(sample, "--format", "concise", "--fail-on", "note")
    assert "ctlint.toml:13:1: note CT903" in done.stdout


def test_a_misspelled_key_ends_the_run(sample: Path) -> None:
    _change(sample / "ctlint.toml", "kernel =", "kernal =")
    done = _lint(sample)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "ctlint.toml:2:1: the configuration has no key 'kernal'\n  hint: did you mean kernel?\n"
    )


def test_settings_of_a_host_count(sample: Path) -> None:
    """With five days in place of ten minutes, what `web` loses is a note."""
    _change(sample / "hosts/web/sysctl", "established = 600", "established = 432000")
    (sample / "ctlint-baseline.json").write_text(
        '{"tool": "ctlint", "version": 1, "findings": []}', encoding="utf-8"
    )
    done = _lint(sample, "--format", "concise")
    assert done.returncode == 0
    assert {line.split()[1] for line in done.stdout.splitlines()} == {"note"}
