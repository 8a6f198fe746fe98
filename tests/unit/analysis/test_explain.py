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


def test_its_socket_stays_in_fin_wait_1_for_102_s() -> None:
    socket = asked(INCIDENT, FIN).socket
    assert socket is not None
    assert socket.stranded == Stranded("local", "FIN_WAIT_1", 102)


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
    assert of.answer.socket.stranded == Stranded("local", "FIN_WAIT_1", 102)


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
        ("6.18", "", 131),
        ("6.1", "", 127),
        ("3.2", "", 63),
        ("2.6.32", "", None),
        ("6.1", "net.ipv4.tcp_syn_retries = 2\n", 7),
        # The kernel takes at most 255; from the seventh on the pause is 120 s.
        ("6.1", "net.ipv4.tcp_syn_retries = 99999999999999\n", 127 + 249 * 120),
    ],
)
def test_a_lost_syn_ends_connect(kernel: str, sysctl: str, seconds: int | None) -> None:
    rules = "*filter\n:OUTPUT DROP [0:0]\nCOMMIT\n"
    of = asked(rules, "10.1.0.1:40000 > 10.2.0.2:80 S", kernel=kernel, sysctl=sysctl)
    assert of.socket is not None
    assert of.socket.stranded is not None
    assert of.socket.stranded.state == "SYN_SENT"
    assert of.socket.stranded.seconds == seconds


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
