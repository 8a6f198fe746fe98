# SPDX-License-Identifier: GPL-2.0-only
"""The shell script of ``ctlint collect``: in each shell that is there, with programs that are
stand-ins, so that nothing of this machine is read.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ctlint.resources import collect_script
from ctlint.source.collection import collect
from ctlint.source.errors import SourceError
from ctlint.source.evidence_folders import read_evidence

_STUBS = {
    "ss": 'echo "State Recv-Q Send-Q Local Address:Port Peer Address:Port"\n'
    'echo "ESTAB 0 0 10.0.0.5:1 10.0.0.9:2"',
    "nstat": 'case $1 in *s*) echo "#kernel"; echo "TcpInSegs 5 0.0" ;; *) exit 9 ;; esac',
    "iptables-save": 'echo "*filter"; echo "[1:2] -A INPUT -j ACCEPT"; echo COMMIT',
    "ip6tables-save": 'echo "ip6tables-save: may not" >&2; exit 1',
    "iptables-legacy-save": ":",
    "sysctl": 'echo "net.ipv4.tcp_orphan_retries = 3"; echo "net.ipv4.tcp_fastopen_key = 1-2-3-4"\n'
    'echo "net.ipv6.conf.all.stable_secret = x"; echo "kernel.hostname = gw"\n'
    'echo "kernel.osrelease = 6.1.0"',
    "dmesg": 'echo "[1.0] user secret"\n'
    'echo "[2.0] nf_conntrack: nf_conntrack: table full, dropping packet"',
    "conntrack": 'echo "conntrack: may not" >&2; exit 1',
    "ipset": ":",
    "ip": 'echo "[]"',
}
_SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """A folder of programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in _STUBS.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return folder


def _run(
    shell: list[str], stubs: Path, cwd: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*shell, "-s", "--", *arguments],
        input=collect_script(),
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PATH": f"{stubs}:/usr/bin:/bin"},
        timeout=60,
    )


@pytest.mark.parametrize("shell", _SHELLS, ids=lambda shell: shell[0])
def test_shells(shell: list[str], stubs: Path, tmp_path: Path) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"needs the shell {shell[0]}")
    done = _run(shell, stubs, tmp_path, "-i", "0", "evidence")
    assert (done.returncode, done.stdout, done.stderr) == (0, "evidence\n", "")
    folder = tmp_path / "evidence"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    names = {path.name for path in folder.iterdir()}
    assert {"ss", "ss.later", "nstat", "nstat.later", "iptables-save", "iptables-save.later"} <= (
        names
    )
    assert not {"ip6tables-save", "errors", "status"} & names
    manifest = (folder / "manifest").read_text().splitlines()
    assert manifest[0] == "ctlint-evidence 1"
    assert "ip6tables-save: missing: ip6tables-save: may not" in manifest
    found = read_evidence(str(folder))
    assert found.interval is not None
    assert found.interval <= 5
    assert found.total("TcpInSegs") == 5


def test_what_is_left_out(stubs: Path, tmp_path: Path) -> None:
    """Keys of the kernel, other settings, and what others log."""
    _run(["sh"], stubs, tmp_path, "-i", "0", "evidence")
    folder = tmp_path / "evidence"
    assert (folder / "sysctl").read_text() == (
        "net.ipv4.tcp_orphan_retries = 3\nkernel.osrelease = 6.1.0\n"
    )
    assert (folder / "dmesg").read_text() == (
        "[2.0] nf_conntrack: nf_conntrack: table full, dropping packet\n"
    )


def test_long_output_is_cut_at_a_line(stubs: Path, tmp_path: Path) -> None:
    (stubs / "ss").write_text("#!/bin/sh\nyes 'ESTAB 0 0 10.0.0.5:1 10.0.0.9:2'\n")
    _run(["sh"], stubs, tmp_path, "-i", "0", "evidence")
    folder = tmp_path / "evidence"
    text = (folder / "ss").read_text()
    assert text.count("\n") == 200_000
    assert text.endswith("\n")
    assert "ss: ss -tanoiep (cut after 200000 lines)" in (folder / "manifest").read_text()


@pytest.mark.parametrize("arguments", [("-i", "x"), ("-i", "12345"), ("-x",), ("a", "b"), ("-i",)])
def test_usage(arguments: tuple[str, ...], stubs: Path, tmp_path: Path) -> None:
    done = _run(["sh"], stubs, tmp_path, *arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_folder_must_be_new(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    with pytest.raises(SourceError, match="File exists"):
        collect(str(tmp_path / "here"), 0)
    assert not list((tmp_path / "here").iterdir())


def test_shellcheck() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("needs the program shellcheck")
    done = subprocess.run(
        ["shellcheck", "-s", "sh", "-"], input=collect_script(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")
