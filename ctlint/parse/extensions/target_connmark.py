# SPDX-License-Identifier: GPL-2.0-only
"""``-j CONNMARK``. With the mask options (all bits where not given) it does one of

- ``set-xmark``: ctmark = (ctmark & ~mask) ^ value;
- ``save-mark``: ctmark = (ctmark & ~ctmask) ^ (nfmark & nfmask);
- ``restore-mark``: nfmark = (nfmark & ~nfmask) ^ (ctmark & ctmask);

and a shift is applied to the new mark of the first kind, to the masked mark of the others.
``mask`` is both masks. A ``ctmask`` or ``mask`` that stands behind ``set-xmark`` replaces its
mask: options hold in the order of the text.
Source: libxt_CONNMARK of iptables 1.8.11, connmark_tg_shift() in xt_connmark.c of Linux 6.18.
"""

from __future__ import annotations

from ctlint.parse.extension import OptionSpec, one_of, target
from ctlint.parse.extensions.target_mark import MARK_CHANGES
from ctlint.parse.operands import integer

_CHANGES = ("set-xmark", "save-mark", "restore-mark")
_MASK = (integer(show=hex),)

EXTENSIONS = (
    target(
        "CONNMARK",
        *MARK_CHANGES,
        OptionSpec("save-mark", excludes=_CHANGES),
        OptionSpec("restore-mark", excludes=_CHANGES),
        OptionSpec("left-shift-mark", (integer(0, 32),)),
        OptionSpec("right-shift-mark", (integer(0, 32),)),
        OptionSpec("nfmask", _MASK, excludes=("mask",)),
        OptionSpec("ctmask", _MASK, excludes=("mask",)),
        OptionSpec("mask", _MASK, excludes=("nfmask", "ctmask")),
        check=one_of(*_CHANGES),
    ),
)
