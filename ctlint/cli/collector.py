# SPDX-License-Identifier: GPL-2.0-only
"""When the cyclic collector looks at what a command makes: not while it works, or it would look at
all of it again and again.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

_Item = TypeVar("_Item")


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Reading makes many objects and no cycles: the cyclic collector would only look at them
    again and again (it costs more than the reading itself on large dumps). What was made counts as
    old then, or the first object behind would have it look at all of them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.unfreeze()
            gc.enable()


def one_by_one(items: Sequence[_Item]) -> Iterator[_Item]:
    """The items. What was made of one is collected before the next comes, but not looked for among
    what there was before: the sets of packets of one host are some 40 MB, in cycles. What is left
    of one is not looked at again.
    """
    if len(items) < 2:
        yield from items
        return
    gc.freeze()
    try:
        for item in items:
            yield item
            gc.collect()
            gc.freeze()
    finally:
        gc.unfreeze()
