# SPDX-License-Identifier: GPL-2.0-only
"""Texts from files and pipes: what is refused, and that memory and time are bounded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import tarfile
import threading
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlint.parse.iptables_save import MAX_LINE
from ctlint.source import files
from ctlint.source.errors import SourceError
from ctlint.source.files import read_text

_DUMP = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"


def _refusal(path: str) -> str:
    with pytest.raises(SourceError) as caught:
        read_text(path)
    return str(caught.value)


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"caf\xc3\xa9 caf\xe9\n")
    assert read_text(str(tmp_path / "f")) == "café caf\udce9\n"


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(_DUMP.encode())))
    assert read_text("-") == _DUMP
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in _refusal("-")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (gzip.compress(_DUMP.encode()), "compressed with gzip"),
        (lzma.compress(_DUMP.encode()), "compressed with xz"),
        (bz2.compress(_DUMP.encode()), "compressed with bzip2"),
        (_DUMP.encode("utf-16"), "UTF-16 text"),
        (b"\xfe\xff" + _DUMP.encode("utf-16-be"), "UTF-16 text"),
        (_DUMP.encode("utf-16-le"), "binary data"),
        (_DUMP.encode("utf-8-sig"), "text with a byte order mark"),
        (b"\x7fELF\x02\x01\x01\x00", "binary data"),
    ],
)
def test_no_text(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(data)
    assert _refusal(str(path)).startswith(f"{path}: {what}")


def test_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z", "w") as archive:
        archive.writestr("rules", _DUMP)
    assert "a zip archive" in _refusal(str(tmp_path / "z"))


def test_the_hint_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "f.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(SourceError) as caught:
        read_text(str(tmp_path / "f.gz"))
    assert caught.value.hint == f"zcat {tmp_path}/f.gz | ctlint lint -"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("absent", "No such file or directory"),
        ("", "Is a directory"),
        ("n\0l", "embedded null byte"),
        ("x" * 300, "File name too long"),
    ],
)
def test_unreadable(tmp_path: Path, name: str, what: str) -> None:
    assert _refusal(f"{tmp_path}/{name}").endswith(what)


def test_no_permission(tmp_path: Path) -> None:
    """As another user, because root may read everything."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    path = tmp_path / "f"
    path.write_text(_DUMP)
    path.chmod(0)
    os.seteuid(65534)
    try:
        answer = _refusal(str(path))
    finally:
        os.seteuid(0)
    assert answer == f"{path}: Permission denied"


def test_dev_zero() -> None:
    started = time.perf_counter()
    assert "binary data" in _refusal("/dev/zero")
    assert time.perf_counter() - started < 30


def test_an_endless_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 MB without a newline: the text that is kept is short, and so is the memory."""
    chunk = b"x" * (1 << 20)
    monkeypatch.setattr(
        files, "chunks_of", lambda _: iter([b"*filter\n-A ", *[chunk] * 200, b"\n#"])
    )
    tracemalloc.start()
    text = read_text("f")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(line) for line in text.split("\n")] == [7, MAX_LINE + 1, 1]
    assert peak < 20 << 20


def test_endless_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(files, "chunks_of", lambda _: iter([b"x" * 1000] * 2000))
    assert _refusal("f") == "f: larger than 1 MiB"
    monkeypatch.setattr(files, "MAX_LINES", 1000)
    monkeypatch.setattr(files, "chunks_of", lambda _: iter([b"\n" * 900] * 2))
    assert _refusal("f") == "f: more than 1,000 lines"


@given(
    st.lists(
        st.sampled_from([b"", b"\n", b"ab", b"\xc3", b"\xa9", b"y" * 7, b"z" * 30]), max_size=12
    )
)
def test_cutting_does_not_depend_on_chunks(pieces: list[bytes]) -> None:
    limit = 10
    whole = b"".join(pieces)
    expected = b"\n".join(line[:limit] for line in whole.split(b"\n"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(files, "_KEPT_LINE", limit)
        monkeypatch.setattr(files, "chunks_of", lambda _: iter([p for p in pieces if p]))
        assert read_text("f") == expected.decode("utf-8", "surrogateescape")


def test_a_fifo_that_nobody_writes_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_FIFO_WAIT", 50)
    os.mkfifo(tmp_path / "pipe")
    assert "nobody writes to it" in _refusal(str(tmp_path / "pipe"))


def test_a_fifo_with_a_slow_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `ctlint lint <(ssh host iptables-save)`."""
    monkeypatch.setattr(files, "_FIFO_WAIT", 2_000)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    opened = threading.Event()

    def write() -> None:
        with pipe.open("w") as stream:
            opened.set()
            monkeypatch.setattr(files, "_FIFO_WAIT", 50)
            time.sleep(0.3)
            stream.write(_DUMP)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert read_text(str(pipe)) == _DUMP
    finally:
        writer.join()
    assert opened.is_set()


@pytest.mark.parametrize(
    ("name", "mode"),
    [("report.tar", "w"), ("report.tar.xz", "w:xz"), ("report.tgz", "w:gz"), ("report", "w")],
)
def test_an_archive(tmp_path: Path, name: str, mode: Literal["w", "w:xz", "w:gz"]) -> None:
    (tmp_path / "rules.v4").write_text(_DUMP)
    with tarfile.open(tmp_path / name, mode) as tar:
        tar.add(tmp_path / "rules.v4", "rules.v4")
    with pytest.raises(SourceError, match="an archive") as caught:
        read_text(str(tmp_path / name))
    assert "unpack it" in (caught.value.hint or "")
