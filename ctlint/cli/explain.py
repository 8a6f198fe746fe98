# SPDX-License-Identifier: GPL-2.0-only
"""``ctlint explain``: follow one packet through the rules."""

from __future__ import annotations

import sys
from typing import Final

import click

from ctlint.analysis.explain import explain
from ctlint.analysis.explanation import Explanation
from ctlint.analysis.tracking import EntryState, Inquiry, NotFollowedError, is_error
from ctlint.cli.collector import no_garbage_collection
from ctlint.cli.exit_codes import EXIT_FINDINGS, EXIT_UNUSABLE
from ctlint.cli.live import Live, live_options, one_host
from ctlint.cli.options import (
    color_option,
    console,
    format_option,
    kernel_option,
    sets_option,
    sysctl_option,
    unusable_input,
)
from ctlint.cli.streams import reader_may_leave, silence
from ctlint.finding import Role
from ctlint.ir.ruleset import Ruleset
from ctlint.lint.both_backends import is_idle
from ctlint.model.conntrack.status import Dir
from ctlint.model.kernel.profiles import KernelProfile
from ctlint.model.netfilter.hooks import Path
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Mac
from ctlint.parse.errors import ParseError
from ctlint.parse.packet import PacketText, parse_packet
from ctlint.report.caret import print_marked
from ctlint.source.errors import SourceError
from ctlint.source.inputs import HostInput
from ctlint.wire.addresses import Family
from ctlint.wire.header_field import HeaderField
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import ICMP, ICMPV6

_DIRS: Final = {"orig": Dir.ORIGINAL, "reply": Dir.REPLY}


@click.command(
    "explain",
    epilog="""\b
Examples:
  ctlint explain "10.1.0.1:40000 > 10.2.0.2:8088 FIN,ACK" --rules rules.v4
  ctlint explain "10.2.0.2:8088 > 10.1.0.1:40000 ACK" --dir reply --rules rules.v4
  ctlint explain "[fd00::5]:44321 > [fd00::9]:443 RST" --rules rules.v6 --role server
  ctlint explain "10.0.0.5:44321 > 10.0.0.9:443 S" --rules - --role forward --in eth0 --check
  ctlint explain "10.0.0.9 > 10.0.0.5 icmp echo-reply" --rules rules.v4 --entry unreplied
  sudo ctlint explain "10.0.0.5:44321 > 10.0.0.9:443 FIN,ACK" --live
""",
)
@click.argument("packet")
@click.option(
    "--rules",
    metavar="FILE",
    help="iptables-save or ip6tables-save output, - for standard input, or a host's folder.",
)
@live_options
@sysctl_option
@sets_option
@kernel_option
@click.option(
    "--backend",
    type=click.Choice(["legacy", "nft"]),
    help="Whose rules, where those of both are in force [default: both, one after the other].",
)
@click.option(
    "--entry",
    type=click.Choice([state.value for state in EntryState]),
    default=EntryState.EXPIRED.value,
    show_default=True,
    help="State of the packet's conntrack entry before it.",
)
@click.option(
    "--dir",
    "direction",
    type=click.Choice(list(_DIRS)),
    help="The end that sends: orig, the connection's client, or reply, its server "
    "[default: orig, unless a log line says that the packet goes the other way].",
)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    help="Where the host with the rules stands [default: client; forward where a log line names "
    "two interfaces].",
)
@click.option("--in", "in_interface", metavar="IF", help="Interface where the packet comes in.")
@click.option("--out", "out_interface", metavar="IF", help="Interface where it goes out.")
@format_option("json: the keys are described in docs/explain.md.")
@click.option("--check", is_flag=True, help="Exit with 1 unless the packet is delivered.")
@color_option
def command(
    packet: str,
    rules: str | None,
    live: Live,
    sysctls: tuple[str, ...],
    sets: tuple[str, ...],
    kernel: KernelProfile | None,
    backend: str | None,
    entry: str,
    direction: str | None,
    role: str | None,
    in_interface: str | None,
    out_interface: str | None,
    form: str,
    check: bool,
    color: str,
) -> int:
    """Follow one packet through the rules.

    PACKET is written as SOURCE:PORT > DESTINATION:PORT FLAGS, or is a line of tcpdump -n (with -e
    and -v, too) or of the LOG target. FLAGS are names or letters (FIN,ACK or FA); instead of them
    `udp`, or without ports `icmp echo-request`, `icmp 3/1`, `esp`, or a protocol's number.

    Shows what conntrack calls the packet and why, the rules that matter at each hook, the verdict,
    what becomes of the socket, and what would change it.
    """
    with unusable_input():
        text = _packet_text(packet)
        inquiry = _inquiry(text, role, direction, entry, in_interface, out_interface)
        with no_garbage_collection():
            host, kernel = one_host(rules, live, sysctls, sets, kernel)
            rulesets = _rulesets(host, inquiry.packet.family, backend)
            if form == "json" and len(rulesets) > 1:
                raise SourceError(
                    f"{host.name}: rules of iptables-legacy and of iptables-nft are in force",
                    "--backend says of which the JSON is to tell",
                )
            explanations = [_explain(host, kernel, each, inquiry, text.mac) for each in rulesets]
    with reader_may_leave():
        for explanation in explanations:
            if form == "json":
                from ctlint.report.explain_json import render_explanation_json

                click.echo(render_explanation_json(explanation), nl=False)
            else:
                from ctlint.report.explain_text import render_explanation

                sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
                if explanation is not explanations[0]:
                    click.echo("\nAnd by the other backend, whose rules are in force as well:\n")
                render_explanation(explanation, console=console(color, sys.stdout))
    if check and any(each.result.delivered is not Tern.TRUE for each in explanations):
        return EXIT_FINDINGS
    return 0


def _packet_text(packet: str) -> PacketText:
    """What PACKET says; where it says nothing, it is shown with a mark under the place."""
    try:
        return parse_packet(packet)
    except ParseError as error:
        # Lines that tcpdump -v breaks are read as one.
        try:
            print_marked(error.problems, {"PACKET": packet.replace("\n", " ")}, sys.stderr)
        except OSError:
            silence(sys.stderr)
        raise SystemExit(EXIT_UNUSABLE) from None


def _explain(
    host: HostInput, kernel: KernelProfile, ruleset: Ruleset, inquiry: Inquiry, mac: int | None
) -> Explanation:
    from ctlint.analysis.settings import Settings
    from ctlint.model.netfilter.traverse import EndlessWalkError

    try:
        facts = Facts(sets=host.sets, mac=None if mac is None else Mac(mac))
        return explain(ruleset, facts, Settings(host.sysctls, kernel), inquiry)
    except NotFollowedError as error:
        raise click.UsageError(str(error)) from None
    except EndlessWalkError as error:
        raise SourceError(f"{ruleset.file}: {error}") from None


def _rulesets(host: HostInput, family: Family, backend: str | None) -> list[Ruleset]:
    """The rules of the packet's family: of both backends, where those of both do something."""
    found = [ruleset for ruleset in host.rulesets if ruleset.family is family]
    if backend is not None:
        found = [ruleset for ruleset in found if ruleset.is_nft is (backend == "nft")]
    if found:
        return [ruleset for ruleset in found if not is_idle(ruleset)] or found[:1]
    save = "iptables-save" if family is Family.IPV4 else "ip6tables-save"
    version = f"IPv{family.value}"
    of_backend = "" if backend is None else f" of iptables-{backend}"
    said = f"{host.name}: no {version} rules{of_backend} for this {version} packet"
    raise SourceError(said, f"give what {save} prints")


def _inquiry(
    text: PacketText,
    role_name: str | None,
    direction: str | None,
    entry: str,
    in_option: str | None,
    out_option: str | None,
) -> Inquiry:
    """What is asked: options, else what the packet's text says, else the defaults."""
    into = _interface("--in", in_option, text.in_interface)
    out = _interface("--out", out_option, text.out_interface)
    comes_in, goes_out = bool(text.in_interface), bool(text.out_interface)
    if role_name is not None:
        role = Role(role_name)
    elif "lo" in (text.in_interface, text.out_interface):
        role = Role.LOOPBACK
    else:
        role = Role.FORWARD if comes_in and goes_out else Role.CLIENT
    if direction is not None:
        sender = _DIRS[direction]
    elif _answers(text.packet) and not (goes_out and not comes_in):
        sender = Dir.REPLY
    elif role is Role.CLIENT:
        sender = Dir.REPLY if comes_in and not goes_out else Dir.ORIGINAL
    elif role is Role.SERVER:
        sender = Dir.REPLY if goes_out and not comes_in else Dir.ORIGINAL
    else:
        sender = Dir.ORIGINAL
    packet = text.packet
    if HeaderField.TTL in text.known and role is Role.FORWARD and goes_out:
        # It was seen behind routing, which takes one off.
        packet = packet._replace(ttl=min(packet.ttl + 1, 255))
    inquiry = Inquiry(
        packet,
        role,
        sender,
        EntryState(entry),
        into or None,
        out or None,
        text.known,
        text.length,
        text.mark or 0,
    )
    _require_path(inquiry, into, out)
    return inquiry


def _answers(packet: Packet) -> bool:
    """Whether a packet is an answer by its type: to an ICMP query, or an error."""
    kind = packet.icmp_type
    return kind is not None and (is_error(packet) or kind in _ANSWERS[packet.protocol])


_ANSWERS: Final = {ICMP: frozenset({0, 14, 16, 18}), ICMPV6: frozenset({129, 140})}


def _interface(option: str, given: str | None, read: str | None) -> str | None:
    if given is not None and read and given != read:
        raise click.UsageError(f"{option} {given}, but the packet's text says {read}")
    return given if given is not None else read


def _require_path(inquiry: Inquiry, into: str | None, out: str | None) -> None:
    """Refuses interfaces that the packet does not pass."""
    path = inquiry.path
    if path is Path.LOOPBACK:
        if {into, out} - {None, "", "lo"}:
            raise click.UsageError("on the loopback path the interface is lo")
        return
    if "lo" in (into, out):
        raise click.UsageError("lo is an interface of --role loopback only")
    if inquiry.role is Role.SERVER:
        # Where NAT leads the connection on to another host, the packet has both.
        return
    if path is Path.OUT and into:
        raise click.UsageError(
            f"the host sends this packet: it does not come in on {into}; "
            "use --out, or --dir reply, or --role server"
        )
    if path is Path.IN and out:
        raise click.UsageError(
            f"the packet is for this host: it does not go out on {out}; "
            "use --in, or the other --dir or --role"
        )
