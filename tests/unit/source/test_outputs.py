# SPDX-License-Identifier: GPL-2.0-only
"""Where reports go: what is kept, what is refused, what is written directly."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from ctlint.source.outputs import OutputError, opened_output, opened_outputs, require_writable
from tests.corpus import REPOSITORY


def write(path: Path | str, text: str = "new", inputs: Sequence[str] = ()) -> None:
    with opened_output(str(path), inputs) as stream:
        stream.write(text)


def fail(path: Path, fault: type[BaseException]) -> None:
    """A report that ends in the middle."""

    def begin() -> None:
        with opened_output(str(path), ()) as stream:
            stream.write("half")
            raise fault

    with pytest.raises(fault):
        begin()


def refusal(path: Path | str, *inputs: Path | str) -> str:
    with pytest.raises(OutputError) as caught:
        write(path, inputs=[str(each) for each in inputs])
    return str(caught.value)


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "out", "grüße \udcff\n")
    finally:
        os.umask(before)
    assert (tmp_path / "out").read_text() == "grüße \\udcff\n"
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_file_keeps_its_mode_and_owner(tmp_path: Path) -> None:
    to = tmp_path / "out"
    to.write_text("old")
    to.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(to, 12345, 54321)
    known = to.stat()
    write(to)
    now = to.stat()
    assert to.read_text() == "new"
    assert (now.st_mode, now.st_uid, now.st_gid) == (known.st_mode, known.st_uid, known.st_gid)


def test_what_stands_there_stays_until_all_is_written(tmp_path: Path) -> None:
    to = tmp_path / "out"
    to.write_text("old")
    with opened_output(str(to), ()) as stream:
        stream.write("new")
        stream.flush()
        assert to.read_text() == "old"
    assert to.read_text() == "new"
    for fault in (ValueError, SystemExit, KeyboardInterrupt):
        fail(to, fault)
        assert to.read_text() == "new"
        fail(tmp_path / "none", fault)
    assert list(tmp_path.iterdir()) == [to]


def test_a_link_stays_one(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("there", "not-yet"):
        link, target = tmp_path / f"to-{name}", folder / name
        link.symlink_to(target)
        if name == "there":
            target.write_text("old")
        write(link)
        assert link.is_symlink()
        assert target.read_text() == "new"


def test_inputs_are_refused_under_every_name(tmp_path: Path) -> None:
    file, other = tmp_path / "in", tmp_path / "other"
    file.write_text("in")
    other.write_text("other")
    (tmp_path / "soft").symlink_to(file)
    (tmp_path / "hard").hardlink_to(file)
    for name in ("in", "soft", "hard", "./in", "../" + tmp_path.name + "/in"):
        output = f"{tmp_path}/{name}"
        assert refusal(output, other, file) == f"cannot write {output}: it is an input ({file})"
    assert file.read_text() == "in"
    write(other, inputs=[str(file), "-", "", "no such file", "a\0b"])
    assert other.read_text() == "new"


@pytest.mark.parametrize(
    "name",
    [
        *("iptables-save", "rules.v6", "sysctl", "ipset-save", "sysctl.conf"),
        *("etc/sysctl.d/1.conf", "sos_commands/networking/iptables_-t_x"),
    ],
)
def test_files_of_a_hosts_folder_are_inputs(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("in")
    assert "it is an input" in refusal(file, tmp_path)
    (tmp_path / "ctlint.sarif").write_text("the last run's")
    write(tmp_path / "ctlint.sarif", inputs=[str(tmp_path)])


def test_standard_input_is_an_input(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_text('{"packets": []}')
    with file.open() as stream:
        done = subprocess.run(
            [sys.executable, "-m", "ctlint", "simulate", "-", "--output", file],
            stdin=stream,
            capture_output=True,
            encoding="utf-8",
            cwd=REPOSITORY,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == f"cannot write {file}: it is an input (-)\n"
    assert file.read_text() == '{"packets": []}'


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "Is a directory"),
        ("no/such/folder", "No such file or directory"),
        ("file/x", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("n" * 300, "File name too long"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_what_cannot_be_written(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    message = refusal(f"{tmp_path}/{name}")
    assert message.startswith("cannot write ")
    assert reason in message
    with pytest.raises(OutputError) as early:
        require_writable(f"{tmp_path}/{name}")
    assert str(early.value) == message


def test_a_long_name_is_no_hindrance(tmp_path: Path) -> None:
    write(tmp_path / ("n" * 255))
    assert (tmp_path / ("n" * 255)).read_text() == "new"


def test_a_full_device(tmp_path: Path) -> None:
    assert refusal("/dev/full") == "cannot write /dev/full: No space left on device"


def test_a_pipe_gets_its_text_as_it_comes(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    found: list[str] = []

    def read() -> None:
        with fifo.open() as stream:
            found.append(stream.readline())

    reader = threading.Thread(target=read)
    reader.start()
    with opened_output(str(fifo), ()) as stream:
        stream.write("first\n")
        stream.flush()
        reader.join(10)
        assert found == ["first\n"]
        stream.write("x" * 100_000)  # the reader has gone, which is no fault
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_standard_output_by_name_is_not_emptied(tmp_path: Path) -> None:
    to = tmp_path / "out"
    for name in ("/dev/stdout", "/proc/self/fd/1", str(to)):
        to.write_text("old\n")
        script = (
            "from ctlint.source.outputs import opened_output\n"
            f"with opened_output({name!r}, ()) as stream: stream.write('new')"
        )
        with to.open("a") as stream:
            subprocess.run(
                [sys.executable, "-c", script], stdout=stream, cwd=REPOSITORY, check=True
            )
        assert to.read_text() == "old\nnew"


def test_a_folder_that_must_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may be written, its folder not: root may do all, so the refusal is played."""
    to = tmp_path / "out"
    to.write_text("old")

    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    fail(to, KeyError)
    assert to.read_text() == "old"
    write(to)
    assert to.read_text() == "new"
    new = tmp_path / "new"
    assert refusal(new) == f"cannot write {new}: Permission denied"


def test_a_file_that_must_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To replace it would need the right to write to its folder alone."""
    to = tmp_path / "out"
    to.write_text("old")
    to.chmod(0o444)
    if os.geteuid() == 0:
        monkeypatch.setattr(os, "access", lambda *_: False)
    assert refusal(to) == f"cannot write {to}: Permission denied"
    assert to.read_text() == "old"


def test_a_file_with_other_names_keeps_them(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("old\n")
    other.hardlink_to(one)
    write(one)
    assert other.read_text() == "new"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["one", "other"]


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM, errno.EACCES])
def test_a_file_that_no_other_can_replace(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount, or another user's file in a folder such as /tmp (rename(2)): written in place."""
    target = tmp_path / "out"
    target.write_text("an older and longer text\n")

    def refuse(self: Path, to: Path) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(Path, "replace", refuse)
    write(target)
    assert target.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_an_owner_that_cannot_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file stays who it belongs to."""
    target = tmp_path / "out"
    target.write_text("old\n")
    inode = target.stat().st_ino

    def refuse(descriptor: int, uid: int, gid: int) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(os, "fchown", refuse)
    write(target)
    assert (target.read_text(), target.stat().st_ino) == ("new", inode)


@pytest.mark.parametrize("name", ["missing/", "there/"])
def test_a_name_that_ends_in_a_slash_is_a_folders(name: str, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old\n")
    with pytest.raises(OutputError, match="Is a directory"):
        write(f"{tmp_path}/{name}")
    assert (tmp_path / "there").read_text() == "old\n"
    assert not (tmp_path / "missing").exists()


def test_standard_input_may_be_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out"
    target.write_text("old\n")
    monkeypatch.setattr(sys, "stdin", None)
    write(target, inputs=["-"])
    assert target.read_text() == "new"


@pytest.mark.parametrize("folder", ["/dev/fd", "/proc/self/fd"])
def test_a_descriptor_by_name_is_not_emptied(folder: str, tmp_path: Path) -> None:
    target = tmp_path / "log"
    target.write_text("before\n")
    with target.open("a") as log:
        write(f"{folder}/{log.fileno()}")
    assert target.read_text() == "before\nnew"


# Several outputs


def write_all(paths: Sequence[Path | str], texts: Sequence[str]) -> None:
    with opened_outputs(map(str, paths), ()) as outputs:
        for output, text in zip(outputs, texts, strict=True):
            with output.writing() as stream:
                stream.write(text)


def test_several_files_appear_together(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("old")
    with opened_outputs([str(one), str(other)], ()) as (first, second):
        with first.writing() as stream:
            stream.write("1")
        with second.writing() as stream:
            stream.write("2")
        assert one.read_text() == "old"
        assert not other.exists()
    assert (one.read_text(), other.read_text()) == ("1", "2")
    assert sorted(tmp_path.iterdir()) == [one, other]


@pytest.mark.parametrize("second", ["no/folder", ".", "/dev/full"])
@pytest.mark.parametrize("has_links", [False, True])
def test_where_one_fails_none_is_changed(tmp_path: Path, second: str, has_links: bool) -> None:
    """Also a file that is written over, for it has other names: nothing of it is lost."""
    one = tmp_path / "one"
    one.write_text("old")
    if has_links:
        (tmp_path / "link").hardlink_to(one)
    names = sorted(tmp_path.iterdir())
    with pytest.raises(OutputError, match="cannot write"):
        write_all([one, tmp_path / second], ["new " * 9_000, "x"])
    assert one.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == names


def test_a_fault_of_the_second_leaves_the_first(tmp_path: Path) -> None:
    def begin() -> None:
        with opened_outputs([str(tmp_path / "a"), str(tmp_path / "b")], ()) as (first, second):
            with first.writing() as stream:
                stream.write("half")
            with second.writing():
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin()
    assert not [*tmp_path.iterdir()]


# Full disks: a real one, and a limit of the process; both end the process that writes.

WRITER = """
import sys
from ctlint.source.outputs import OutputError, opened_outputs
try:
    with opened_outputs(sys.argv[1:], ()) as outputs:
        for output in outputs:
            with output.writing() as stream:
                for _ in range(100):
                    stream.write("x" * 2_000)
except OutputError as error:
    sys.exit(f"told: {error}")
"""
FULL = pytest.mark.parametrize("kind", ["new", "old", "linked"])


def prepare(folder: Path, kind: str) -> Path:
    target = folder / "out"
    if kind != "new":
        target.write_text("old\n")
    if kind == "linked":
        (folder / "link").hardlink_to(target)
    return target


@FULL
def test_a_limit_of_the_size_of_files(tmp_path: Path, kind: str) -> None:
    target = prepare(tmp_path, kind)
    names = sorted(tmp_path.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", WRITER, target],
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.stderr == f"told: cannot write {target}: File too large\n"
    assert sorted(tmp_path.iterdir()) == names
    if kind != "new":
        assert target.read_text() == "old\n"


@FULL
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")
def test_a_full_disk(tmp_path: Path, kind: str) -> None:
    """The file system is mounted in a mount namespace of its own, which ends with the process."""
    prepared = "true" if kind == "new" else "echo old > out"
    if kind == "linked":
        prepared += " && ln out link"
    script = (
        f"mount -t tmpfs -o size=128k none {tmp_path} || exit 77; cd {tmp_path} && {prepared} || "
        f"exit 77; before=$(ls -A); cd {REPOSITORY}; "
        f'{sys.executable} -c "$WRITER" {tmp_path}/first {tmp_path}/out; code=$?; cd {tmp_path}; '
        '[ "$(ls -A)" = "$before" ] || echo left: $(ls -A); cat out 2>/dev/null; exit $code'
    )
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "WRITER": WRITER},
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr}")
    assert done.returncode == 1
    assert done.stderr == f"told: cannot write {tmp_path}/first: No space left on device\n"
    assert done.stdout == ("" if kind == "new" else "old\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")
def test_a_disk_that_has_room_for_the_text_once(tmp_path: Path) -> None:
    """What is written over needs room beside it: the old text is not given up for it."""
    script = (
        f"mount -t tmpfs -o size=300k none {tmp_path} || exit 77; cd {tmp_path}; echo old > out; "
        f'ln out link; cd {REPOSITORY}; {sys.executable} -c "$WRITER" {tmp_path}/out; code=$?; '
        f"cd {tmp_path}; ls -A; cat out; exit $code"
    )
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "WRITER": WRITER},
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr}")
    assert done.stderr == f"told: cannot write {tmp_path}/out: No space left on device\n"
    assert done.stdout == "link\nout\nold\n"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can come to, as pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="ctlint-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def another_user() -> Iterator[None]:
    """This process as one that may do little, until the block ends."""
    groups = os.getgroups()
    os.setgroups([])
    os.setresgid(65534, 65534, 0)
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_a_folder_that_is_another_users(open_folder: Path) -> None:
    for name, mode in (("mine", 0o666), ("theirs", 0o644)):
        (open_folder / name).write_text("old\n")
        (open_folder / name).chmod(mode)
    for name in ("new", "theirs"):
        to = open_folder / name
        with another_user():
            told = refusal(to)
            with pytest.raises(OutputError) as early:
                require_writable(str(to))
        assert told == str(early.value) == f"cannot write {to}: Permission denied"
    with another_user():
        require_writable(str(open_folder / "mine"))
        write(open_folder / "mine")
    assert sorted(each.name for each in open_folder.iterdir()) == ["mine", "theirs"]
    assert (open_folder / "theirs").read_text() == "old\n"
    assert (open_folder / "mine").read_text() == "new"
