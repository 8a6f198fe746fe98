# SPDX-License-Identifier: GPL-2.0-only
"""Explanations of single packets.

What a packet meets was measured on Linux 6.18 (states without an entry, the order of tables, goto,
NAT of first packets only, REJECT) or is said by the incident's post-mortem; times of sockets are
those measured with real ones.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ctlint.analysis.explain import explain
from ctlint.analysis.explanation import Change, Explanation, Phase
from ctlint.analysis.fate import Disposition
from ctlint.analysis.passage import Stretch, retrace
from ctlint.analysis.settings import BadSettingError, Settings
from ctlint.analysis.tracking import EntryState, Inquiry, NotFollowedError
from ctlint.finding import Role, Stranded
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.model.conntrack.status import CtState, Dir
from ctlint.model.kernel.profiles import profile
from ctlint.model.netfilter.chains import ChainStore
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Transit
from ctlint.model.netfilter.traverse import Verdict, walk
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.packet import parse_packet
from ctlint.parse.sysctl import parse_sysctl
from ctlint.wire.header_field import HeaderField

ORIG, REPLY = Dir.ORIGINAL, Dir.REPLY

INCIDENT = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m state --state NEW -j LOG --log-prefix "INPUT NEW: "
-A INPUT -p tcp -m state --state ESTABLISHED -j LOG --log-prefix "INPUT ESTABLISHED: "
-A INPUT -p tcp -m state --state INVALID -j LOG --log-prefix "INPUT INVALID: "
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 8088 -m state --state NEW -j ACCEPT
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A OUTPUT -p tcp -m state --state NEW -j LOG --log-prefix "OUTPUT NEW: "
-A OUTPUT -p tcp -m state --state INVALID -j LOG --log-prefix "OUTPUT INVALID: "
-A OUTPUT -m state --state INVALID -j DROP
COMMIT
"""
DROP_LINE = 15
INPUT_LINE = 2
WITHOUT_DROP = INCIDENT.replace("-A OUTPUT -m state --state INVALID -j DROP\n", "")
FIN = "10.1.0.1:40000 > 10.2.0.2:8088 FIN,ACK"
ACK_BACK = "10.2.0.2:8088 > 10.1.0.1:40000 ACK"


def asked(
    rules: str,
    packet: str,
    *,
    role: Role = Role.CLIENT,
    sender: Dir = ORIG,
    entry: EntryState = EntryState.EXPIRED,
    in_interface: str | None = None,
    out_interface: str | None = None,
    sysctl: str = "",
    kernel: str = "6.18",
) -> Explanation:
    (ruleset,) = parse_rulesets(rules, "rules.v4")
    given = SysctlSet((SysctlRun((parse_sysctl(sysctl, "sysctl"),)),) if sysctl else ())
    inquiry = Inquiry(parse_packet(packet).packet, role, sender, entry, in_interface, out_interface)
    return explain(ruleset, Facts(), Settings(given, profile(kernel)), inquiry)


def ending(of: Explanation) -> tuple[Disposition, str | None, int | None]:
    (one,) = of.result.endings
    return one.disposition, one.name, one.cause.line if one.cause else None


def phase(of: Explanation, hook: str, table: str = "filter") -> Phase:
    (found,) = [one for one in of.phases if (one.hook.value, one.table) == (hook, table)]
    return found


def change(of: Explanation, label: str) -> Change:
    (found,) = [one for one in of.changes if one.label.startswith(label)]
    return found


def lines(of: Phase, truth: Tern) -> list[int]:
    return [rule.location.line for rule in of.rules if rule.truth is truth]


# Incident 1


def test_the_fin_is_invalid_and_dropped_in_output() -> None:
    of = asked(INCIDENT, FIN)
    assert of.tracking is not None
    assert of.tracking.ctstate is CtState.INVALID
    assert of.tracking.logged == "invalid new"
    assert ending(of) == (Disposition.DROPPED_BY_RULE, "filter/OUTPUT#3", DROP_LINE)
    assert of.result.delivered is Tern.FALSE
    found = phase(of, "OUTPUT")
    assert lines(found, Tern.TRUE) == [DROP_LINE - 1, DROP_LINE]
    assert [rule.decides for rule in found.rules] == [False, True]
    assert found.passed == 1
    assert [one.table for one in of.phases] == ["filter"]


def lasts(stranded: Stranded | None, end: str, state: str, measured: float) -> bool:
    """Whether this socket stays behind for a time in whose range the measured one lies."""
    assert stranded is not None
    assert stranded.seconds is not None
    assert stranded.at_most is not None
    is_it = (stranded.end, stranded.state) == (end, state)
    return is_it and stranded.seconds <= measured <= stranded.at_most


def test_its_socket_stays_in_fin_wait_1_for_107_s() -> None:
    # Measured on 6.18 with a short round trip: 106.5 to 107.5 s.
    socket = asked(INCIDENT, FIN).socket
    assert socket is not None
    assert lasts(socket.stranded, "local", "FIN_WAIT_1", 107)


def test_without_the_drop_the_fin_leaves_and_its_ack_is_lost() -> None:
    of = asked(WITHOUT_DROP, FIN)
    assert ending(of) == (Disposition.DELIVERED, None, None)
    assert of.socket is None
    assert of.answer is not None
    assert str(of.answer.packet) == "10.2.0.2:8088 > 10.1.0.1:40000 A"
    assert of.answer.result.ctstate is CtState.NEW
    (end,) = of.answer.result.endings
    assert end.name == "filter/INPUT policy"
    assert end.cause is not None
    assert end.cause.line == INPUT_LINE
    assert of.answer.socket is not None
    assert lasts(of.answer.socket.stranded, "local", "FIN_WAIT_1", 107)


def test_the_ack_back_is_new_and_dropped_by_the_policy() -> None:
    of = asked(INCIDENT, ACK_BACK, sender=REPLY)
    assert of.result.ctstate is CtState.NEW
    assert ending(of) == (Disposition.DROPPED_BY_POLICY, "filter/INPUT policy", INPUT_LINE)
    assert of.tracking is not None
    assert of.tracking.seconds == 300
    # Lines of rules that would have let it in but for one thing, with that thing.
    near = {
        rule.location.line: (rule.failures[0].condition, rule.failures[0].why)
        for rule in phase(of, "INPUT").rules
        if rule.truth is Tern.FALSE
    }
    assert near[12] == ("--state RELATED,ESTABLISHED", "it is NEW")
    assert near[11] == ("--dport 8088", "its destination port is 40000")
    assert 5 not in near
    assert phase(of, "INPUT").passed == 7


def test_loopback_is_not_taken_for_an_unknown_interface() -> None:
    of = asked(INCIDENT, ACK_BACK, sender=REPLY)
    assert of.undecided == ()
    on_lo = asked(
        INCIDENT, "127.0.0.1:8088 > 127.0.0.1:40000 ACK", role=Role.LOOPBACK, sender=REPLY
    )
    assert on_lo.result.delivered is Tern.TRUE
    negated = INCIDENT.replace("-A INPUT -i lo", "-A INPUT ! -i lo")
    assert asked(negated, ACK_BACK, sender=REPLY).result.delivered is Tern.TRUE


def test_what_would_change_the_fate_of_the_fin() -> None:
    of = asked(INCIDENT, FIN)
    alive = change(of, "with its entry alive")
    assert alive.result is not None
    assert (alive.result.ctstate, alive.result.delivered) == (CtState.ESTABLISHED, Tern.TRUE)
    assert alive.answer is None
    loose = change(of, "with nf_conntrack_tcp_loose=0")
    assert loose.result == of.result
    without = change(of, "without filter/OUTPUT#3")
    assert without.result is not None
    assert without.result.delivered is Tern.TRUE
    assert without.answer is not None
    assert without.answer.result.endings[0].name == "filter/INPUT policy"
    assert change(of, "with nf_conntrack_tcp_be_liberal=1").note.startswith("no help")
    assert change(of, "with another kernel").note.startswith("no change")


def test_tcp_loose_0_makes_the_ack_invalid() -> None:
    loose = asked(INCIDENT, ACK_BACK, sender=REPLY)
    tight = asked(
        INCIDENT, ACK_BACK, sender=REPLY, sysctl="net.netfilter.nf_conntrack_tcp_loose = 0\n"
    )
    assert tight.result.ctstate is CtState.INVALID
    other = change(tight, "with nf_conntrack_tcp_loose=1")
    assert other.result is not None
    assert other.result.ctstate is CtState.NEW
    assert change(loose, "with nf_conntrack_tcp_loose=0").result == tight.result


def test_a_server_loses_its_own_fin_in_output() -> None:
    of = asked(INCIDENT, "10.1.0.1:80 > 10.2.0.2:40000 FA", role=Role.SERVER, sender=REPLY)
    assert ending(of)[1] == "filter/OUTPUT#3"
    assert of.socket is not None
    assert of.socket.stranded is not None
    assert of.socket.stranded.end == "local"


def test_a_server_on_port_80_accepts_whatever_the_state() -> None:
    of = asked(INCIDENT, "10.2.0.2:40000 > 10.1.0.1:80 FA", role=Role.SERVER)
    assert of.result.ctstate is CtState.INVALID
    assert of.result.delivered is Tern.TRUE
    # Its own ACK opens an entry, which OUTPUT lets out.
    assert of.answer is not None
    assert of.answer.result.delivered is Tern.TRUE


# Live entries


@pytest.mark.parametrize(
    ("packet", "sender", "entry", "ctstate", "state"),
    [
        (FIN, ORIG, EntryState.ESTABLISHED, CtState.ESTABLISHED, "FIN_WAIT"),
        (FIN, ORIG, EntryState.SYN_SENT, CtState.INVALID, None),
        (ACK_BACK, REPLY, EntryState.FIN_WAIT, CtState.ESTABLISHED, "CLOSE_WAIT"),
        ("10.1.0.1:1 > 10.2.0.2:2 S", ORIG, EntryState.SYN_SENT, CtState.NEW, "SYN_SENT"),
        ("10.1.0.1:1 > 10.2.0.2:2 S", ORIG, EntryState.ESTABLISHED, CtState.ESTABLISHED, None),
        ("10.2.0.2:2 > 10.1.0.1:1 S", REPLY, EntryState.ESTABLISHED, CtState.INVALID, None),
        ("10.2.0.2:2 > 10.1.0.1:1 SA", REPLY, EntryState.SYN_SENT, CtState.ESTABLISHED, "SYN_RECV"),
        ("10.1.0.1:1 > 10.2.0.2:2 S", ORIG, EntryState.TIME_WAIT, CtState.NEW, "SYN_SENT"),
    ],
)
def test_a_live_entry_is_judged_by_the_state_table(
    packet: str, sender: Dir, entry: EntryState, ctstate: CtState, state: str | None
) -> None:
    of = asked("*filter\nCOMMIT\n", packet, sender=sender, entry=entry)
    assert of.tracking is not None
    assert of.tracking.ctstate is ctstate
    if state is not None:
        assert of.tracking.entry_state is not None
        assert of.tracking.entry_state.name == state


def test_a_synack_of_the_client_is_another_matter_to_old_kernels() -> None:
    rules = "*filter\n:OUTPUT ACCEPT\n-A OUTPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    packet = "10.1.0.1:1 > 10.2.0.2:2 SA"
    of = asked(rules, packet, entry=EntryState.ESTABLISHED)
    assert of.tracking is not None
    # nf_conntrack_proto_tcp.c of 6.18: index 1 is TCP_SYNACK_SET, dir 0 the original.
    assert of.tracking.logged == "packet (index 1) in dir 0 invalid, state ESTABLISHED"
    assert of.result.delivered is Tern.FALSE
    other = change(of, "with kernel")
    assert "2.6.32" in other.label or "3." in other.label
    assert other.result is not None
    assert other.result.delivered is Tern.TRUE
    old = asked(rules, packet, entry=EntryState.ESTABLISHED, kernel="3.1")
    assert old.result.delivered is Tern.TRUE


def test_ctstatus_and_ctdir_of_a_live_entry() -> None:
    rules = """*filter
:INPUT DROP [0:0]
-A INPUT -m conntrack --ctstatus ASSURED --ctdir REPLY --ctorigsrc 10.1.0.1 -j ACCEPT
COMMIT
"""
    of = asked(rules, ACK_BACK, sender=REPLY, entry=EntryState.ESTABLISHED)
    assert of.result.delivered is Tern.TRUE
    of = asked(rules, "10.2.0.2:8088 > 10.1.0.1:40000 SA", sender=REPLY, entry=EntryState.SYN_SENT)
    assert of.result.delivered is Tern.FALSE


# Undecided matches

OPEN = """*filter
:INPUT DROP [0:0]
-A INPUT -m set --match-set office src -j ACCEPT
-A INPUT -i eth0 -p tcp -j ACCEPT
-A INPUT -m limit --limit 3/min -j LOG
COMMIT
"""


def test_what_is_not_known_stays_undecided_with_its_reason() -> None:
    of = asked(OPEN, ACK_BACK, sender=REPLY)
    assert of.result.delivered is Tern.UNKNOWN
    assert {one.disposition for one in of.result.endings} == {
        Disposition.DELIVERED,
        Disposition.DROPPED_BY_POLICY,
    }
    assert [(one.location.line, one.match) for one in of.undecided] == [
        (3, "--match-set office src"),
        (4, "-i eth0"),
    ]
    assert of.undecided[1].why == "the interface of the packet is not known"
    assert lines(phase(of, "INPUT"), Tern.UNKNOWN) == [3, 4]
    assert of.socket is None
    with_interface = change(of, "with --in eth0")
    assert with_interface.result is not None
    assert with_interface.result.delivered is Tern.TRUE


def test_a_given_interface_decides() -> None:
    assert asked(OPEN, ACK_BACK, sender=REPLY, in_interface="eth0").result.delivered is Tern.TRUE
    of = asked(
        OPEN.replace("-m set --match-set office src", "-s 10.9.0.0/16"),
        ACK_BACK,
        sender=REPLY,
        in_interface="eth1",
    )
    assert of.result.delivered is Tern.FALSE


def test_what_only_logs_makes_nothing_undecided() -> None:
    rules = "*filter\n:INPUT DROP\n-A INPUT -m limit --limit 3/min -j LOG\nCOMMIT\n"
    of = asked(rules, ACK_BACK, sender=REPLY)
    assert of.result.delivered is Tern.FALSE
    assert (phase(of, "INPUT").rules, phase(of, "INPUT").more) == ((), 1)


def test_a_queue_decides_on_its_own() -> None:
    rules = "*filter\n:INPUT ACCEPT\n-A INPUT -p tcp -j NFQUEUE --queue-num 0\nCOMMIT\n"
    of = asked(rules, ACK_BACK, sender=REPLY)
    assert ending(of) == (Disposition.UNDECIDED, "filter/INPUT#1", 3)
    assert of.result.delivered is Tern.UNKNOWN


# NAT, NOTRACK, REJECT

ROUTER = """*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -i eth1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.80:8080
-A POSTROUTING -s 10.0.0.0/24 -o eth1 -j MASQUERADE
COMMIT
"""


def routed(packet: str) -> Explanation:
    return asked(ROUTER, packet, role=Role.FORWARD, in_interface="eth0", out_interface="eth1")


def test_an_invalid_packet_leaves_with_its_private_source() -> None:
    of = routed("10.0.0.5:40000 > 192.0.2.1:443 FA")
    assert of.result.delivered is Tern.TRUE
    (note,) = of.nat
    assert "nat/POSTROUTING#1" in note
    assert "it leaves as 10.0.0.5:40000, and the outer end" in note
    assert note.endswith("the address of eth1, port 40000, does not know it")


def test_a_first_packet_is_translated() -> None:
    of = routed("10.0.0.5:40000 > 192.0.2.1:443 S")
    assert of.nat == (
        "nat/POSTROUTING#1 (rules.v4:5) rewrites its source 10.0.0.5:40000 to the address of eth1, "
        "port 40000",
        "it leaves as <the address of eth1>:40000 > 192.0.2.1:443",
    )
    assert [(one.hook.value, one.table) for one in of.phases] == [
        ("PREROUTING", "nat"),
        ("POSTROUTING", "nat"),
    ]


def test_a_rewritten_destination_is_followed() -> None:
    of = asked(ROUTER, "192.0.2.9:5000 > 192.0.2.1:80 S", role=Role.FORWARD, in_interface="eth1")
    assert of.result.delivered is Tern.TRUE
    (rewrite,) = phase(of, "PREROUTING", "nat").rewrites
    assert (rewrite.end, rewrite.after) == ("destination", (0x0A000050, 8080))
    # An INVALID packet is not rewritten.
    fin = asked(ROUTER, "192.0.2.9:5000 > 192.0.2.1:80 FA", role=Role.FORWARD, in_interface="eth1")
    assert fin.result.delivered is Tern.TRUE
    assert fin.nat[0].endswith("it goes to 192.0.2.1:80 itself, not to 10.0.0.80:8080")


def test_notrack_takes_the_packet_out_of_tracking() -> None:
    rules = """*raw
-A PREROUTING -p tcp -m tcp --dport 80 -j CT --notrack
COMMIT
*filter
:INPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate UNTRACKED -j DROP
COMMIT
"""
    of = asked(rules, "10.2.0.2:4000 > 10.1.0.1:80 S", role=Role.SERVER)
    assert of.tracking is None
    assert of.untracked_by is not None
    assert of.untracked_by.line == 2
    assert of.result.ctstate is CtState.UNTRACKED
    assert ending(of)[1] == "filter/INPUT#1"


def test_a_packet_lost_in_raw_never_meets_conntrack() -> None:
    rules = "*raw\n-A PREROUTING -p tcp -j DROP\nCOMMIT\n"
    of = asked(rules, ACK_BACK, sender=REPLY)
    assert of.tracking is None
    assert of.result.ctstate is None
    assert ending(of) == (Disposition.DROPPED_BY_RULE, "raw/PREROUTING#1", 2)


def test_reject_tells_the_sender() -> None:
    rules = "*filter\n-A INPUT -p tcp -j REJECT --reject-with {}\nCOMMIT\n"
    reset = asked(rules.format("tcp-reset"), ACK_BACK, sender=REPLY)
    assert ending(reset)[0] is Disposition.REJECTED
    assert reset.socket is not None
    assert "gets a RST" in reset.socket.sentence
    # tcp-reset answers no RST (measured).
    rst = asked(rules.format("tcp-reset"), ACK_BACK[:-3] + "R", sender=REPLY)
    assert rst.socket is not None
    assert "not answered" in rst.socket.sentence


@pytest.mark.parametrize(
    ("kernel", "sysctl", "seconds"),
    [
        # Measured on 6.18, and for 6.0 as the time of connect(); the others by the times of SYNs.
        ("6.18", "", 134.8),
        ("6.1", "", 129.5),
        ("3.2", "", 63),
        ("2.6.32", "", 21),
        ("6.18", "net.ipv4.tcp_syn_retries = 2\n", 7.1),
    ],
)
def test_a_lost_syn_ends_connect(kernel: str, sysctl: str, seconds: float) -> None:
    rules = "*filter\n:OUTPUT DROP [0:0]\nCOMMIT\n"
    of = asked(rules, "10.1.0.1:40000 > 10.2.0.2:80 S", kernel=kernel, sysctl=sysctl)
    assert of.socket is not None
    assert lasts(of.socket.stranded, "local", "SYN_SENT", seconds)


def test_no_end_is_told_where_a_socket_tries_for_years() -> None:
    # The kernel would refuse the value.
    rules = "*filter\n:OUTPUT DROP [0:0]\nCOMMIT\n"
    sysctl = "net.ipv4.tcp_syn_retries = 99999999999999\n"
    of = asked(rules, "10.1.0.1:40000 > 10.2.0.2:80 S", kernel="6.1", sysctl=sysctl)
    assert of.socket is not None
    assert of.socket.stranded == Stranded("local", "SYN_SENT", None, None)


FOLLOWED = """*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -d 203.0.113.1/32 -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -i eth1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.80:8080
-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128
-A POSTROUTING -s 10.0.0.0/24 -o eth1 -j MASQUERADE
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
-A INPUT -p tcp -m tcp --dport 3128 -j ACCEPT
-A FORWARD -d 10.0.0.80/32 -m conntrack --ctstate DNAT -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""


def followed(packet: str, **more: object) -> Explanation:
    return asked(FOLLOWED, packet, role=Role.FORWARD, **more)  # type: ignore[arg-type]


def test_later_tables_see_the_new_destination_and_ctstate_dnat() -> None:
    of = followed("192.0.2.9:5000 > 192.0.2.1:80 S", in_interface="eth1", out_interface="eth0")
    assert [verdict[2] for verdict in phase(of, "FORWARD").verdicts] == ["filter/FORWARD#1"]
    assert of.nat[-1] == "it leaves as 192.0.2.9:5000 > 10.0.0.80:8080"
    alive = followed(
        "192.0.2.9:5000 > 192.0.2.1:80 FA",
        entry=EntryState.ESTABLISHED,
        in_interface="eth1",
        out_interface="eth0",
    )
    # No nat rule is asked; the entry still says DNAT.
    found = phase(alive, "PREROUTING", "nat")
    assert (found.rules, found.verdicts, found.rewrites[0].by_entry) == ((), (), True)
    assert [verdict[2] for verdict in phase(alive, "FORWARD").verdicts] == ["filter/FORWARD#1"]


def test_a_redirected_packet_comes_to_this_host_and_its_address_is_not_known() -> None:
    packet = "10.0.0.5:4000 > 192.0.2.99:80 S"
    of = followed(packet, in_interface="eth0")
    assert ending(of) == (Disposition.DELIVERED, None, None)
    (rewrite,) = phase(of, "PREROUTING", "nat").rewrites
    assert (rewrite.after, rewrite.whose) == ((None, 3128), "the address of eth0")
    asks = FOLLOWED.replace("-A INPUT -p tcp", "-A INPUT -d 10.0.0.1/32 -p tcp")
    of = asked(asks, packet, role=Role.FORWARD, in_interface="eth0")
    assert of.result.delivered is Tern.UNKNOWN
    assert [(one.match, one.why) for one in of.undecided] == [
        ("-d 10.0.0.1/32", "the address of eth0 is not known")
    ]
    # In OUTPUT it is 127.0.0.1, and the packet goes over lo.
    local = (
        "*nat\n-A OUTPUT -p tcp -j REDIRECT\nCOMMIT\n"
        "*filter\n:INPUT DROP\n-A INPUT -i lo -d 127.0.0.1 -j ACCEPT\nCOMMIT\n"
    )
    assert asked(local, FIN.replace("FIN,ACK", "SYN")).result.delivered is Tern.TRUE


@pytest.mark.parametrize(
    "packet",
    ["192.0.2.1:443 > 10.0.0.5:4000 SA", "192.0.2.1:443 > 10.0.0.5:4000 A"],
)
def test_an_answer_is_led_back_through_masquerade(packet: str) -> None:
    entry = EntryState.SYN_SENT if packet.endswith("SA") else EntryState.ESTABLISHED
    of = followed(packet, sender=REPLY, entry=entry, in_interface="eth1", out_interface="eth0")
    # On the wire it goes to an address that is not known: raw may drop it.
    assert of.result.delivered is Tern.UNKNOWN
    assert of.undecided[0].why == "the address of eth1 is not known"
    of = asked(
        FOLLOWED.replace("-A PREROUTING -d 203.0.113.1/32 -j DROP\n", ""),
        packet, role=Role.FORWARD, sender=REPLY, entry=entry,
        in_interface="eth1", out_interface="eth0",
    )  # fmt: skip
    assert of.result.delivered is Tern.TRUE
    assert of.nat[-1] == "it leaves as " + packet.rpartition(" ")[0]


def test_without_an_entry_nothing_leads_an_answer_back() -> None:
    of = asked(
        FOLLOWED.replace("-A PREROUTING -d 203.0.113.1/32 -j DROP\n", ""),
        "192.0.2.1:443 > 10.0.0.5:4000 FA", role=Role.FORWARD, sender=REPLY,
        in_interface="eth1", out_interface="eth0",
    )  # fmt: skip
    assert ending(of) == (Disposition.DROPPED_BY_POLICY, "filter/INPUT policy", 12)
    assert of.nat[0].endswith("it comes to this host's own address and stays here")


def test_an_answer_from_behind_dnat_is_read_both_ways() -> None:
    rules = ROUTER.replace("-i eth1 -p tcp", "-d 192.0.2.1/32 -i eth1 -p tcp")
    for packet in ("10.0.0.80:8080 > 192.0.2.9:5000 SA", "192.0.2.1:80 > 192.0.2.9:5000 SA"):
        of = asked(
            rules, packet, role=Role.FORWARD, sender=REPLY, entry=EntryState.SYN_SENT,
            in_interface="eth0", out_interface="eth1",
        )  # fmt: skip
        assert of.nat[-1] == "it leaves as 192.0.2.1:80 > 192.0.2.9:5000"
    # A rule that names no address does not tell what the client called.
    of = asked(
        ROUTER, "10.0.0.80:8080 > 192.0.2.9:5000 SA", role=Role.FORWARD, sender=REPLY,
        entry=EntryState.SYN_SENT, in_interface="eth0", out_interface="eth1",
    )  # fmt: skip
    assert "taken to be without translation" in of.nat[0]


def test_every_translation_that_may_be_is_followed() -> None:
    rules = FOLLOWED.replace("-i eth1 -p tcp", "-i eth1 -m set --match-set web dst -p tcp")
    packet = "192.0.2.9:5000 > 192.0.2.1:80 S"
    of = asked(rules, packet, role=Role.FORWARD, in_interface="eth1", out_interface="eth0")
    assert {one.disposition for one in of.result.endings} == {
        Disposition.DELIVERED,
        Disposition.DROPPED_BY_POLICY,
    }
    assert [(one.hook.value, one.table) for one in of.phases][-1] == ("PREROUTING", "nat")
    assert of.nat[0].startswith("nat/PREROUTING#1 (rules.v4:8) may rewrite its destination")
    # Where both come to the same, nothing is open.
    free = rules.replace(":FORWARD DROP", ":FORWARD ACCEPT")
    of = asked(free, packet, role=Role.FORWARD, in_interface="eth1", out_interface="eth0")
    assert of.result.delivered is Tern.TRUE


def test_a_server_may_lead_on_to_another_host() -> None:
    rules = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
-A FORWARD -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
"""
    packet = "203.0.113.9:5000 > 10.1.0.1:8080 S"
    of = asked(rules, packet, role=Role.SERVER, in_interface="eth0", out_interface="docker0")
    assert of.result.delivered is Tern.TRUE
    assert [one.hook.value for one in of.phases][:2] == ["PREROUTING", "FORWARD"]


def test_a_kept_port_and_the_first_of_a_range() -> None:
    # Measured: a destination keeps its port inside the range, else it gets the first.
    rules = "*nat\n-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.80:{}\nCOMMIT\n"
    for ports, port in (("70-90", 80), ("8000-8010", 8000)):
        of = asked(rules.format(ports), "192.0.2.9:5 > 192.0.2.1:80 S", role=Role.FORWARD)
        assert phase(of, "PREROUTING", "nat").rewrites[0].after == (0x0A000050, port)
    snat = "*nat\n-A POSTROUTING -p tcp -j SNAT --to-source 192.0.2.1:5000-5010\nCOMMIT\n"
    of = asked(snat, "10.0.0.5:4000 > 192.0.2.9:80 S", role=Role.FORWARD)
    assert phase(of, "POSTROUTING", "nat").rewrites[0].after == (0xC0000201, None)
    assert "a port by lot" in of.nat[0]


# Other protocols


@pytest.mark.parametrize(
    ("packet", "sender", "entry", "ctstate", "seconds"),
    [
        ("10.1.0.1:4000 > 10.2.0.2:53 udp", ORIG, EntryState.NONE, CtState.NEW, 30),
        ("10.1.0.1:4000 > 10.2.0.2:53 udp", ORIG, EntryState.UNREPLIED, CtState.NEW, None),
        ("10.2.0.2:53 > 10.1.0.1:4000 udp", REPLY, EntryState.UNREPLIED, CtState.ESTABLISHED, None),
        ("10.1.0.1:4000 > 10.2.0.2:53 udp", ORIG, EntryState.ESTABLISHED, CtState.ESTABLISHED,
         None),
        ("10.1.0.1 > 10.2.0.2 icmp echo-request", ORIG, EntryState.EXPIRED, CtState.NEW, 30),
        ("10.2.0.2 > 10.1.0.1 icmp echo-reply", REPLY, EntryState.EXPIRED, CtState.INVALID, None),
        ("10.2.0.2 > 10.1.0.1 icmp echo-reply", REPLY, EntryState.UNREPLIED, CtState.ESTABLISHED,
         None),
        ("10.2.0.2 > 10.1.0.1 icmp 3/3", REPLY, EntryState.ESTABLISHED, CtState.RELATED, None),
        ("10.2.0.2 > 10.1.0.1 icmp 3/3", REPLY, EntryState.EXPIRED, CtState.INVALID, None),
        ("10.1.0.1 > 10.2.0.2 esp", ORIG, EntryState.NONE, CtState.NEW, 600),
        ("10.2.0.2 > 10.1.0.1 99", REPLY, EntryState.UNREPLIED, CtState.ESTABLISHED, None),
    ],
)  # fmt: skip
def test_other_protocols_have_entries_without_states(
    packet: str, sender: Dir, entry: EntryState, ctstate: CtState, seconds: int | None
) -> None:
    # Timeouts: nf_conntrack_proto_udp.c, _icmp.c and _generic.c.
    of = asked("*filter\nCOMMIT\n", packet, sender=sender, entry=entry)
    assert of.tracking is not None
    assert (of.tracking.ctstate, of.tracking.seconds) == (ctstate, seconds)
    assert of.tracking.seg is None


def test_an_error_belongs_to_what_it_quotes() -> None:
    quoted = "[SRC=10.1.0.1 DST=10.2.0.2 LEN=60 PROTO=TCP SPT=40000 DPT=80 SYN URGP=0 ]"
    line = f"IN=eth0 OUT= SRC=10.9.0.1 DST=10.1.0.1 LEN=88 PROTO=ICMP TYPE=3 CODE=1 {quoted}"
    rules = (
        "*filter\n:INPUT DROP\n-A INPUT -m conntrack --ctstate RELATED --ctorigsrc 10.1.0.1 "
        "--ctproto tcp -j ACCEPT\nCOMMIT\n"
    )
    of = asked(rules, line, sender=REPLY, entry=EntryState.ESTABLISHED)
    assert of.result.delivered is Tern.TRUE
    assert asked(rules, line, sender=REPLY).result.ctstate is CtState.INVALID
    # One that goes to another than the sender of what it quotes is INVALID (Linux 5.17).
    other = line.replace("DST=10.1.0.1 LEN=88", "DST=10.1.0.7 LEN=88")
    assert asked(rules, other, sender=REPLY, entry=EntryState.ESTABLISHED).result.ctstate is (
        CtState.INVALID
    )


def test_a_datagram_of_a_known_stream_asks_no_nat_rule_again() -> None:
    rules = "*nat\n-A OUTPUT -p udp -j DNAT --to-destination 10.9.0.1\nCOMMIT\n"
    of = asked(rules, "10.1.0.1:4000 > 10.2.0.2:53 udp", entry=EntryState.UNREPLIED)
    assert of.result.ctstate is CtState.NEW
    assert phase(of, "OUTPUT", "nat").verdicts == ()
    assert of.nat[-1] == "it leaves as 10.1.0.1:4000 > 10.9.0.1:53"


# What the text of a packet says beyond addresses

HEADER = """*filter
:INPUT DROP [0:0]
-A INPUT -m length --length 40 -m ttl --ttl-eq 51 -m dscp --dscp 0x08 -j ACCEPT
COMMIT
"""


def test_what_a_line_says_of_the_header_decides() -> None:
    line = (
        "IN=eth0 OUT= SRC=10.2.0.2 DST=10.1.0.1 LEN=40 TOS=0x00 PREC=0x20 TTL=51 ID=0 DF "
        "PROTO=TCP SPT=443 DPT=4000 WINDOW=0 RES=0x00 RST URGP=0"
    )
    (ruleset,) = parse_rulesets(HEADER, "rules.v4")
    text = parse_packet(line)
    asking = Inquiry(text.packet, Role.CLIENT, REPLY, known=text.known, length=text.length)
    settings = Settings(SysctlSet(()), profile("6.18"))
    assert explain(ruleset, Facts(), settings, asking).result.delivered is Tern.TRUE
    longer = replace(asking, length=41)
    assert explain(ruleset, Facts(), settings, longer).result.delivered is Tern.FALSE
    unsaid = replace(asking, known=frozenset())
    assert explain(ruleset, Facts(), settings, unsaid).result.delivered is Tern.UNKNOWN
    # What rules may have changed is not known any more.
    mangled = "*mangle\n-A PREROUTING -j TTL --ttl-set 64\nCOMMIT\n" + HEADER
    (changed,) = parse_rulesets(mangled, "rules.v4")
    assert explain(changed, Facts(), settings, asking).result.delivered is Tern.UNKNOWN


def test_a_forwarded_packet_has_one_hop_less() -> None:
    rules = "*filter\n:FORWARD DROP\n-A FORWARD -m ttl --ttl-eq 63 -j ACCEPT\nCOMMIT\n"
    (ruleset,) = parse_rulesets(rules, "rules.v4")
    packet = parse_packet(FIN).packet
    asking = Inquiry(packet, Role.FORWARD, known=frozenset({HeaderField.TTL}))
    found = explain(ruleset, Facts(), Settings(SysctlSet(()), profile("6.18")), asking)
    assert found.result.delivered is Tern.TRUE


def test_a_mark_that_a_rule_asks_for_is_tried() -> None:
    rules = "*filter\n:OUTPUT DROP\n-A OUTPUT -m mark --mark 0x7 -j ACCEPT\nCOMMIT\n"
    of = asked(rules, FIN)
    assert of.result.delivered is Tern.FALSE
    marked = change(of, "with mark 0x7")
    assert marked.result is not None
    assert marked.result.delivered is Tern.TRUE


def test_reject_closes_the_entry_and_its_rst_meets_the_rules() -> None:
    rules = """*filter
:OUTPUT {}
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A OUTPUT -m conntrack --ctstate RELATED -j ACCEPT
COMMIT
"""
    packet, entry = "10.2.0.2:4000 > 10.1.0.1:80 A", EntryState.ESTABLISHED
    of = asked(rules.format("DROP"), packet, role=Role.SERVER, entry=entry)
    assert of.socket is not None
    assert of.socket.sentence.endswith("the RST puts the entry into CLOSE, where it lives 10 s")
    assert of.answer is not None
    assert (str(of.answer.packet), of.answer.result.ctstate, of.answer.result.delivered) == (
        "10.1.0.1:80 > 10.2.0.2:4000 R",
        CtState.RELATED,
        Tern.TRUE,
    )
    # Without an entry the answer has none either.
    gone = asked(rules.format("DROP"), packet + "F", role=Role.SERVER)
    assert gone.answer is not None
    assert gone.answer.result.ctstate is CtState.INVALID
    assert gone.answer.result.delivered is Tern.FALSE
    old = asked(rules.format("DROP"), packet, role=Role.SERVER, entry=entry, kernel="5.10")
    assert old.socket is not None
    assert "CLOSE" not in old.socket.sentence


# Chains


def steps(body: str, packet: str = FIN) -> list[tuple[str, Tern, int, bool]]:
    (ruleset,) = parse_rulesets(f"*filter\n:OUTPUT DROP\n:a -\n:b -\n{body}COMMIT\n", "rules")
    chains = ChainStore(ruleset, Facts())
    transit = Transit(parse_packet(packet).packet, CtState.INVALID)
    found = walk(chains, "filter", "OUTPUT", transit, explain=True)
    rules: list[tuple[str, Tern, int, bool]] = []
    for one in retrace(found, ruleset, "filter", "OUTPUT"):
        if isinstance(one, Stretch):
            for position in range(one.first, one.last + 1):
                rules.append((f"{one.chain.name}#{position}", Tern.FALSE, one.depth, False))
        else:
            name = str(one.ref).removeprefix("filter/")
            rules.append((name, one.truth, one.depth, one.decides))
    return rules


YES, NO, OPEN_RULE = Tern.TRUE, Tern.FALSE, Tern.UNKNOWN


def test_a_chain_that_ends_returns_to_its_caller() -> None:
    assert steps("-A OUTPUT -p tcp -j a\n-A OUTPUT -p udp -j b\n-A OUTPUT -j ACCEPT\n"
                 "-A OUTPUT -j LOG\n-A a -p udp -j DROP\n-A b -j DROP\n") == [
        ("OUTPUT#1", YES, 0, False),
        ("a#1", NO, 1, False),
        ("OUTPUT#2", NO, 0, False),
        ("OUTPUT#3", YES, 0, True),
    ]  # fmt: skip


def test_return_and_goto_leave_the_rest_of_their_chain() -> None:
    assert steps("-A OUTPUT -j a\n-A OUTPUT -p udp -j DROP\n-A OUTPUT -g b\n-A OUTPUT -j ACCEPT\n"
                 "-A a -j RETURN\n-A a -j DROP\n-A b -p udp -j DROP\n") == [
        ("OUTPUT#1", YES, 0, False),
        ("a#1", YES, 1, False),
        ("OUTPUT#2", NO, 0, False),
        ("OUTPUT#3", YES, 0, False),
        ("b#1", NO, 1, False),
    ]  # fmt: skip


def test_behind_an_undecided_jump_the_walk_goes_on_in_the_caller() -> None:
    assert steps("-A OUTPUT -m limit --limit 1/s -j a\n-A OUTPUT -j ACCEPT\n"
                 "-A a -j b\n-A a -j LOG\n-A b -j DROP\n-A b -j LOG\n") == [
        ("OUTPUT#1", OPEN_RULE, 0, False),
        ("a#1", YES, 1, False),
        ("b#1", YES, 2, True),
        ("OUTPUT#2", YES, 0, True),
    ]  # fmt: skip


def test_a_user_chain_that_drops_names_the_rule_that_sent_the_packet_there() -> None:
    rules = (
        INCIDENT.replace("INVALID -j DROP", "INVALID -j bad")
        .replace("*filter\n", "*filter\n:bad - [0:0]\n")
        .replace("COMMIT", "-A bad -p udp -j RETURN\n-A bad -j DROP\nCOMMIT")
    )
    of = asked(rules, FIN)
    (end,) = of.result.endings
    assert end.name == "filter/bad#2"
    assert [one.line for one in end.via] == [16]
    assert [(rule.location.chain, rule.depth) for rule in phase(of, "OUTPUT").rules][-1] == (
        "bad",
        1,
    )


def test_in_a_long_chain_only_what_matters_is_shown() -> None:
    accepts = "".join(
        f"-A INPUT -p tcp -m tcp --dport {port} -j ACCEPT\n" for port in range(1, 901)
    )
    logs = "-A INPUT -p tcp -j LOG\n" * 50
    of = asked(f"*filter\n:INPUT DROP\n{logs}{accepts}COMMIT\n", ACK_BACK, sender=REPLY)
    found = phase(of, "INPUT")
    assert len(found.rules) <= 24
    assert found.passed == 900
    assert len(lines(found, Tern.TRUE)) + found.more == 50
    # The nearest to the decision.
    assert lines(found, Tern.FALSE)[-1] == 2 + 50 + 900


def test_the_accepting_table_does_not_list_rules_that_would_accept_too() -> None:
    of = asked(INCIDENT, "10.2.0.2:4000 > 10.1.0.1:80 S", role=Role.SERVER)
    found = phase(of, "INPUT")
    assert [verdict for verdict, *_ in found.verdicts] == [Verdict.ACCEPT]
    assert lines(found, Tern.FALSE) == []


# What is refused


def test_other_protocols_are_refused_or_simple() -> None:
    rules = "*filter\n:OUTPUT DROP\n-A OUTPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n"
    of = asked(rules, "10.1.0.1:4000 > 10.2.0.2:53 udp")
    assert of.result.delivered is Tern.TRUE
    assert of.socket is None
    of = asked(rules, "10.1.0.1:4000 > 10.2.0.2:53 udp", entry=EntryState.ESTABLISHED)
    assert of.result.ctstate is CtState.ESTABLISHED
    with pytest.raises(NotFollowedError):
        asked(rules, "10.1.0.1:4000 > 10.2.0.2:53 udp", entry=EntryState.FIN_WAIT)
    with pytest.raises(NotFollowedError):
        asked(rules, "10.1.0.1:4000 > 10.2.0.2:53 sctp")
    with pytest.raises(NotFollowedError):
        asked(rules, FIN, entry=EntryState.UNREPLIED)
    assert asked(rules, "10.1.0.1 > 10.2.0.2 icmp echo-request").result.delivered is Tern.TRUE


def test_a_sysctl_that_is_no_number_is_named() -> None:
    with pytest.raises(BadSettingError):
        asked(INCIDENT, FIN, sysctl="net.netfilter.nf_conntrack_tcp_loose = yes\n")


def test_explanations_are_values() -> None:
    first, second = asked(INCIDENT, FIN), asked(INCIDENT, FIN)
    assert first == second
    assert replace(first, nat=("x",)) != second
