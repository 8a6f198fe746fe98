# SPDX-License-Identifier: GPL-2.0-only
"""The ports that a host gives to its own connections.

Source: Documentation/networking/ip-sysctl.rst, ip_local_port_range and ip_local_reserved_ports.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ctlint.analysis.coordinates import EPHEMERAL_PORTS
from ctlint.analysis.settings import BadSettingError, Settings
from ctlint.ir.sysctl import Setting
from ctlint.ir.values import Range

PORT_RANGE: Final = "net.ipv4.ip_local_port_range"
RESERVED_PORTS: Final = "net.ipv4.ip_local_reserved_ports"
MAX_PORT: Final = 65535
_PAIR: Final = re.compile(r"([0-9]{1,5})[ \t]+([0-9]{1,5})")
_PORTS: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class LocalPorts(NamedTuple):
    """Where ports are drawn from, the ports in there that are not, and the line that says the
    range.
    """

    drawn: Range
    reserved: tuple[Range, ...]
    setting: Setting | None

    def gives(self, port: int) -> bool:
        """Whether a connection of the host can get this port by itself."""
        return port in self.drawn and not any(port in each for each in self.reserved)


def local_ports(settings: Settings) -> LocalPorts:
    """The ports by the sysctls, else the default. Raises BadSettingError."""
    given = settings.given.get(PORT_RANGE)
    drawn = EPHEMERAL_PORTS
    if given is not None:
        pair = _PAIR.fullmatch(given.value.strip())
        drawn = _range(given, pair, "two ports, the lower one first")
    reserved = settings.given.get(RESERVED_PORTS)
    words = reserved.value.strip().split(",") if reserved is not None else []
    ranges = tuple(
        _range(reserved, _PORTS.fullmatch(word), "a list of ports and ranges, 8080,9148-9150")
        for word in words
        if reserved is not None and word
    )
    return LocalPorts(drawn, ranges, given)


def _range(setting: Setting, found: re.Match[str] | None, wanted: str) -> Range:
    if found is not None:
        low, high = int(found[1]), int(found[2] or found[1])
        if low <= high <= MAX_PORT:
            return Range(low, high)
    raise BadSettingError(setting, wanted)
