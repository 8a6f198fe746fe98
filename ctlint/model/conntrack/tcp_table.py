# SPDX-License-Identifier: GPL-2.0-only
"""The TCP state table of conntrack, and how it was before each of its changes.

Source: net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks[2][6][TCP_CONNTRACK_MAX]; the table
below is that of Linux 3.18 to 7.3.

Rules for whoever changes it:

* Rows, columns and short names are the kernel's, so that both can be read side by side.
* An older kernel differs by cells, keyed by the feature that changed them, never by its number.
* What depends on more than state, direction and class is no cell but a branch of the tracker: when
  a SYN reopens an entry, resynchronisation, challenge ACKs, windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from ctlint.model.conntrack.status import Cell, Dir, Mark, Seg, TcpCt
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile

Row = tuple[Cell, Cell, Cell, Cell, Cell, Cell, Cell, Cell, Cell, Cell]
"""The new state for each old state, in the order of TcpCt."""

Table = Mapping[Dir, Mapping[Seg, Row]]

sNO = TcpCt.NONE
sSS = TcpCt.SYN_SENT
sSR = TcpCt.SYN_RECV
sES = TcpCt.ESTABLISHED
sFW = TcpCt.FIN_WAIT
sCW = TcpCt.CLOSE_WAIT
sLA = TcpCt.LAST_ACK
sTW = TcpCt.TIME_WAIT
sCL = TcpCt.CLOSE
sS2 = TcpCt.SYN_SENT2
sIV = Mark.INVALID
sIG = Mark.IGNORE

# fmt: off
TCP_CONNTRACKS: dict[Dir, dict[Seg, Row]] = {
    Dir.ORIGINAL: {
        #             sNO, sSS, sSR, sES, sFW, sCW, sLA, sTW, sCL, sS2
        Seg.SYN:    ( sSS, sSS, sIG, sIG, sIG, sIG, sIG, sSS, sSS, sS2 ),
        Seg.SYNACK: ( sIV, sIV, sSR, sIV, sIV, sIV, sIV, sIV, sIV, sSR ),
        Seg.FIN:    ( sIV, sIV, sFW, sFW, sLA, sLA, sLA, sTW, sCL, sIV ),
        Seg.ACK:    ( sES, sIV, sES, sES, sCW, sCW, sTW, sTW, sCL, sIV ),
        Seg.RST:    ( sIV, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL ),
        Seg.NONE:   ( sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV ),
    },
    Dir.REPLY: {
        #             sNO, sSS, sSR, sES, sFW, sCW, sLA, sTW, sCL, sS2
        Seg.SYN:    ( sIV, sS2, sIV, sIV, sIV, sIV, sIV, sSS, sIV, sS2 ),
        Seg.SYNACK: ( sIV, sSR, sIG, sIG, sIG, sIG, sIG, sIG, sIG, sSR ),
        Seg.FIN:    ( sIV, sIV, sFW, sFW, sLA, sLA, sLA, sTW, sCL, sIV ),
        Seg.ACK:    ( sIV, sIG, sSR, sES, sCW, sCW, sTW, sTW, sCL, sIG ),
        Seg.RST:    ( sIV, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL ),
        Seg.NONE:   ( sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV ),
    },
}


class CellDelta(NamedTuple):
    """What a cell said before a feature."""

    feature: Feature
    dir: Dir
    seg: Seg
    from_state: TcpCt
    before: Cell


CELL_DELTAS: tuple[CellDelta, ...] = (  # newest change first: an older one may redo its cell
    CellDelta(Feature.SERVER_REOPENS_TIME_WAIT, Dir.REPLY, Seg.SYN, sTW, sIV),

    CellDelta(Feature.ORIG_SYNACK_INVALID, Dir.ORIGINAL, Seg.SYNACK, sSR, sIG),
    CellDelta(Feature.ORIG_SYNACK_INVALID, Dir.ORIGINAL, Seg.SYNACK, sES, sIG),
    CellDelta(Feature.ORIG_SYNACK_INVALID, Dir.ORIGINAL, Seg.SYNACK, sFW, sIG),
    CellDelta(Feature.ORIG_SYNACK_INVALID, Dir.ORIGINAL, Seg.SYNACK, sCW, sIG),
    CellDelta(Feature.ORIG_SYNACK_INVALID, Dir.ORIGINAL, Seg.SYNACK, sLA, sIG),
    CellDelta(Feature.ORIG_SYNACK_INVALID, Dir.ORIGINAL, Seg.SYNACK, sTW, sIG),
    CellDelta(Feature.ORIG_SYNACK_INVALID, Dir.ORIGINAL, Seg.SYNACK, sCL, sIG),

    CellDelta(Feature.SYNACK_IN_SYN_RECV_IGNORED, Dir.REPLY, Seg.SYNACK, sSR, sSR),
)
# fmt: on


@cache
def tcp_table(kernel: KernelProfile) -> Table:
    """The state table of a kernel, read as `table[dir][seg][state]`; it cannot be changed."""
    directions = {
        direction: {seg: list(row) for seg, row in rows.items()}
        for direction, rows in TCP_CONNTRACKS.items()
    }
    for delta in CELL_DELTAS:
        if delta.feature not in kernel:
            directions[delta.dir][delta.seg][delta.from_state] = delta.before
    return MappingProxyType(
        {
            direction: MappingProxyType({seg: _row(cells) for seg, cells in rows.items()})
            for direction, rows in directions.items()
        }
    )


def _row(cells: list[Cell]) -> Row:
    """A row of exactly one cell for each state."""
    no, ss, sr, es, fw, cw, la, tw, cl, s2 = cells
    return no, ss, sr, es, fw, cw, la, tw, cl, s2
