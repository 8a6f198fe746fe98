# SPDX-License-Identifier: GPL-2.0-only
"""``-j HMARK``: mark = hash % mod + offset.

Source: libxt_HMARK of iptables 1.8.11, hmark_tg_check() in xt_HMARK.c of Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.ir.rule import Option
from ctlint.parse.extension import OptionSpec, RuleContext, target
from ctlint.parse.operands import PREFIX_LENGTH, UINT16, UINT32, abbreviated, integer

# In the order in which a shortened name is looked up.
_FIELDS = ("ct", "src", "dst", "sport", "dport", "proto", "spi")
_HASHED = frozenset(
    {
        "hmark-src-prefix",
        "hmark-dst-prefix",
        "hmark-sport-mask",
        "hmark-dport-mask",
        "hmark-spi-mask",
        "hmark-sport",
        "hmark-dport",
        "hmark-spi",
        "hmark-proto-mask",
        "hmark-tuple",
    }
)
_WORD16 = integer(0, UINT16, show="{:#06x}".format)
_WORD32 = integer(0, UINT32, show="{:#010x}".format)


def _fields(options: Sequence[Option]) -> set[str]:
    """Which fields of the packet the options name."""
    fields: set[str] = set()
    for option in options:
        if option.name == "hmark-tuple":
            fields.update(option.value)
        else:
            fields.add(option.name.split("-")[1])
    return fields


def _check(options: Sequence[Option], _: RuleContext) -> str | None:
    if not any(option.name in _HASHED for option in options):
        return "needs --hmark-tuple or an option that names a field"
    fields = _fields(options)
    if "spi" in fields and fields & {"sport", "dport"}:
        return "an SPI and ports exclude each other"
    return None


EXTENSIONS = (
    target(
        "HMARK",
        OptionSpec("hmark-tuple", (abbreviated(_FIELDS),)),
        OptionSpec("hmark-src-prefix", (PREFIX_LENGTH,)),
        OptionSpec("hmark-dst-prefix", (PREFIX_LENGTH,)),
        OptionSpec("hmark-sport-mask", (_WORD16,)),
        OptionSpec("hmark-dport-mask", (_WORD16,)),
        OptionSpec("hmark-spi-mask", (_WORD32,)),
        OptionSpec("hmark-sport", (_WORD16,)),
        OptionSpec("hmark-dport", (_WORD16,)),
        OptionSpec("hmark-spi", (_WORD32,)),
        OptionSpec("hmark-proto-mask", (_WORD16,)),
        OptionSpec("hmark-rnd", (_WORD32,), required=True),
        OptionSpec("hmark-mod", (integer(1, UINT32),), required=True),
        OptionSpec("hmark-offset", (integer(),)),
        check=_check,
    ),
)
