# SPDX-License-Identifier: GPL-2.0-only
"""Which files and folders are inputs: below a folder, by a glob, from a list."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ctlint.source import found_inputs as module
from ctlint.source.errors import SourceError
from ctlint.source.found_inputs import FoundInputs, found_inputs
from tests.unit.source.folders import write

_DUMP = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hosts in folders, one a level deeper, loose files, and what is no input."""
    write(
        tmp_path,
        {
            "hosts/b/rules.v4": _DUMP,
            "hosts/b/more.rules": _DUMP,
            "hosts/a/iptables-save": _DUMP,
            "hosts/rack/c/etc/iptables/rules.v6": _DUMP,
            "hosts/rack/report/sos_commands/firewall_tables/iptables_-t_filter_-nvL": "",
            "hosts/loose/x.v4": "",
            "hosts/loose/y.rules": f"# rendered\n\n{_DUMP}",
            "hosts/loose/z.iptables": _DUMP,
            "hosts/loose/70-net.rules": 'SUBSYSTEM=="net", NAME="eth0"\n',
            "hosts/loose/README": _DUMP,
            "hosts/loose/iptables.service": "[Unit]\n",
            "hosts/.git/rules.v4": _DUMP,
            "hosts/notes/README.md": "notes\n",
        },
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


_FLEET = (
    "hosts/a",
    "hosts/b",
    "hosts/loose/x.v4",
    "hosts/loose/y.rules",
    "hosts/loose/z.iptables",
    "hosts/rack/c",
    "hosts/rack/report",
)


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("given", ["hosts", "hosts/", "./hosts"])
def test_a_folder_of_hosts(given: str) -> None:
    assert found_inputs([given]) == FoundInputs(_FLEET, ())


@pytest.mark.usefixtures("fleet")
def test_what_is_named_is_an_input_whatever_it_is() -> None:
    given = ("hosts/notes/README.md", "absent", "hosts/a", "-")
    assert found_inputs(given).names == given


@pytest.mark.usefixtures("fleet")
def test_each_once() -> None:
    assert found_inputs(["hosts/b", "hosts", "hosts/a"]).names == (
        "hosts/b",
        *(name for name in _FLEET if name != "hosts/b"),
    )


@pytest.mark.usefixtures("fleet")
def test_a_folder_without_rules_is_named_with_what_was_looked_for() -> None:
    names, ((given, error),) = found_inputs(["hosts/notes", "hosts/a"])
    assert names == ("hosts/a",)
    assert given == "hosts/notes"
    assert error.message == "hosts/notes: no rules in this folder"
    assert "iptables-save or rules.v4" in (error.hint or "")
    assert "NAME.rules" in (error.hint or "")


def test_links_are_not_followed(fleet: Path) -> None:
    (fleet / "hosts/loop").symlink_to(fleet / "hosts")
    (fleet / "hosts/other").symlink_to(fleet / "hosts/a")
    (fleet / "hosts/etc.v4").symlink_to("/etc/passwd")
    assert found_inputs(["hosts"]).names == _FLEET
    # A link that is named is an input.
    assert found_inputs(["hosts/other"]).names == ("hosts/other",)


def test_depth_is_bounded(fleet: Path) -> None:
    deep = "deep/" + "/".join(str(level) for level in range(1, module.MAX_DEPTH + 1))
    write(fleet, {f"{deep}/rules.v4": _DUMP, f"{deep}/next/x/rules.v4": _DUMP})
    assert found_inputs(["deep"]).names == (deep,)
    (fleet / deep / "rules.v4").unlink()
    assert found_inputs(["deep"]).names == ()


@pytest.mark.usefixtures("fleet")
def test_the_number_of_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 10)
    for given in ("hosts", "**/*.v4"):
        with pytest.raises(SourceError, match="more than 10 files and folders to look at"):
            found_inputs([given])


def test_a_folder_that_cannot_be_looked_into(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del fleet
    looked = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "rack":
            raise PermissionError(13, "Permission denied")
        return looked(path)

    monkeypatch.setattr(os, "scandir", scandir)
    names, ((given, error),) = found_inputs(["hosts"])
    assert names == _FLEET[:-2]
    assert (given, error.message) == ("hosts/rack", "hosts/rack: Permission denied")


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("hosts/*/rules.v4", ("hosts/b/rules.v4",)),
        ("hosts/[ab]", ("hosts/a", "hosts/b")),
        ("hosts/rack/?", ("hosts/rack/c",)),
        ("**/rules.v?", ("hosts/b/rules.v4", "hosts/rack/c/etc/iptables/rules.v6")),
        ("hosts/**/x.v4", ("hosts/loose/x.v4",)),
        ("hosts/.g*/*", ("hosts/.git/rules.v4",)),
        # As a shell does: what fits is an input, whatever it is.
        ("hosts/loose/*E*", ("hosts/loose/README",)),
        ("hosts/rac*", ("hosts/rack/c", "hosts/rack/report")),
    ],
)
def test_globs(glob: str, names: tuple[str, ...]) -> None:
    assert found_inputs([glob]) == FoundInputs(names, ())


def test_an_absolute_glob(fleet: Path) -> None:
    assert found_inputs([f"{fleet}/hosts/*/iptables-save"]).names == (
        f"{fleet}/hosts/a/iptables-save",
    )


@pytest.mark.usefixtures("fleet")
def test_a_glob_that_fits_nothing() -> None:
    names, ((given, error),) = found_inputs(["hosts/*.v7"])
    assert (names, given) == ((), "hosts/*.v7")
    assert error.message == "hosts/*.v7: no file has such a name"


def test_a_file_with_such_a_name_is_no_glob(fleet: Path) -> None:
    write(fleet, {"[ab].v4": _DUMP, "a.v4": _DUMP})
    assert found_inputs(["[ab].v4"]).names == ("[ab].v4",)


@pytest.mark.usefixtures("fleet")
def test_what_is_excluded() -> None:
    def is_excluded(path: str) -> bool:
        return path.startswith(("hosts/rack", "hosts/loose/y"))

    assert found_inputs(["hosts"], (), is_excluded).names == (
        "hosts/a",
        "hosts/b",
        "hosts/loose/x.v4",
        "hosts/loose/z.iptables",
    )
    assert found_inputs(["hosts/rack/c"], (), is_excluded).names == ("hosts/rack/c",)
    _, ((_, error),) = found_inputs(["hosts/loose/y*"], (), is_excluded)
    assert error.message == "hosts/loose/y*: all that have such a name are excluded"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"hosts/a\nhosts/b\n\n", ("hosts/a", "hosts/b")),
        (b"hosts/a\r\nhosts/b", ("hosts/a", "hosts/b")),
        (b"hosts/a\0odd\nname\0", ("hosts/a", "odd\nname")),
        (b"caf\xe9*\n", ("caf\udce9*",)),
        (b"hosts\n", _FLEET),
    ],
)
def test_a_list_of_names(fleet: Path, text: bytes, names: tuple[str, ...]) -> None:
    (fleet / "list").write_bytes(text)
    assert found_inputs([], ["list"]).names == names
    assert found_inputs(["x"], ["list"]).names == ("x", *names)


def test_a_list_of_nothing(fleet: Path) -> None:
    (fleet / "list").write_bytes(b"\n")
    with pytest.raises(SourceError, match="list: a list without a name"):
        found_inputs([], ["list"])
    with pytest.raises(SourceError, match="absent: No such file"):
        found_inputs([], ["absent"])


def test_standard_input_once(fleet: Path) -> None:
    (fleet / "list").write_bytes(b"-\n")
    for paths, lists in ((["-", "-"], []), (["-"], ["-"]), (["-"], ["list"])):
        with pytest.raises(SourceError, match="given twice"):
            found_inputs(paths, lists)
