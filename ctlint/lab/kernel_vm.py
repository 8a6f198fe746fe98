# SPDX-License-Identifier: GPL-2.0-only
"""Runs a command of this machine under another Linux kernel, in a virtual machine without network.

The guest sees the files of this machine under the same paths, and so the same Python, ctlint and
iptables; what it writes goes to its memory and is lost, except below one directory that it may
share with this machine. Nothing is installed and no image of a disk is needed.

Kernel and modules come from a distribution's package, unpacked anywhere (``dpkg-deb -x``), with
the index of the modules beside them (``depmod -b <where it was unpacked> <release>``). Programs
needed: qemu-system-x86_64, a static busybox, and modprobe, with which the guest's kernel loads
modules as they are asked for.
"""

from __future__ import annotations

import gzip
import lzma
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final

CANNOT_RUN: Final = 125
"""The exit status when the guest could not run the command, or not to its end."""

_QEMU: Final = "qemu-system-x86_64"
_PROGRAMS: Final = (_QEMU, "busybox", "modprobe")

_ROOTS_PROGRAMS: Final = "/usr/sbin:/sbin"
"""Where programs of root are: the guest's command is run by root, whoever runs the guest."""

_FIRST_MODULES: Final = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
"""What the guest needs to reach the files of this machine."""

CONTROL: Final = "/run/kernel_vm"
"""Where the guest finds the command and the files that come with it, and leaves its output and its
exit status.
"""

_BOOT: Final = "console=ttyS0 panic=-1 mitigations=off random.trust_cpu=on"

# Process 1 itself changes its root: the kernel looks for modprobe where process 1 would.
_INIT: Final = """\
#!/busybox sh
b=/busybox
fail() {{ $b echo "kernel_vm: cannot $1"; $b reboot -f; }}
share() {{
    $b mkdir -p "$2"
    $b mount -t 9p -o "trans=virtio,version=9p2000.L,msize=500000,$3" "$1" "$2" || fail "share $2"
}}
$b mount -t devtmpfs devtmpfs /dev
for module in {modules}; do $b insmod "/$module" || fail "load $module"; done
share files /files ro,cache=loose
$b mount -t tmpfs tmpfs /memory
$b mkdir /memory/upper /memory/work
$b mount -t overlay -o lowerdir=/files,upperdir=/memory/upper,workdir=/memory/work overlay /box ||
    fail "mount the root"
$b mkdir -p /box/run /box/tmp /box/dev /box/proc /box/sys
$b mount -t tmpfs tmpfs /box/run
$b mount -t proc proc /box/proc
$b mount -t sysfs sysfs /box/sys
$b mount --move /dev /box/dev
$b mkdir -p /box/dev/net
[ -e /box/dev/net/tun ] || $b mknod /box/dev/net/tun c 10 200
share modules /box/lib/modules/{release} ro,cache=loose
share control /box{control} rw
{out}
exec $b switch_root /box /bin/sh {control}/start
"""

_START: Final = """\
export PATH={path} HOME=/
cd {directory}
{command} >{control}/output 2>{errors} </dev/null
echo $? >{control}/status
echo b >/proc/sysrq-trigger
sleep 60
"""


_NO_FILES: Final[Mapping[str, bytes]] = {}


class CannotRunError(Exception):
    """The guest could not be started, or ended before the command did; the text says why."""


def run(
    kernel: Path,
    modules: Path,
    command: Sequence[str],
    *,
    to: BinaryIO,
    errors: BinaryIO | None = None,
    files: Mapping[str, bytes] = _NO_FILES,
    out: Path | None = None,
    memory: int = 2048,
    accelerator: str = "tcg",
    skips_idle: bool = False,
    seconds: float = 600,
) -> int:
    """Run `command` under `kernel`, of which `modules` is the directory ``lib/modules/<release>``.

    What the command prints is written to `to` as it comes, its errors to `errors` when it has
    ended, or else to `to` as well. The guest finds `files` in the directory CONTROL, and may write
    to the directory `out`. `memory` is in MiB; `accelerator` is named as qemu names it; with
    `skips_idle`, which needs tcg, time that the guest spends asleep passes at once. After `seconds`
    the guest is stopped. Returns the command's exit status. Raises CannotRunError.
    """
    search = f"{os.environ.get('PATH') or os.defpath}:{_ROOTS_PROGRAMS}"
    paths = {name: shutil.which(name, path=search) for name in _PROGRAMS}
    for name, found in paths.items():
        if found is None:
            raise CannotRunError(f"{name} is not installed, or not in PATH")
    for path in (kernel, modules, *([] if out is None else [out])):
        if not path.exists():
            raise CannotRunError(f"{path} does not exist")
    with tempfile.TemporaryDirectory(prefix="kernel-vm-") as name:
        control = Path(name)
        for own, content in files.items():
            (control / own).write_bytes(content)
        first = _first_files(modules, Path(str(paths["busybox"])), out)
        with (control / "initramfs").open("wb") as archive:
            write_cpio(archive, first)
        start = _START.format(
            path=shlex.quote(search),
            directory=shlex.quote(str(Path.cwd())),
            command=shlex.join(command),
            control=CONTROL,
            errors="&1" if errors is None else f"{CONTROL}/errors",
        )
        (control / "start").write_text(start)
        shares = [
            ("files", Path("/"), "on"),
            ("modules", modules, "on"),
            ("control", control, "off"),
        ]
        if out is not None:
            shares.append(("out", out, "off"))
        arguments = [
            *(str(paths[_QEMU]), "-accel", accelerator, "-cpu", "max", "-m", str(memory)),
            *("-no-user-config", "-nodefaults", "-no-reboot", "-display", "none", "-nic", "none"),
            *("-serial", f"file:{control / 'console'}", "-append", _BOOT),
            *("-kernel", str(kernel), "-initrd", str(control / "initramfs")),
        ]
        if skips_idle:
            arguments += ["-icount", "shift=0,sleep=off"]
        for tag, path, is_readonly in shares:
            where = str(path.resolve()).replace(",", ",,")
            rights = f"security_model=none,readonly={is_readonly},multidevs=remap"
            arguments += ["-virtfs", f"local,path={where},mount_tag={tag},{rights}"]
        _follow(arguments, control, to, seconds)
        status = _status(control)
        if errors is not None:
            errors.write((control / "errors").read_bytes())
        return status


def modules_beside(kernel: Path) -> Path:
    """The directory ``lib/modules/<release>`` that was unpacked with a kernel's image
    ``boot/vmlinuz-<release>``. Raises CannotRunError where there is none.
    """
    release = kernel.name.partition("-")[2]
    found = kernel.resolve().parent.parent / "lib" / "modules" / release
    for path in (found, found.parent.parent.parent / "usr" / "lib" / "modules" / release):
        if release and path.is_dir():
            return path
    raise CannotRunError(f"{kernel}: its modules are not beside it in {found}")


def _follow(arguments: Sequence[str], control: Path, to: BinaryIO, seconds: float) -> None:
    """Wait until qemu ends, handing on what the command prints."""
    output = control / "output"
    output.touch()
    end = time.monotonic() + seconds
    with output.open("rb") as printed, (control / "qemu").open("wb") as said:
        qemu = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            is_running = True
            while is_running:
                is_running = qemu.poll() is None
                to.write(printed.read())
                to.flush()
                if is_running and time.monotonic() > end:
                    raise CannotRunError(f"the guest was stopped after {seconds:g} seconds")
                time.sleep(0.1 if is_running else 0)
        finally:
            qemu.kill()
            qemu.wait()


def _status(control: Path) -> int:
    """The exit status that the guest left."""
    said = {path: control / path for path in ("status", "qemu", "console")}
    texts = {n: p.read_text(errors="replace") if p.exists() else "" for n, p in said.items()}
    if not texts["status"].strip():
        last = texts["console"].splitlines()[-15:]
        raise CannotRunError("\n".join(["the guest ended too early", texts["qemu"].strip(), *last]))
    return int(texts["status"])


def _first_files(modules: Path, busybox: Path, out: Path | None) -> dict[str, bytes | None]:
    """What the guest's first root holds; None for a directory."""
    found: dict[str, bytes | None] = dict.fromkeys(("dev", "files", "memory", "box"))
    found["busybox"] = busybox.read_bytes()
    loaded = []
    for path in _with_needs(modules):
        name = path.name.split(".ko")[0] + ".ko"
        loaded.append(name)
        found[name] = _unpacked(path)
    place = "" if out is None else shlex.quote(f"/box{out.resolve()}")
    script = _INIT.format(
        modules=" ".join(loaded),
        control=CONTROL,
        release=shlex.quote(modules.resolve().name),
        out=place and f"share out {place} rw",
    )
    found["init"] = script.encode()
    return found


def _with_needs(modules: Path) -> Iterator[Path]:
    """The files of the first modules, each behind those that it needs.

    modules.dep has a line for each file: the file and what it needs, to be loaded from the last to
    the first (modules.dep(5)).
    """
    index, builtin = modules / "modules.dep", modules / "modules.builtin"
    if not index.exists():
        raise CannotRunError(f"{index} is missing: depmod -b makes it")
    if not builtin.exists():
        raise CannotRunError(f"{builtin} is missing: one of the kernel's packages has it")
    needs = dict(line.split(":", 1) for line in index.read_text().splitlines())
    by_name = {Path(path).name.split(".ko")[0]: path for path in needs}
    built_in = builtin.read_text()
    done: set[str] = set()
    for name in _FIRST_MODULES:
        path = by_name.get(name)
        if path is None:
            if f"/{name}.ko" not in built_in:
                raise CannotRunError(f"the kernel {modules.resolve().name} has no module {name}")
            continue
        for needed in (*reversed(needs[path].split()), path):
            if needed not in done:
                done.add(needed)
                yield modules / needed


def _unpacked(module: Path) -> bytes:
    data = module.read_bytes()
    match module.suffix:
        case ".xz":
            return lzma.decompress(data)
        case ".gz":
            return gzip.decompress(data)
        case ".zst":
            command = ["zstd", "-dc"]
            return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def write_cpio(archive: BinaryIO, files: Mapping[str, bytes | None]) -> None:
    """Write the archive that the kernel unpacks into its first root; None makes a directory.

    Source: Documentation/driver-api/early-userspace/buffer-format.rst ("newc").
    """
    for number, (name, content) in enumerate((*files.items(), ("TRAILER!!!", b"")), 1):
        data = content or b""
        mode = 0o040755 if content is None else 0o100755
        label = name.encode() + b"\0"
        numbers = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(label), 0)
        header = b"070701" + "".join(f"{value:08x}" for value in numbers).encode() + label
        archive.write(header + b"\0" * (-len(header) % 4) + data + b"\0" * (-len(data) % 4))
