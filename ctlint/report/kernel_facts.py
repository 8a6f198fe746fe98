# SPDX-License-Identifier: GPL-2.0-only
"""What the reports of ``ctlint kernel`` say of a profile, before it is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ctlint.model.conntrack.first_packet import FirstPacket, classify_first
from ctlint.model.conntrack.status import Cell, Mark, TcpCt
from ctlint.model.conntrack.tcp_flags import VALID_FLAGS
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.kernel.sysctls import SYSCTLS, Sysctl
from ctlint.wire.tcp_flags import TcpFlags

SHORT_NAMES: Final = {
    TcpCt.NONE: "sNO",
    TcpCt.SYN_SENT: "sSS",
    TcpCt.SYN_RECV: "sSR",
    TcpCt.ESTABLISHED: "sES",
    TcpCt.FIN_WAIT: "sFW",
    TcpCt.CLOSE_WAIT: "sCW",
    TcpCt.LAST_ACK: "sLA",
    TcpCt.TIME_WAIT: "sTW",
    TcpCt.CLOSE: "sCL",
    TcpCt.SYN_SENT2: "sS2",
}
"""The states as the kernel's table abbreviates them (nf_conntrack_proto_tcp.c)."""

_OTHERS: Final = TcpFlags.FIN
"""Stands for all combinations of flags that are no TCP: their answers are the same."""


def short_name(cell: Cell) -> str:
    """What the kernel's table has in this cell: ``sES``, ``sIV``."""
    return cell.value if isinstance(cell, Mark) else SHORT_NAMES[cell]


class FirstRow(NamedTuple):
    """A kind of packet that finds no entry: ``flags`` are all combinations that are answered
    alike (None: every combination that is not named elsewhere); the answers with tcp_loose at 1
    and at 0, and the new entry's seconds with the profile's own sysctls.
    """

    flags: tuple[TcpFlags, ...] | None
    loose: FirstPacket
    strict: FirstPacket
    seconds: int | None


def first_rows(kernel: KernelProfile) -> tuple[FirstRow, ...]:
    """Every kind of packet, in the order of the table's rows. PSH, ECE and CWR say nothing."""
    groups: dict[tuple[FirstPacket, FirstPacket], list[TcpFlags]] = {}
    for flags in VALID_FLAGS:
        groups.setdefault(_answers(flags, kernel), []).append(flags)
    rows = [_row(tuple(flags), *answers, kernel) for answers, flags in groups.items()]
    rows.sort(key=lambda row: row.loose.seg)
    rows.append(_row(None, *_answers(_OTHERS, kernel), kernel))
    return tuple(rows)


def _answers(flags: TcpFlags, kernel: KernelProfile) -> tuple[FirstPacket, FirstPacket]:
    return (
        classify_first(flags, tcp_loose=True, kernel=kernel),
        classify_first(flags, tcp_loose=False, kernel=kernel),
    )


def _row(
    flags: tuple[TcpFlags, ...] | None,
    loose: FirstPacket,
    strict: FirstPacket,
    kernel: KernelProfile,
) -> FirstRow:
    def default(name: str) -> int:
        value = kernel.sysctl_default(name)
        assert value is not None, name
        return value

    return FirstRow(flags, loose, strict, loose.seconds(default))


def missing_features(kernel: KernelProfile) -> tuple[Feature, ...]:
    """The changes that a kernel lacks, in their order."""
    return tuple(feature for feature in Feature if feature not in kernel)


def backport_tree(feature: Feature, kernel: KernelProfile) -> str | None:
    """The tree that shows a backport to this profile; None where the change is its own."""
    if feature not in kernel or kernel.version >= feature.since:
        return None
    return next(one.tree for one in feature.backports if one.profile == kernel.name)


def sysctls_of(kernel: KernelProfile) -> Sequence[Sysctl]:
    """The sysctls that a kernel knows, under their current names."""
    return [sysctl for sysctl in SYSCTLS.values() if kernel.has_sysctl(sysctl.name)]
