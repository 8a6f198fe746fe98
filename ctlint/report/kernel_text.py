# SPDX-License-Identifier: GPL-2.0-only
"""Kernel profiles for a terminal: state table, first packets, changes, sysctl defaults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ctlint.model.conntrack.first_packet import FirstPacket
from ctlint.model.conntrack.status import Cell, Dir, Mark, Seg, TcpCt
from ctlint.model.conntrack.tcp_table import tcp_table
from ctlint.model.kernel.features import Area, Feature, Grade
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.kernel.sysctls import Unit
from ctlint.report.kernel_facts import (
    SHORT_NAMES,
    FirstRow,
    backport_tree,
    first_rows,
    missing_features,
    short_name,
    sysctls_of,
)
from ctlint.report.page import Page, Piece
from ctlint.report.sentence import say_duration, say_flags

if TYPE_CHECKING:
    from rich.console import Console

_HEADING: Final = "bold"
_STYLES: Final = {Mark.INVALID: "red", Mark.IGNORE: "yellow"}
_DIRECTIONS: Final = (("original", Dir.ORIGINAL), ("reply", Dir.REPLY))
_LEGEND: Final = "first release, commit (?: the id is not verified)"
_COMMIT: Final = 13


def render_kernel(kernel: KernelProfile, *, console: Console) -> None:
    """Prints all that one profile says."""
    page = Page(console)
    lifetime = f" ({kernel.lifetime})" if kernel.lifetime else ""
    page.add_wrapped((kernel.description + lifetime, _HEADING))
    _add_table(page, kernel)
    _add_first_packets(page, kernel)
    _add_features(page, kernel)
    _add_sysctls(page, kernel)
    page.flush()


def render_kernels(kernels: Sequence[KernelProfile], *, console: Console) -> None:
    """Prints all profiles, one line each, never wrapped."""
    page = Page(console)
    width = max(len(kernel.name) for kernel in kernels)
    for kernel in kernels:
        lifetime = f" ({kernel.lifetime})" if kernel.lifetime else ""
        page.add(
            (f"{kernel.name:<{width}}", _HEADING),
            f"  {len(kernel.features):>2} changes  {kernel.description}{lifetime}",
        )
    page.flush()


def _add_heading(page: Page, heading: str, explanation: str = "") -> None:
    page.add()
    page.add_wrapped((heading, _HEADING), explanation and f": {explanation}", indent=2)


def _add_table(page: Page, kernel: KernelProfile) -> None:
    _add_heading(
        page,
        "State table",
        "the entry's new state by its old one (across) and the packet (down); "
        "sIV: INVALID, sIG: passes as ignored, the entry stays as it is",
    )
    table = tcp_table(kernel)
    states = " ".join(SHORT_NAMES[state] for state in TcpCt)
    for name, direction in _DIRECTIONS:
        page.add((f"  {name:<10}{states}", "dim"))
        for seg in Seg:
            pieces: list[Piece] = [f"    {seg.name.lower():<8}"]
            for cell in table[direction][seg]:
                pieces += [(short_name(cell), _cell_style(cell)), " "]
            page.add(*pieces)


def _cell_style(cell: Cell) -> str:
    return _STYLES[cell] if isinstance(cell, Mark) else ""


def _add_first_packets(page: Page, kernel: KernelProfile) -> None:
    _add_heading(
        page,
        "First packet",
        "one that finds no entry, because it expired or never was; its ctstate, and the state and "
        "lifetime of the entry that it makes, whichever end sends it",
    )
    lines = [
        (_say_kind(row), _answer(row.loose, row.seconds), _answer(row.strict, row.seconds))
        for row in first_rows(kernel)
    ]
    width = max(len(kind) for kind, *_ in lines)
    middle = max(len(loose) for _, (loose, _), _ in lines)
    last = max(len(strict) for *_, (strict, _) in lines)
    if 2 + width + 2 + middle + 2 + last <= page.width:
        page.add((f"  {'':<{width}}  {'tcp_loose=1':<{middle}}  tcp_loose=0", "dim"))
        for kind, (loose, style), strict in lines:
            page.add(f"  {kind:<{width}}  ", (f"{loose:<{middle}}", style), "  ", strict)
    else:
        for kind, *both in lines:
            page.add(f"  {kind}")
            for value, answer in zip((1, 0), both, strict=True):
                page.add((f"    tcp_loose={value}  ", "dim"), answer)
    page.add_wrapped("PSH, ECE and CWR make no difference: data are an ACK.", first=("  ",))


def _say_kind(row: FirstRow) -> str:
    if row.flags is None:
        return "any other flags"
    return " | ".join(say_flags(flags.letters) for flags in row.flags)


def _answer(first: FirstPacket, seconds: int | None) -> tuple[str, str]:
    """The ctstate and the new entry, with the style to print it in."""
    if first.entry_state is None or seconds is None:
        return str(first.ctstate.name), _STYLES[Mark.INVALID]
    return f"{first.ctstate.name}, {first.entry_state.name} {seconds} s", ""


def _add_features(page: Page, kernel: KernelProfile) -> None:
    missing = missing_features(kernel)
    _add_heading(
        page,
        f"Changes that it lacks ({len(missing)})",
        _LEGEND if missing else "",
    )
    if not missing:
        page.add("  none of those known")
    _add_changes(page, missing, kernel)
    present = tuple(feature for feature in Feature if feature in kernel)
    _add_heading(page, f"Changes that it has ({len(present)})", _LEGEND)
    _add_changes(page, present, kernel)


def _add_changes(page: Page, features: Sequence[Feature], kernel: KernelProfile) -> None:
    for area in Area:
        of_area = [feature for feature in features if feature.area is area]
        if not of_area:
            continue
        page.add((f"  {area.value}", "dim"))
        for feature in of_area:
            since = ".".join(map(str, feature.since))
            doubt = "?" if feature.commit_verified is Grade.UNVERIFIED else ""
            commit = f"{feature.commit or '-'}{doubt}"
            tree = backport_tree(feature, kernel)
            backport = f" (backport: {tree})" if tree else ""
            page.add_wrapped(
                feature.sentence + backport, first=(f"    {since:<7} {commit:<{_COMMIT}} ",)
            )


def _add_sysctls(page: Page, kernel: KernelProfile) -> None:
    sysctls = sysctls_of(kernel)
    _add_heading(page, "Sysctl defaults")
    width = max(len(sysctl.name) for sysctl in sysctls)
    for sysctl in sysctls:
        value = _say_value(kernel.sysctl_default(sysctl.name), sysctl.unit)
        page.add(f"  {sysctl.name:<{width}}  {value}")


def _say_value(value: int | None, unit: Unit) -> str:
    if value is None:
        return "no fixed default"
    if unit is Unit.SECONDS:
        return say_duration(value)
    if unit in (Unit.FLAG, Unit.CHOICE):
        return str(value)
    return f"{value} {unit.value}"
