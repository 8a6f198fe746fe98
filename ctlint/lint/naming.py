# SPDX-License-Identifier: GPL-2.0-only
"""How findings name packets, ends, ports and settings."""

from __future__ import annotations

from typing import Final

from ctlint.analysis.losses import Kind, Lost, Stranding
from ctlint.finding import Location, PacketKind, Role
from ctlint.ir.sysctl import Setting
from ctlint.ir.values import Range
from ctlint.model.conntrack.status import Dir

_DIR_NAME: Final = {Dir.ORIGINAL: "orig", Dir.REPLY: "reply"}
_LOCAL_ROLES: Final = (Role.CLIENT, Role.SERVER)


def packet_kind(lost: Lost) -> PacketKind:
    """A lost packet as findings name it."""
    return PacketKind(
        lost.kind.flags.letters, _DIR_NAME[lost.sender], "none", lost.ctstate.name or ""
    )


def setting_location(setting: Setting, message: str = "") -> Location:
    """The line of a sysctl, and what is to be said of it there."""
    span = setting.span
    text = f"{setting.raw_key} = {setting.value}"
    return Location(span.file, span.line, span.column, span.end_column, text=text, message=message)


def port_text(ports: Range) -> str:
    """A range of ports as findings write it."""
    return str(ports.low) if ports.low == ports.high else f"{ports.low}:{ports.high}"


def who_sends(stranding: Stranding, lost: Lost) -> str:
    """The end that sends a lost packet, as messages name it."""
    if stranding.role in _LOCAL_ROLES:
        return "the host" if lost.sender is stranding.home else "the peer"
    return "the client" if lost.sender is Dir.ORIGINAL else "the server"


def packet_name(kind: Kind) -> str:
    """A packet kind as messages name it."""
    return {
        Kind.FIN: "FIN",
        Kind.RST: "RST",
        Kind.ACK: "bare ACK",
        Kind.DATA: "data segment",
    }[kind]
