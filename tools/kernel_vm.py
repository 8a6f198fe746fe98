# SPDX-License-Identifier: GPL-2.0-only
"""Runs a command of this machine under another Linux kernel: `ctlint.lab.kernel_vm` from the
command line::

    python tools/kernel_vm.py --kernel boot/vmlinuz-6.1.0-55-amd64 \\
        --modules lib/modules/6.1.0-55-amd64 --out answers -- sh -c 'ctlint … >answers/6.1'

qemu emulates the processor, some 20 times slower than the real one; ``--accel kvm`` makes it quick
where /dev/kvm works. With ``--skip-idle`` the time that the guest spends asleep passes at once, a
quarter of an hour in about a second, so that a test can really wait until a connection expires; so
does the time that it waits for files, which programs with timeouts may not bear: load them, and
kernel modules, before.

The command runs as root in the same working directory, with the same PATH. Its output and its
errors become the standard output of this program, and its exit status the program's own; 125 says
that the guest did not come that far.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from ctlint.lab.kernel_vm import CANNOT_RUN, CannotRunError, run


def main() -> int:
    """Read the command line and run the guest."""
    parser = argparse.ArgumentParser(description="Run a command under another Linux kernel.")
    parser.add_argument("--kernel", type=Path, required=True, help="the kernel's image")
    parser.add_argument("--modules", type=Path, required=True, help="its lib/modules/<release>")
    parser.add_argument("--out", type=Path, help="a directory that the guest may write to")
    parser.add_argument("--memory", type=int, default=2048, help="MiB (default %(default)s)")
    parser.add_argument("--accel", default="tcg", help="kvm, or %(default)s, which always works")
    parser.add_argument("--skip-idle", action="store_true", help="time asleep passes at once")
    parser.add_argument("--seconds", type=float, default=600, help="the time the guest has")
    parser.add_argument("command", nargs="+", help="what to run, behind --")
    given = parser.parse_args()
    # So that qemu is stopped and the temporary files go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(CANNOT_RUN))
    try:
        return run(
            given.kernel,
            given.modules,
            given.command,
            to=sys.stdout.buffer,
            out=given.out,
            memory=given.memory,
            accelerator=given.accel,
            skips_idle=given.skip_idle,
            seconds=given.seconds,
        )
    except CannotRunError as error:
        print(f"kernel_vm: {error}", file=sys.stderr)
        return CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main())
