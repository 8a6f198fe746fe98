# SPDX-License-Identifier: GPL-2.0-only
"""What is said of a host's sockets. What the kernel does with them is in
tests/kernel/test_diagnose.py; the states of entries and the ctstates of packets are those of
docs/incidents.
"""

from __future__ import annotations

from typing import Any

import pytest

from ctlint.analysis.diagnose import diagnose
from ctlint.analysis.diagnosis import Diagnosis, EntryKnown, Pattern, Trouble
from ctlint.analysis.evidence import Counted, Evidence
from ctlint.analysis.settings import Settings
from ctlint.finding import Role
from ctlint.ir.evidence import EntryTable
from ctlint.ir.sysctl import SysctlRun, SysctlSet
from ctlint.model.kernel.profiles import profile
from ctlint.parse.conntrack import parse_conntrack
from ctlint.parse.counters import parse_counters
from ctlint.parse.ip_routes import parse_routes
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.kernel_log import parse_kernel_log
from ctlint.parse.ss import parse_ss
from ctlint.parse.sysctl import parse_sysctl
from ctlint.wire.addresses import Family

_DROP = "-A OUTPUT -m conntrack --ctstate INVALID -j DROP"
_STATEFUL = (
    ":INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n"
    "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
)
_FIN_WAIT_1 = "FIN-WAIT-1 0 1 10.0.0.5:40000 10.0.0.9:443 timer:({timer}) ino:0 sk:1"
_INFO = "\n\t rto:204 rtt:0.05/0.02 lastsnd:{0} lastrcv:{0} lastack:{0} notsent:1"
_HERE = "src=10.0.0.5 dst=10.0.0.9 sport=40000 dport=443"
_BACK = "src=10.0.0.9 dst=10.0.0.5 sport=443 dport=40000"


def _rules(lines: str, file: str = "rules") -> Any:
    return parse_rulesets(f"*filter\n{lines}\nCOMMIT\n", file, Family.IPV4)


def _diagnose(
    rules: str = "",
    ss: str = "",
    *,
    conntrack: str | None = "",
    kernel: str = "6.18",
    sysctl: str = "",
    families: frozenset[Family] = frozenset({Family.IPV4}),
    **more: Any,
) -> Diagnosis:
    entries = None
    if conntrack is not None:
        entries = EntryTable(("conntrack",), parse_conntrack(conntrack, "conntrack"), families)
    sysctls = SysctlSet((SysctlRun((parse_sysctl(sysctl, "sysctl"),)),))
    evidence = Evidence(
        "host",
        _rules(rules) if rules else (),
        sysctls=sysctls,
        sockets=parse_ss(ss, "ss"),
        entries=entries,
        **more,
    )
    return diagnose(evidence, Settings(sysctls, profile(kernel)))


def _one(*held: Any, **named: Any) -> Trouble:
    (trouble,) = _diagnose(*held, **named).troubles
    return trouble


def _lost(trouble: Trouble) -> list[tuple[str, str, str, int]]:
    return [
        (
            one.flags.letters,
            one.sender,
            str(one.ctstate.name) if one.ctstate is not None else "",
            one.location.line,
        )
        for one in trouble.lost
    ]


# FIN_WAIT_1 and its like


def test_fin_without_entry() -> None:
    trouble = _one(_DROP, _FIN_WAIT_1.format(timer="persist,6.488ms,5") + _INFO.format(130_000))
    assert trouble.pattern is Pattern.FIN_WAIT_1
    assert trouble.entry_known is EntryKnown.MISSING
    assert trouble.role is Role.CLIENT
    assert _lost(trouble) == [("FA", "this host", "INVALID", 2)]
    assert trouble.lasts is not None
    # Measured with a real socket: gone 106 to 110 s behind close(), the sixth timer ends at 13 s.
    assert trouble.lasts.is_known
    assert trouble.lasts.least is not None
    assert 90 <= trouble.lasts.least <= 100
    assert "for 130 s no data has come or gone" in trouble.signs


def test_silence_that_is_longer_than_the_timeout_is_said() -> None:
    trouble = _one(
        _DROP,
        _FIN_WAIT_1.format(timer="persist,6.488ms,5") + _INFO.format(130_000),
        sysctl="net.netfilter.nf_conntrack_tcp_timeout_established = 120",
    )
    name = "net.netfilter.nf_conntrack_tcp_timeout_established"
    assert f"that is longer than {name} = 120" in trouble.signs
    assert any(f"{name} = 120 (sysctl:1)" in advice.what for advice in trouble.change)


def test_server_whose_port_a_socket_listens_at() -> None:
    ss = (
        "LISTEN 0 128 0.0.0.0:80 0.0.0.0:*\n"
        "LAST-ACK 0 1 10.0.0.5:80 10.0.0.9:5000 timer:(persist,1sec,3) ino:0\n"
    )
    trouble = _one(_DROP, ss)
    assert (trouble.pattern, trouble.role) == (Pattern.FIN_WAIT_1, Role.SERVER)


def test_ack_of_the_fin_that_input_drops() -> None:
    trouble = _one(_STATEFUL, _FIN_WAIT_1.format(timer="on,6.400ms,4"))
    assert _lost(trouble) == [("A", "the peer", "NEW", 2), ("FA", "the peer", "INVALID", 2)]
    assert trouble.now[0].checked
    assert len(trouble.now[0].commands) == 2


def test_fin_with_entry_is_the_networks_matter() -> None:
    entry = f"tcp 6 100 FIN_WAIT {_HERE} {_BACK} [ASSURED] use=1"
    ss = _FIN_WAIT_1.format(timer="on,1.500ms,3")
    trouble = _one(_DROP, ss, conntrack=entry)
    assert (trouble.pattern, trouble.lost) == (Pattern.UNANSWERED, ())
    assert trouble.entry_known is EntryKnown.FOUND
    # It has just closed: nothing is wrong.
    ss = _FIN_WAIT_1.format(timer="on,150ms,0")
    assert not _diagnose(_DROP, ss, conntrack=entry).troubles


def test_entry_that_nat_translates_is_found_by_its_other_tuple() -> None:
    entry = (
        "tcp 6 100 FIN_WAIT src=10.0.0.9 dst=203.0.113.1 sport=443 dport=80 "
        "src=10.0.0.5 dst=10.0.0.9 sport=40000 dport=443 [ASSURED] use=1"
    )
    ss = _FIN_WAIT_1.format(timer="on,150ms,0")
    assert not _diagnose(_DROP, ss, conntrack=entry).troubles


def test_mapped_address_is_that_of_ipv4() -> None:
    ss = _FIN_WAIT_1.format(timer="persist,1sec,2")
    ss = ss.replace("10.0.0.5", "[::ffff:10.0.0.5]").replace("10.0.0.9", "[::ffff:10.0.0.9]")
    assert _lost(_one(_DROP, ss)) == [("FA", "this host", "INVALID", 2)]


def test_dump_of_one_family_says_nothing_of_the_other() -> None:
    ss = "FIN-WAIT-1 0 1 [fd00::5]:40000 [fd00::9]:443 timer:(persist,1sec,2) ino:0"
    (trouble,) = _diagnose(_DROP, ss).troubles
    assert trouble.entry_known is EntryKnown.UNKNOWN
    assert not trouble.lost
    assert trouble.undecided == ("the rules of its family are not known",)


def test_unknown_entries_leave_it_undecided_but_for_a_logged_packet() -> None:
    ss = _FIN_WAIT_1.format(timer="persist,1sec,2")
    trouble = _one(_DROP, ss, conntrack=None)
    assert (trouble.pattern, trouble.lost) == (Pattern.UNANSWERED, ())
    assert "whether the connection has an entry is not known" in trouble.undecided[0]
    line = (
        "[5.0] [drop] IN= OUT=eth0 SRC=10.0.0.5 DST=10.0.0.9 LEN=52 TOS=0x00 PREC=0x00 TTL=64 ID=0 "
        "DF PROTO=TCP SPT=40000 DPT=443 WINDOW=5 RES=0x00 ACK FIN URGP=0"
    )
    trouble = _one(_DROP, ss, conntrack=None, log=parse_kernel_log(line, "log"))
    assert trouble.pattern is Pattern.FIN_WAIT_1
    assert [one.line for one in trouble.lost[0].logged] == [1]


def test_rules_that_do_not_ask_conntrack_make_no_entries() -> None:
    assert not _diagnose(
        "-A INPUT -p tcp -j ACCEPT", _FIN_WAIT_1.format(timer="on,1sec,1")
    ).troubles


def test_what_depends_on_an_interface_is_undecided() -> None:
    rules = "-A OUTPUT -o eth0 -m conntrack --ctstate INVALID -j DROP"
    trouble = _one(rules, _FIN_WAIT_1.format(timer="persist,1sec,2"))
    assert not trouble.lost
    assert "rules:2 may eat it" in trouble.undecided[0]


def test_interface_is_that_of_the_route() -> None:
    rules = "-A OUTPUT -o eth0 -m conntrack --ctstate INVALID -j DROP"
    ss = _FIN_WAIT_1.format(timer="persist,1sec,2")
    routes = '[{"dst":"default","dev":"eth1"},{"dst":"10.0.0.0/24","dev":"eth0"}]'
    found = parse_routes(routes, "r", Family.IPV4)
    assert _lost(_one(rules, ss, routes=found)) == [("FA", "this host", "INVALID", 2)]
    assert not _one(rules, ss, routes=found[:1]).lost
    both = parse_routes(routes.replace("default", "10.0.0.0/24"), "r", Family.IPV4)
    assert _one(rules, ss, routes=both).undecided


def test_seconds_are_unknown_without_timers() -> None:
    trouble = _one(_DROP, "FIN-WAIT-1 0 1 10.0.0.5:40000 10.0.0.9:443")
    assert trouble.lasts is not None
    assert not trouble.lasts.is_known
    assert "without -o" in trouble.lasts.why


@pytest.mark.parametrize(
    ("timer", "least", "most"),
    # Measured on 6.18 with 3 retries: gone 3.4 s behind close() where the host itself refuses the
    # FIN, 6.6 to 6.9 s where it is lost on the way.
    [("persist,600ms,2", 1, 4), ("on,600ms,2", 4, 8)],
)
def test_refused_fin_is_given_up_earlier(timer: str, least: int, most: int) -> None:
    ss = _FIN_WAIT_1.format(timer=timer) + _INFO.format(900)
    lasts = _one(_DROP, ss, sysctl="net.ipv4.tcp_orphan_retries = 3").lasts
    assert lasts is not None
    assert lasts.least is not None
    assert lasts.most is not None
    assert least <= lasts.least <= lasts.most <= most


def test_closed_window_is_not_the_rules_doing() -> None:
    info = _INFO.format(5_000).replace("notsent:1", "notsent:900")
    ss = _FIN_WAIT_1.replace("0 1 ", "0 900 ").format(timer="persist,1sec,2") + info
    trouble = _one(_DROP, ss)
    assert trouble.lasts is not None
    assert not trouble.lasts.is_known


def test_program_that_still_owns_it_is_bound_by_tcp_retries2() -> None:
    ss = _FIN_WAIT_1.format(timer="on,3.200ms,4").replace("ino:0", "ino:99")
    lasts = _one(_STATEFUL, ss + _INFO.format(5_000)).lasts
    assert lasts is not None
    assert "tcp_retries2 = 15" in lasts.why
    # 924.6 s is the least that Documentation/networking/ip-sysctl.rst names for the whole.
    assert lasts.least is not None
    assert 900 < lasts.least < 940


# Counters


def test_counters_that_move() -> None:
    def at(packets: int, rule: str = _DROP) -> Any:
        return _rules(f"[{packets}:99] {rule}", f"rules.{packets}")

    ss = _FIN_WAIT_1.format(timer="persist,1sec,2")
    evidence = Evidence(
        "host",
        at(5),
        at(8),
        sockets=parse_ss(ss, "ss"),
        entries=EntryTable(("c",), (), frozenset({Family.IPV4})),
        interval=4,
    )
    settings = Settings(SysctlSet(()), profile("6.18"))
    (trouble,) = diagnose(evidence, settings).troubles
    assert trouble.lost[0].counted == Counted(8, 3, 4)
    for later in (at(3), at(8, f"-p tcp {_DROP}".replace("-p tcp -A OUTPUT", "-A OUTPUT -p tcp"))):
        other = Evidence("host", at(5), later, sockets=evidence.sockets, entries=evidence.entries)
        (trouble,) = diagnose(other, settings).troubles
        assert trouble.lost[0].counted == Counted(5, None, None)


def test_rules_of_both_backends() -> None:
    ss = _FIN_WAIT_1.format(timer="persist,1sec,2")
    evidence = Evidence(
        "host",
        (*_rules("-A INPUT -m state --state NEW -j ACCEPT", "legacy"), *_rules(_DROP, "nft")),
        sockets=parse_ss(ss, "ss"),
        entries=EntryTable(("c",), (), frozenset({Family.IPV4})),
    )
    (trouble,) = diagnose(evidence, Settings(SysctlSet(()), profile("6.18"))).troubles
    assert [one.location.file for one in trouble.lost] == ["nft"]
    # A rule of one backend does not take back what the other drops.
    assert not trouble.now[0].checked


# CLOSE_WAIT, FIN_WAIT_2


@pytest.mark.parametrize(("silent", "found"), [(59_000, 0), (60_000, 1)])
def test_leaked_socket(silent: int, found: int) -> None:
    ss = 'CLOSE-WAIT 1 0 10.0.0.5:80 10.0.0.9:5000 users:(("app",pid=7,fd=3)) ino:5'
    troubles = _diagnose(_DROP, ss + _INFO.format(silent)).troubles
    assert len(troubles) == found
    for trouble in troubles:
        assert trouble.pattern is Pattern.HALF_CLOSE
        assert trouble.lasts is not None
        assert trouble.lasts.least is None
        assert "app (pid 7)" in trouble.lasts.why
        assert _lost(trouble) == [("FA", "this host", "INVALID", 2)]


def test_new_connection_meets_a_leaked_socket() -> None:
    ss = (
        "LISTEN 0 128 127.0.0.1:80 0.0.0.0:*\n"
        "CLOSE-WAIT 1 0 127.0.0.1:80 127.0.0.1:5000\n"
        "SYN-SENT 0 1 127.0.0.1:5000 127.0.0.1:80 timer:(on,3.900ms,2)\n"
    )
    rules = "-A OUTPUT -p tcp -m tcp --tcp-flags RST RST -j DROP\n-A OUTPUT -m state --state NEW"
    troubles = {one.socket.state: one for one in _diagnose(rules, ss).troubles if one.socket}
    syn = troubles["SYN_SENT"]
    assert (syn.pattern, syn.role) == (Pattern.PORT_REUSE, Role.LOOPBACK)
    assert _lost(syn) == [("R", "this host", "ESTABLISHED", 2)]
    assert any("127.0.0.1:80 to 127.0.0.1:5000" in sign for sign in syn.signs)


def test_server_of_a_leaked_socket_sees_the_syn_in_its_entry() -> None:
    entry = (
        "tcp 6 110 SYN_SENT src=10.0.0.9 dst=10.0.0.5 sport=5000 dport=80 "
        "src=10.0.0.5 dst=10.0.0.9 sport=80 dport=5000 use=1"
    )
    ss = "LISTEN 0 9 *:80 *:*\nCLOSE-WAIT 1 0 10.0.0.5:80 10.0.0.9:5000"
    assert _one(_DROP, ss, conntrack=entry).pattern is Pattern.PORT_REUSE


def test_reset_of_a_faulty_kernel_is_undecided() -> None:
    entry = f"tcp 6 110 SYN_SENT {_HERE} {_BACK} use=1"
    ss = "SYN-SENT 0 1 10.0.0.5:40000 10.0.0.9:443 timer:(on,3.900ms,2)"
    for kernel, said in (("6.0", True), ("6.18", False)):
        trouble = _one(_DROP, ss, conntrack=entry, kernel=kernel)
        assert trouble.pattern is Pattern.PORT_REUSE
        assert any("INVALID at about half" in one for one in trouble.undecided) is said


def test_half_closed_by_its_program() -> None:
    ss = "FIN-WAIT-2 0 0 10.0.0.5:40000 10.0.0.9:443 ino:9"
    trouble = _one(_STATEFUL, ss)
    assert trouble.pattern is Pattern.HALF_CLOSE
    assert ("FA", "the peer", "INVALID", 2) in _lost(trouble)
    assert trouble.lasts is not None
    assert trouble.lasts.least is None
    ss = "FIN-WAIT-2 0 0 10.0.0.5:40000 10.0.0.9:443 timer:(timewait,31sec,0) ino:0"
    trouble = _one(_STATEFUL, ss)
    assert trouble.lasts is not None
    assert (trouble.lasts.least, trouble.lasts.most) == (31, 32)


# SYN_SENT


def test_syn_that_output_drops() -> None:
    ss = "SYN-SENT 0 1 10.0.0.5:40000 10.0.0.9:443 timer:(on,500ms,0)"
    trouble = _one("-A OUTPUT -p tcp -m tcp --dport 443 -j DROP", ss)
    assert (trouble.pattern, _lost(trouble)) == (
        Pattern.SYN_RETRIES,
        [("S", "this host", "NEW", 2)],
    )


def test_answer_that_input_drops() -> None:
    rules = ":INPUT DROP [0:0]\n-A OUTPUT -m state --state NEW -j ACCEPT"
    entry = f"tcp 6 119 SYN_SENT {_HERE} [UNREPLIED] {_BACK} use=1"
    ss = "SYN-SENT 0 1 10.0.0.5:40000 10.0.0.9:443 timer:(on,500ms,1)"
    trouble = _one(rules, ss, conntrack=entry)
    assert _lost(trouble) == [("SA", "the peer", "ESTABLISHED", 2)]
    # The peer refuses, and its RST has closed the entry before INPUT drops it.
    entry = f"tcp 6 9 CLOSE {_HERE} {_BACK} use=1"
    trouble = _one(rules, ss, conntrack=entry)
    assert trouble.pattern is Pattern.SYN_RETRIES
    assert [one.flags.letters for one in trouble.lost] == ["RA"]


def test_syn_that_nobody_answers() -> None:
    entry = f"tcp 6 119 SYN_SENT {_HERE} [UNREPLIED] {_BACK} use=1"
    ss = "SYN-SENT 0 1 10.0.0.5:40000 10.0.0.9:443 timer:(on,3.500ms,{0})"
    trouble = _one(_STATEFUL, ss.format(2), conntrack=entry)
    assert (trouble.pattern, trouble.lost) == (Pattern.SYN_RETRIES, ())
    assert not _diagnose(_STATEFUL, ss.format(0), conntrack=entry).troubles


# The host


def _counters(**values: int) -> Any:
    return parse_counters("".join(f"{name} {value} 0.0\n" for name, value in values.items()), "n")


def test_full_accept_queue() -> None:
    ss = 'LISTEN 6 5 10.0.0.5:80 0.0.0.0:* users:(("app",pid=7,fd=3))'
    trouble = _one(
        "",
        ss,
        counters=_counters(TcpExtListenOverflows=10),
        later_counters=_counters(TcpExtListenOverflows=13),
        interval=5,
    )
    assert trouble.pattern is Pattern.ACCEPT_QUEUE
    assert trouble.signs == (
        "3 SYNs or last ACKs were dropped for it in 5 s (TcpExtListenOverflows)",
    )
    assert not _diagnose("", ss.replace("6 5", "5 5")).troubles


def test_backlog_that_somaxconn_bounds() -> None:
    trouble = _one("", "LISTEN 129 128 *:80 *:*", sysctl="net.core.somaxconn = 128")
    assert trouble.change[0].commands == ("sysctl -w net.core.somaxconn=4096",)


def test_counters_since_the_start_are_notes() -> None:
    found = _diagnose("", "", counters=_counters(TcpExtListenOverflows=10))
    assert not found.troubles
    assert "10 times" in found.notes[0]


def test_tw_recycle() -> None:
    held: dict[str, Any] = {
        "counters": _counters(TcpExtPAWSPassive=1),
        "later_counters": _counters(TcpExtPAWSPassive=4),
        "sysctl": "net.ipv4.tcp_tw_recycle = 1",
    }
    assert _one("", "", kernel="rhel7", **held).pattern is Pattern.TW_RECYCLE
    assert not _diagnose("", "", kernel="6.18", **held).troubles


def test_full_table() -> None:
    sysctl = "net.netfilter.nf_conntrack_count = 100\nnet.netfilter.nf_conntrack_max = 100"
    assert _one("", "", sysctl=sysctl).pattern is Pattern.TABLE_FULL
    assert not _diagnose("", "", sysctl=sysctl.replace("= 100\nnet", "= 99\nnet")).troubles


def test_healthy_host_says_what_was_looked_at_and_what_was_missing() -> None:
    ss = "ESTAB 0 0 10.0.0.5:40000 10.0.0.9:443\nTIME-WAIT 0 0 10.0.0.5:40001 10.0.0.9:443"
    found = _diagnose(_STATEFUL, ss)
    assert not found.troubles
    assert found.states == {"ESTABLISHED": 1, "TIME_WAIT": 1}
    assert {one.what for one in found.looked} == {"rules of IPv4", "sockets", "conntrack entries"}
    missing = {what for what, _ in found.missing}
    assert {"a second dump of rules", "counters twice", "kernel log"} <= missing
