# SPDX-License-Identifier: GPL-2.0-only
"""Matches on what the packet's connection has beside its state: a helper, labels, a node.

Source: net/netfilter/xt_helper.c, xt_connlabel.c, xt_cluster.c, Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from ctlint.ir.rule import Match, Option
from ctlint.model.conntrack.status import EntryStatus
from ctlint.model.netfilter.box import Box
from ctlint.model.netfilter.jhash import jhash_1word
from ctlint.model.netfilter.matches.concrete import of_box
from ctlint.model.netfilter.matches.predicate import Predicate, Rows
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.addresses import Family


def _helper(match: Match, _: Facts) -> Iterator[Predicate]:
    for option in match.options:
        yield of_box(
            option, _has_helper, Field.ENTRY, why="the helper of the connection is not known"
        )


def _has_helper(transit: Transit, _: Box) -> bool | None:
    # It is the helper of the connection that this one was expected of.
    view = transit.entry
    if view is None or not view.entry.status & EntryStatus.EXPECTED:
        return False
    return None


def _connlabel(match: Match, _: Facts) -> Iterator[Predicate]:
    sets = match.get("set") is not None
    for option in match.options:
        if option.name == "label":
            yield of_box(
                option,
                partial(_has_label, option.value, sets),
                Field.ENTRY,
                why="the labels of the connection are not known",
                remembers=sets,
            )


def _has_label(label: int | str, sets: bool, transit: Transit, box: Box) -> bool | None:
    if transit.entry is None:
        return False
    if isinstance(label, str):
        return None
    labels = box.memory.kept("connlabel", transit.entry.entry, set[int])
    if sets:
        labels.add(label)
    return label in labels


def _cluster(match: Match, _: Facts) -> Iterator[Predicate]:
    values = {option.name: option.value for option in match.options}
    nodes = values.get("cluster-local-nodemask")
    if nodes is None:
        nodes = 1 << values["cluster-local-node"] - 1
    is_negated = any(option.negated for option in match.options)
    asked = of_box(
        Option("cluster", negated=is_negated),
        partial(_is_for_nodes, nodes, values["cluster-total-nodes"], values["cluster-hash-seed"]),
        Field.ENTRY,
        why="which node has the connection is not known",
    )

    def test(transit: Transit) -> Tern:
        # Without an entry nothing matches, negated or not.
        if transit.box is not None and transit.entry is None:
            return Tern.FALSE
        return asked.test(transit)

    yield asked._replace(test=test)


def _is_for_nodes(nodes: int, total: int, seed: int, transit: Transit, _: Box) -> bool | None:
    assert transit.entry is not None
    entry = transit.entry.entry
    if entry.status & EntryStatus.EXPECTED:
        return None
    width = Family(entry.original.family).bits // 8
    # The kernel takes one word, even of the four of IPv6 (NF_CT_TUPLE_L3SIZE counts words, and is
    # divided by their size), and takes it as its processor does: nearly all are little-endian.
    word = int.from_bytes(entry.original.saddr.to_bytes(width, "big")[:4], "little")
    return bool(nodes >> (jhash_1word(word, seed) * total >> 32) & 1)


ROWS: Final[Rows] = {"cluster": _cluster, "connlabel": _connlabel, "helper": _helper}
