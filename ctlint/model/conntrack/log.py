# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel would log of a packet.

Source: net/netfilter/nf_conntrack_proto.c, nf_l4proto_log_invalid(); include/net/netfilter/
nf_log.h. With the sysctl nf_conntrack_log_invalid on, each becomes a line of the kernel's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ctlint.model.conntrack.reason import Reason
from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.wire.moments import SECOND, Micros
from ctlint.wire.protocols import ICMP, ICMPV6, TCP, UDP

TICKS_PER_SECOND: Final = 250
"""CONFIG_HZ of most distributions; one line of the log counts in ticks."""

_OLD_NAMES: Final = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPV6: "icmpv6"}

_NOTHING: Final[Mapping[str, int | str]] = {}


def ticks(span: Micros) -> int:
    """A span in ticks of the kernel's clock."""
    return span * TICKS_PER_SECOND // SECOND


class LogLine(NamedTuple):
    """Why a packet is INVALID or ignored, with the numbers that the kernel's words name."""

    reason: Reason
    protocol: int = TCP
    numbers: Mapping[str, int | str] = _NOTHING

    def words(self, kernel: KernelProfile) -> str | None:
        """The line as this kernel writes it; None where it writes nothing."""
        words = self.reason.words(kernel)
        if words is None:
            return None
        if Feature.LOG_COMMON_WORDS in kernel:
            if Feature.LOG_SPEAKS_AGAIN not in kernel:
                return None
            prefix = f"nf_ct_proto_{self.protocol}"
        else:
            prefix = f"nf_ct_{_OLD_NAMES.get(self.protocol, self.protocol)}"
        return f"{prefix}: {words.format_map(self.numbers)}"
