# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint replay``: play a capture on the model of conntrack."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from ctlint import __version__
from ctlint.analysis.capture.story import Ends, Story
from ctlint.analysis.capture.whereabouts import NEAR, Stage
from ctlint.cli.exit_codes import EXIT_CLEAN, EXIT_FINDINGS, EXIT_UNUSABLE
from ctlint.cli.options import (
    color_option,
    console,
    format_option,
    kernel_named,
    sets_option,
    sysctl_option,
    unusable_input,
)
from ctlint.cli.progress import watched
from ctlint.cli.replay_options import Own, boxs_addresses, connection_ends, interface_names
from ctlint.cli.streams import tell
from ctlint.model.kernel.profiles import NEWEST, KernelProfile
from ctlint.model.netfilter.host import InterfaceAddress
from ctlint.report.replay_result import Only, ReplayResult, shows_connection, shows_packet
from ctlint.source.captures import CaptureError, CaptureStream, frames
from ctlint.source.errors import SourceError
from ctlint.source.files import STANDARD_INPUT
from ctlint.wire.addresses import Family
from ctlint.wire.frame import Frame

if TYPE_CHECKING:
    from ctlint.analysis.capture.connection import Connection
    from ctlint.analysis.capture.replay import Firewall


@click.command(
    "replay",
    epilog="""\b
Examples:
  ctlint replay capture.pcap
  ctlint replay capture.pcapng --rules rules.v4 --sysctl sysctl.txt
  ctlint replay host.pcap.gz --rules rules.v4 --local 192.0.2.1/24@eth0
  ctlint replay capture.pcap --rules rules.v4 --only expired --format json
  ctlint replay capture.pcap --connection 10.1.0.2:40000-10.2.0.2:80 --ladder
  tcpdump -r huge.pcap -w - port 443 | ctlint replay -
""",
)
@click.argument("file")
@click.option(
    "--rules",
    multiple=True,
    metavar="FILE",
    help="iptables-save or ip6tables-save output, or a host's folder; repeatable [default: none: "
    "conntrack alone].",
)
@sysctl_option
@sets_option
@click.option(
    "--kernel",
    callback=kernel_named,
    default=NEWEST.name,
    show_default=True,
    metavar="PROFILE",
    help="Kernel: a profile (see `ctlint kernel --list`) or the output of `uname -r`.",
)
@click.option(
    "--local",
    multiple=True,
    metavar="ADDRESS",
    callback=boxs_addresses,
    help="An address of the box, with its prefix length and interface: ADDRESS[/LENGTH][@IF]; "
    "repeatable [default: none: all packets are forwarded].",
)
@click.option("--in", "into", metavar="IF", help="Interface where packets come in [default: eth0].")
@click.option("--out", metavar="IF", help="Interface where they go out [default: eth1].")
@click.option(
    "--interface",
    "names",
    multiple=True,
    metavar="NUMBER=NAME",
    callback=interface_names,
    help="How an interface is called of which the capture says the number only; repeatable.",
)
@click.option(
    "--only",
    type=click.Choice([only.value for only in Only]),
    default=Only.TROUBLE.value,
    show_default=True,
    help="Which connections are shown; trouble: any of the following four.",
)
@click.option(
    "--limit",
    type=click.IntRange(0, 100_000),
    default=100,
    show_default=True,
    help="So many connections are shown as text; JSON has all.",
)
@click.option(
    "--connection",
    metavar="A:P-B:Q",
    callback=connection_ends,
    help="Only the connection between these two ends.",
)
@click.option("--ladder", is_flag=True, help="Show the packets of --connection, one by one.")
@format_option("json: an object a line, described in docs/replay.md.")
@click.option("--packets", is_flag=True, help="With --format json: an object for each packet.")
@click.option(
    "--check",
    is_flag=True,
    help="Exit with 1 unless all packets come through, and none is INVALID or not decided.",
)
@color_option
def command(
    file: str,
    rules: tuple[str, ...],
    sysctls: tuple[str, ...],
    sets: tuple[str, ...],
    kernel: KernelProfile,
    local: tuple[Own, ...],
    into: str | None,
    out: str | None,
    names: dict[str, str],
    only: str,
    limit: int,
    connection: tuple[Family, Ends] | None,
    ladder: bool,
    form: str,
    packets: bool,
    check: bool,
    color: str,
) -> int:
    """Play a capture on the model of conntrack, in the time of the capture.

    FILE is what tcpdump, dumpcap or Wireshark write: pcap or pcapng, packed with gzip or not; - is
    standard input. The capture is taken to be what came to the box, whose conntrack table was
    empty before. Says what conntrack would have called each packet, which rule would have dropped
    it, and which entries ran out while their connection lived: docs/replay.md.
    """
    if packets and form != "json":
        raise click.UsageError("--packets needs --format json")
    if ladder and (connection is None or form == "json"):
        raise click.UsageError("--ladder shows --connection, as text")
    if file == STANDARD_INPUT and STANDARD_INPUT in (*rules, *sysctls, *sets):
        raise click.UsageError("- (standard input) is given twice")
    stage = _stage(local, into, out)
    with unusable_input():
        from ctlint.source.replay_inputs import read_firewall

        firewall = read_firewall(rules, sysctls, sets, kernel, stage)
        asked = _Asked(firewall, Only(only), limit, connection, names, is_json=form == "json")
        result, error = _replay(file, asked, packets=packets)
        if asked.is_json:
            _write_summary(result, error)
        else:
            _print(asked, result, color, ladder=ladder)
    if error is not None:
        tell(str(error))
        return EXIT_UNUSABLE
    return EXIT_FINDINGS if check and not result.is_clean else EXIT_CLEAN


def _stage(local: Sequence[Own], into: str | None, out: str | None) -> Stage:
    default = into or next((own.interface for own in local if own.interface), None) or NEAR
    return Stage(
        tuple(
            InterfaceAddress(own.interface or default, own.family, own.address, own.prefix_length)
            for own in local
        ),
        into,
        out,
    )


@dataclass(slots=True)
class _Asked:
    """What is to be shown, and what there is of it so far."""

    firewall: Firewall
    only: Only
    limit: int
    ends: tuple[Family, Ends] | None
    names: dict[str, str]
    is_json: bool
    kept: list[Connection] = field(default_factory=list)
    hidden: int = 0
    story: Story | None = None

    def is_of(self, connection: Connection) -> bool:
        """Whether a connection is one of those."""
        if self.ends is not None:
            family, ends = self.ends
            return connection.opener.family is family and ends.have(connection.opener)
        return shows_connection(self.only, connection)


def _replay(file: str, asked: _Asked, *, packets: bool) -> tuple[ReplayResult, CaptureError | None]:
    """Play all frames. What is damaged in the capture ends it; what was before it counts."""
    from ctlint.analysis.capture.ledger import Ledger
    from ctlint.analysis.capture.replay import Replay
    from ctlint.model.netfilter.traverse import EndlessWalkError
    from ctlint.report.replay_json import packet_line

    stream = CaptureStream(file)
    replay, ledger = Replay(asked.firewall), Ledger()
    has_rules = bool(asked.firewall.rulesets)
    error: CaptureError | None = None
    story = asked.story = None if asked.ends is None else Story(*asked.ends)
    try:
        for frame in _watched(stream, asked):
            played = replay.play(frame)
            if played is None:
                continue
            connection, expiry, done = ledger.add(played)
            if story is not None:
                story.add(played)
            if packets and (
                shows_packet(asked.only, played, expiry)
                if asked.ends is None
                else asked.is_of(connection)
            ):
                sys.stdout.write(packet_line(played, connection, expiry, has_rules=has_rules))
            for one in done:
                _show(asked, one, packets=packets)
    except CaptureError as damage:
        error = damage
    except EndlessWalkError as endless:
        raise SourceError(str(endless)) from None
    finally:
        stream.close()
    for one in ledger.close():
        _show(asked, one, packets=packets)
    result = ReplayResult(
        file,
        asked.firewall,
        ledger.totals,
        replay.left_out,
        replay.frames,
        replay.late,
        replay.forgotten,
        replay.unruled,
        replay.entries,
    )
    return result, error


def _watched(stream: CaptureStream, asked: _Asked) -> Iterator[Frame]:
    found = frames(stream)
    if stream.size is not None:
        output = sys.stdout if asked.is_json else None
        found = watched(found, stream.size, output, taken=lambda: stream.taken)
    names = asked.names
    if not names:
        return found
    return (
        frame._replace(interface=names.get(frame.interface, frame.interface)) for frame in found
    )


def _show(asked: _Asked, connection: Connection, *, packets: bool) -> None:
    """A connection is done."""
    if not asked.is_of(connection):
        return
    if asked.is_json:
        if not packets:
            from ctlint.report.replay_json import connection_line

            has_rules = bool(asked.firewall.rulesets)
            sys.stdout.write(connection_line(connection, has_rules=has_rules))
    elif len(asked.kept) < asked.limit:
        asked.kept.append(connection)
    else:
        asked.hidden += 1


def _write_summary(result: ReplayResult, error: CaptureError | None) -> None:
    from ctlint.report.replay_json import summary_line

    said = None if error is None else str(error)
    sys.stdout.write(summary_line(result, error=said, version=__version__))


def _print(asked: _Asked, result: ReplayResult, color: str, *, ladder: bool) -> None:
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    page = console(color, sys.stdout)
    if ladder:
        _print_ladder(asked, result, color)
        return
    from ctlint.report.replay_text import render_replay

    render_replay(result, asked.kept, asked.hidden, asked.only, console=page)


def _print_ladder(asked: _Asked, result: ReplayResult, color: str) -> None:
    from ctlint.report.simulate_course import Course
    from ctlint.report.simulate_text import render_simulation

    story = asked.story
    scenario = None if story is None else story.scenario(asked.firewall)
    if story is None or scenario is None:
        raise SourceError(f"{result.file}: no packet of this connection")
    course = Course(
        scenario,
        result.file,
        asked.firewall.kernel,
        iter(story.answers),
        lambda: story.entries,
    )
    render_simulation(course, internals=False, console=console(color, sys.stdout))
    if story.left_out:
        click.echo(f"{story.left_out:,} later packets are not shown.")
