# SPDX-License-Identifier: GPL-2.0-only
"""Which files count, and in which order: held to sysctl.d(5) and to systemd-analyze."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctlint.parse.errors import ParseError
from ctlint.source import sysctl_files
from ctlint.source.errors import SourceError
from ctlint.source.sysctl_files import FOLDERS, read_sysctls
from tests.unit.source.folders import write


def _values(*paths: Path, keys: str = "a.k b.k c.k") -> list[str | None]:
    found = read_sysctls([str(path) for path in paths])
    return [setting and setting.value for setting in map(found.get, keys.split())]


def _order(root: Path, *paths: Path) -> list[str]:
    """The files that are read, in their order, below ``root``."""
    runs = read_sysctls([str(path) for path in paths]).runs
    return [os.path.relpath(file.file, root) for run in runs for file in run.files]


def test_one_file(tmp_path: Path) -> None:
    write(tmp_path, {"dump": "a.k = 1\nb.k = \n"})
    assert _values(tmp_path / "dump") == ["1", "", None]


def test_the_later_path_wins(tmp_path: Path) -> None:
    write(tmp_path, {"one": "a.k = 1\nb.k = 1\n", "two": "*.k = 2\n-b.k\n"})
    assert _values(tmp_path / "one", tmp_path / "two") == ["2", "1", "2"]
    assert _values(tmp_path / "two", tmp_path / "one") == ["1", "1", "2"]


def test_folders_are_sorted_as_one(tmp_path: Path) -> None:
    """sysctl.d(5): sorted by name regardless of the folder; /etc hides /run, /run hides /usr."""
    write(
        tmp_path,
        {
            "usr/lib/sysctl.d/10-a.conf": "a.k = usr\n",
            "usr/lib/sysctl.d/50-c.conf": "c.k = usr\n",
            "usr/lib/sysctl.d/20-b.conf": "b.k = usr\n",
            "run/sysctl.d/20-b.conf": "b.k = run\n",
            "run/sysctl.d/50-c.conf": "c.k = run\n",
            "etc/sysctl.d/50-c.conf": "c.k = etc\n",
            "etc/sysctl.d/05-early.conf": "a.k = etc\n",
            "etc/sysctl.d/99-not.txt": "a.k = no\n",
            "etc/sysctl.d/.99-hidden.conf": "a.k = no\n",
            "etc/sysctl.d/99-folder.conf/x": "",
        },
    )
    order = [
        "etc/sysctl.d/05-early.conf",
        "usr/lib/sysctl.d/10-a.conf",
        "run/sysctl.d/20-b.conf",
        "etc/sysctl.d/50-c.conf",
    ]
    parts = [tmp_path / part for part in ("etc/sysctl.d", "usr/lib/sysctl.d", "run/sysctl.d")]
    assert _order(tmp_path, tmp_path) == order
    assert _order(tmp_path, *parts) == _order(tmp_path, *reversed(parts)) == order
    assert _values(tmp_path) == ["usr", "run", "etc"]


def test_a_folder_elsewhere_hides_what_stands_before_it(tmp_path: Path) -> None:
    write(tmp_path, {f"{part}/1.conf": f"a.k = {part[0]}" for part in ("etc/sysctl.d", "p", "q")})
    assert _values(tmp_path / "q", tmp_path / "p", tmp_path / "etc/sysctl.d")[0] == "p"


def test_a_file_between_folders_parts_them(tmp_path: Path) -> None:
    write(tmp_path, {"p/1.conf": "a.k = p", "f": "a.k = f", "q/0.conf": "b.k = q\n*.k = glob"})
    assert _values(tmp_path / "p", tmp_path / "f", tmp_path / "q") == ["glob", "q", "glob"]


@pytest.mark.parametrize("mask", ["", "-> /dev/null", "-> nowhere"])
def test_masked(tmp_path: Path, mask: str) -> None:
    """sysctl.d(5): a link to /dev/null disables the vendor's file."""
    write(tmp_path, {"usr/lib/sysctl.d/1.conf": "a.k = usr", "etc/sysctl.d/1.conf": mask})
    assert _values(tmp_path) == [None] * 3
    assert _values(tmp_path / "usr/lib/sysctl.d", tmp_path / "etc/sysctl.d") == [None] * 3


def test_sysctl_conf_is_read_last(tmp_path: Path) -> None:
    """sysctl(8), SYSTEM FILE PRECEDENCE."""
    write(tmp_path, {"etc/sysctl.conf": "a.k = conf", "etc/sysctl.d/99-z.conf": "a.k = z"})
    assert _order(tmp_path, tmp_path) == ["etc/sysctl.d/99-z.conf", "etc/sysctl.conf"]


@pytest.mark.parametrize("link", ["../sysctl.conf", "/etc/sysctl.conf"])
def test_sysctl_conf_is_read_where_a_link_puts_it(tmp_path: Path, link: str) -> None:
    """Debian's 99-sysctl.conf, the only way in which systemd-sysctl comes to read it."""
    files = {"etc/sysctl.conf": "a.k = conf", "etc/sysctl.d/99-z.conf": "a.k = z"}
    write(tmp_path, {**files, "etc/sysctl.d/99-sysctl.conf": f"-> {link}"})
    assert _order(tmp_path, tmp_path) == ["etc/sysctl.d/99-sysctl.conf", "etc/sysctl.d/99-z.conf"]
    assert _values(tmp_path)[0] == "z"


def test_links_of_an_image_stay_inside(tmp_path: Path) -> None:
    """A link of an unpacked image must not make us read a file of this host."""
    write(tmp_path, {"secret": "a.k = secret\n"})
    root = write(
        tmp_path / "image",
        {
            "etc/sysctl.d/1.conf": f"-> {tmp_path}/secret",
            "etc/sysctl.d/2.conf": "-> ../../../../../../../../../../../../secret",
            "etc/sysctl.d/3.conf": "-> 3.conf",
            "usr/lib/sysctl.d/5.conf": "b.k = usr",
            "lib": "-> usr/lib",
            "run": f"-> {tmp_path}",
        },
    )
    assert _values(root) == [None, "usr", None]


def test_settings_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("a.k = 1\n",))
    writer.start()
    assert _values(pipe)[0] == "1"
    writer.join()


def test_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"# caf\xe9\na.k = \xff\n")
    assert _values(tmp_path / "f")[0] == "\udcff"


def test_problems_of_all_files(tmp_path: Path) -> None:
    write(tmp_path, {"etc/sysctl.d/1.conf": "=\n", "etc/sysctl.d/2.conf": "a.k = 1\nx\n"})
    with pytest.raises(ParseError) as caught:
        read_sysctls([str(tmp_path)])
    assert [(Path(found.span.file).name, found.span.line) for found in caught.value.problems] == [
        ("1.conf", 1),
        ("2.conf", 2),
    ]


@pytest.mark.parametrize("name", ["absent", "absent/x", "", "nul\x00"])
def test_unreadable(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError):
        read_sysctls([str(tmp_path / name)])


def test_error_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="absent: No such file or directory"):
        read_sysctls([str(tmp_path / "absent")])


def test_endless_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysctl_files, "MAX_FILE_SIZE", 1 << 20)
    with pytest.raises(SourceError, match="/dev/zero: larger than 1 MiB"):
        read_sysctls(["/dev/zero"])


def test_an_empty_sysctl_d_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "sysctl.d").mkdir()
    assert read_sysctls([str(tmp_path / "sysctl.d")]).get("a.k") is None
    assert read_sysctls([]).get("a.k") is None


_TREES = st.dictionaries(
    st.tuples(
        st.sampled_from(FOLDERS[:4]),
        st.sampled_from(["1.conf", "10.conf", "2.conf", "a.conf", "B.conf", "ä.conf", "x.txt"]),
    ),
    st.sampled_from(["a.k = 1\n", "", "-> /dev/null"]),
    min_size=1,
)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_analyze_agrees(tmp_path: Path) -> None:
    """The order of random trees is that of ``systemd-analyze cat-config``."""
    numbers = iter(range(10_000))

    @settings(
        max_examples=40,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(tree=_TREES)
    def check(tree: dict[tuple[str, str], str]) -> None:
        root = tmp_path / str(next(numbers))
        (root / "etc/sysctl.d").mkdir(parents=True)
        write(root, {f"{folder}/{name}": text for (folder, name), text in tree.items()})
        told = subprocess.run(
            ["systemd-analyze", f"--root={root}", "cat-config", "sysctl.d"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        order = [line[2:] for line in told.splitlines() if line.startswith(f"# {root}")]
        # systemd lists masked names too; they hold nothing.
        order = [name for name in order if Path(name).read_text()]
        ours = [file.file for file in read_sysctls([str(root)]).runs[0].files if file.entries]
        assert ours == order

    check()
