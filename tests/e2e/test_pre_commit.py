# SPDX-License-Identifier: GPL-2.0-only
"""The hooks, installed and run by the real pre-commit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ctlint.source.host_folders import FOLDER_RULES, FOLDER_SETS, FOLDER_SETTINGS
from tests.corpus import REPOSITORY
from tests.e2e.conftest import git

HOOKS = {
    hook["id"]: hook
    for hook in yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
}


def _pre_commit(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def test_the_manifest_is_one() -> None:
    done = _pre_commit("validate-manifest", ".pre-commit-hooks.yaml", cwd=REPOSITORY)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", [name for names in FOLDER_RULES.values() for name in names])
def test_both_hooks_look_at_rules(name: str) -> None:
    for hook in HOOKS.values():
        assert re.search(hook["files"], f"hosts/web/{name}"), hook["id"]


@pytest.mark.parametrize(
    "name",
    [*FOLDER_SETTINGS, *FOLDER_SETS, "sysctl.conf", "etc/sysctl.d/10-net.conf", "ctlint.toml"],
)
def test_what_a_host_has_besides_concerns_the_hook_of_hosts(name: str) -> None:
    if name.startswith("sos_commands"):
        pytest.skip("reports are not kept in repositories")
    assert re.search(HOOKS["ctlint-hosts"]["files"], f"hosts/web/{name}")
    assert not re.search(HOOKS["ctlint"]["files"], f"hosts/web/{name}")


@pytest.mark.parametrize("name", ["README.md", "iptables.sh", "iptables.py", "rules.v4.md"])
def test_other_files_concern_neither(name: str) -> None:
    for hook in HOOKS.values():
        assert not re.search(hook["files"], f"hosts/web/{name}"), hook["id"]


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_the_hook_stops_a_commit_that_loses_packets(sample: Path, tmp_path: Path) -> None:
    """pre-commit clones ctlint and installs it, as it does for everyone."""
    hooks = tmp_path / "ctlint"
    hooks.mkdir()
    for name in git(REPOSITORY, "ls-files", "-co", "--exclude-standard").splitlines():
        if (REPOSITORY / name).is_file() and not name.startswith("tests/"):
            (hooks / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, hooks / name)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "as it stands"]):
        git(hooks, *words)
    config = sample / ".pre-commit-config.yaml"
    text = config.read_text(encoding="utf-8").replace("CTLINT_REPOSITORY", str(hooks))
    config.write_text(
        text.replace("CTLINT_REVISION", git(hooks, "rev-parse", "HEAD").strip()), encoding="utf-8"
    )
    git(sample, "add", "-A")
    where = {"PRE_COMMIT_HOME": str(tmp_path / "cache")}

    passed = _pre_commit("run", "--all-files", cwd=sample, **where)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert re.search(r"^ctlint \(hosts\)\.+Passed$", passed.stdout, re.MULTILINE)

    rules = sample / "hosts/web/iptables-save"
    drop = "-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT"
    rules.write_text(rules.read_text(encoding="utf-8").replace("COMMIT", drop), encoding="utf-8")
    git(sample, "add", "-A")
    failed = _pre_commit("run", cwd=sample, **where)
    assert failed.returncode == 1
    assert "error[CT101]: output-invalid-drop" in failed.stdout

    (sample / "README.md").write_text("Two hosts.\n", encoding="utf-8")
    git(sample, "checkout", "-q", "HEAD", "--", "hosts")
    git(sample, "add", "-A")
    skipped = _pre_commit("run", "ctlint-hosts", cwd=sample, **where)
    assert "(no files to check)Skipped" in skipped.stdout
