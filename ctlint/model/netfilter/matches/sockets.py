# SPDX-License-Identifier: GPL-2.0-only
"""Matches on the socket of a packet: the one that sent it, or the one that it is for.

The box of a concrete packet has sockets that send, and none that takes anything: its own stack
never answers.

Source: net/netfilter/xt_owner.c, xt_cgroup.c, xt_socket.c, Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from ctlint.ir.rule import Match, Option
from ctlint.ir.values import Range
from ctlint.model.netfilter.hooks import Hook
from ctlint.model.netfilter.matches.concrete import settled
from ctlint.model.netfilter.matches.predicate import Predicate, Rows
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Owner, Transit

_NO_OWNER: Final = "the socket's owner is not known"
_NO_SOCKETS: Final = "depends on the sockets of the host"


def _owner(match: Match, facts: Facts) -> Iterator[Predicate]:
    has_all_groups = match.get("suppl-groups") is not None
    for option in match.options:
        test = partial(_is_owned, option, has_all_groups, facts.owner)
        yield Predicate(test, frozenset({Field.BOX}), why=_NO_OWNER)


def _is_owned(option: Option, has_all_groups: bool, owner: Owner | None, transit: Transit) -> Tern:
    if transit.box is None:
        return Tern.UNKNOWN
    if transit.is_kernels and option.name == "socket-exists":
        return Tern.FALSE if option.negated else Tern.TRUE
    if not transit.is_own:
        # Without a socket only what is negated holds.
        return Tern.TRUE if option.negated else Tern.FALSE
    truth: bool | None
    if option.name in ("socket-exists", "suppl-groups"):
        truth = True
    elif owner is None or not isinstance(option.value, Range):
        # A name is resolved where the rule is loaded; processes are not followed.
        truth = None
    elif option.name == "uid-owner":
        truth = owner.uid in option.value
    else:
        groups = (owner.gid, *owner.groups) if has_all_groups else (owner.gid,)
        truth = any(group in option.value for group in groups)
    if truth is None:
        return Tern.UNKNOWN
    return Tern.TRUE if truth is not option.negated else Tern.FALSE


def _cgroup(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        test = partial(_is_in_group, option)
        yield Predicate(test, frozenset({Field.BOX}), why="the sender's cgroup is not known")


def _is_in_group(option: Option, transit: Transit) -> Tern:
    """Port of cgroup_mt_v1: without a socket nothing holds, negated or not."""
    if transit.box is None:
        return Tern.UNKNOWN
    if transit.hook not in (Hook.LOCAL_OUT, Hook.POSTROUTING):
        # Where a packet comes in, the sender's socket is gone.
        return Tern.FALSE
    if transit.is_kernels and option.name == "cgroup":
        # The kernel's own sockets are from its start, in no class.
        return Tern.of((option.value == 0) is not option.negated)
    return Tern.UNKNOWN if transit.is_own or transit.is_kernels else Tern.FALSE


def _socket(_: Match, __: Facts) -> Iterator[Predicate]:
    yield settled(Option("socket"), False, _NO_SOCKETS)


ROWS: Final[Rows] = {"cgroup": _cgroup, "owner": _owner, "socket": _socket}
