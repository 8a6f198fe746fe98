# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint kernel``: what a kernel's connection tracking does."""

from __future__ import annotations

import sys

import click

from ctlint.cli.options import color_option, console, format_option
from ctlint.model.kernel.profiles import (
    NEWEST,
    KernelProfile,
    UnknownKernel,
    all_profiles,
    profile,
)
from ctlint.report.escape import visible


def _profile(ctx: click.Context, param: click.Parameter, value: str | None) -> KernelProfile | None:
    """The profile of that name, if one is named. Fails with suggestions."""
    if value is None:
        return None
    try:
        return profile(value)
    except UnknownKernel as error:
        said = visible(str(error))
        others = ", ".join(error.suggestions[1:])
        hint = f"; others like it: {others}" if others else ""
        raise click.BadParameter(
            f"{said}{hint}; `ctlint kernel --list` names all", ctx, param
        ) from None


@click.command(
    "kernel",
    epilog="""\b
Examples:
  ctlint kernel 5.15
  ctlint kernel "$(uname -r)"
  ctlint kernel --list
  ctlint kernel rhel7 --format json | jq .state_table.orig.fin
""",
)
@click.argument("kernel", required=False, metavar="[PROFILE]", callback=_profile)
@click.option("--list", "list_all", is_flag=True, help="List all profiles, one line each.")
@format_option("json: the keys are described in docs/kernel.md.")
@color_option
def command(kernel: KernelProfile | None, list_all: bool, form: str, color: str) -> None:
    """Show what a kernel's connection tracking does.

    Prints the TCP state table, what becomes of a packet that finds no entry, the changes that the
    kernel has and lacks, and the defaults of its sysctls. PROFILE is a name such as 5.15 or rhel7,
    or what `uname -r` prints; without it, the newest kernel known.

    The JSON object has: version, kernel, description, lifetime, states, state_table (orig and
    reply: a row for each class of packets, a cell for each of the states), first_packet (loose:
    with tcp_loose=1, strict: with 0), features, sysctls. With --list: version and kernels.
    """
    if list_all and kernel is not None:
        raise click.UsageError("--list shows all profiles: leave PROFILE out")
    chosen = kernel or NEWEST
    if form == "json":
        from ctlint.report.kernel_json import render_kernel_json, render_kernels_json

        text = render_kernels_json(all_profiles()) if list_all else render_kernel_json(chosen)
        click.echo(text, nl=False)
        return
    from ctlint.report.kernel_text import render_kernel, render_kernels

    page = console(color, sys.stdout)
    if list_all:
        render_kernels(all_profiles(), console=page)
    else:
        render_kernel(chosen, console=page)
