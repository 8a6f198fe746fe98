# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint diagnose`` and ``ctlint collect`` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ctlint.resources import collect_script
from tests.unit.cli.running import ctlint
from tests.unit.source.folders import write

_HEAD = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
_STUCK = (
    "FIN-WAIT-1 0 1 10.0.0.5:{0} 10.0.0.9:443 timer:(persist,6.488ms,5) ino:0 sk:1\n"
    "\t rto:204 backoff:5 rtt:0.05/0.02 lastsnd:6500 lastrcv:6500 lastack:6500 notsent:1\n"
)
_RULES = """\
*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
[{0}:9] -A OUTPUT -m conntrack --ctstate INVALID -j DROP
COMMIT
"""


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """A host with a socket whose FIN is dropped."""
    return write(
        tmp_path / "evidence",
        {
            "uname": "6.18.44\n",
            "date": "2026-11-30T02:51:30Z\n",
            "date.later": "2026-11-30T02:51:35Z\n",
            "ss": _HEAD + _STUCK.format(40_000),
            "conntrack": "",
            "iptables-save": _RULES.format(4),
            "iptables-save.later": _RULES.format(6),
        },
    )


def test_text(evidence: Path) -> None:
    done = ctlint(["diagnose", evidence.name], cwd=evidence.parent)
    assert (done.returncode, done.stderr) == (1, "")
    words = " ".join(done.stdout.split())
    for said in (
        "evidence: 1 trouble; kernel 6.18, at 2026-11-30T02:51:35Z, two dumps 5 s apart",
        "fin-wait-1 FIN_WAIT_1 10.0.0.5:40000 to 10.0.0.9:443 evidence/ss:2",
        "evidence/iptables-save:4: -A OUTPUT -m conntrack --ctstate INVALID -j DROP",
        "its counter stands at 6 packets, 2 more in 5 s",
        "entry none",
        "net.ipv4.tcp_orphan_retries = 0 bounds it",
        "iptables -I OUTPUT 1 -s 10.0.0.5 -d 10.0.0.9 -p tcp -m tcp --sport 40000 --dport 443 -j",
        "ss -K src 10.0.0.5 sport = :40000 dst 10.0.0.9 dport = :443",
        "CT101: ",
        "see docs/incidents/fin-wait-1.md",
        "sockets: 1 FIN_WAIT_1, 0 in other states",
        "missing: counters twice",
    ):
        assert said in words, said


def test_json(evidence: Path) -> None:
    done = ctlint(["diagnose", evidence, "--format", "json"])
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["version"] == 1
    (trouble,) = found["troubles"]
    assert trouble["pattern"] == "fin-wait-1"
    assert trouble["lost"][0]["location"]["line"] == 4
    assert trouble["lost"][0]["counter"] == {"total": 6, "moved": 2, "seconds": 5}
    assert trouble["socket"]["timer"] == {
        "kind": "persist", "least": 6.488, "most": 6.489, "counted": 5,
    }  # fmt: skip


def test_interval_and_kernel_that_are_told(evidence: Path) -> None:
    done = ctlint(["diagnose", evidence, "--format", "json", "--interval", "9", "--kernel", "5.10"])
    found = json.loads(done.stdout)
    assert (found["interval"], found["kernel"]) == (9, "5.10")


def test_many_sockets_of_one_kind_are_listed(evidence: Path) -> None:
    sockets = "".join(_STUCK.format(40_000 + number) for number in range(40))
    (evidence / "ss").write_text(_HEAD + sockets)
    done = ctlint(["diagnose", evidence])
    assert "35 more sockets in FIN_WAIT_1 of the same kind:" in done.stdout
    assert "and 15 more" in done.stdout


def test_healthy_host(evidence: Path) -> None:
    (evidence / "ss").write_text(_HEAD + "ESTAB 0 0 10.0.0.5:1 10.0.0.9:2\n")
    done = ctlint(["diagnose", evidence])
    assert done.returncode == 0
    assert "nothing found" in done.stdout
    assert "looked at: rules of IPv4: 1" in done.stdout


def test_hostile_names_do_not_reach_the_terminal(evidence: Path) -> None:
    line = 'LISTEN 6 5 10.0.0.5:80 0.0.0.0:* users:(("a\x1b[31m",pid=7,fd=3))\n'
    (evidence / "ss").write_text(_HEAD + line)
    done = ctlint(["diagnose", evidence])
    assert "\x1b" not in done.stdout
    assert r"a\x1b[31m (pid 7)" in done.stdout


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"ss": "hello\n"}, "ss:1:1: expected the state of a socket"),
        ({"uname": "2.4.1\n"}, "unknown kernel '2.4.1'"),
        ({"sysctl": "net.ipv4.tcp_orphan_retries = many\n"}, "sysctl:1:1"),
    ],
)
def test_unusable(evidence: Path, files: dict[str, str], said: str) -> None:
    write(evidence, files)
    done = ctlint(["diagnose", evidence])
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("arguments", [[], ["x", "--live"]])
def test_folder_or_live(arguments: list[str]) -> None:
    done = ctlint(["diagnose", *arguments])
    assert done.returncode == 2
    assert "give either FOLDER or --live" in done.stderr


def test_without_a_release_the_newest_kernel_is_taken(evidence: Path) -> None:
    (evidence / "uname").unlink()
    done = ctlint(["diagnose", evidence])
    assert done.returncode == 1
    assert "names no kernel" in done.stderr


def test_script() -> None:
    done = ctlint(["collect", "--script"])
    assert (done.returncode, done.stdout) == (0, collect_script())


def test_collect_refuses_a_folder_that_is_there(tmp_path: Path) -> None:
    done = ctlint(["collect", tmp_path, "--interval", "0"])
    assert done.returncode == 2
    assert "File exists" in done.stderr
