# SPDX-License-Identifier: GPL-2.0-only
"""Matches and targets that few rule sets have, and rare options of those that many have.

There is no TEE: nobody who looks at what comes out can tell a packet from its copy.

Each line is an option text as iptables-save has it, with where the kernel takes it. What names an
interface, an address or a port names those of the usual topologies (random_scenarios.py).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.wire.addresses import Family

ALL_HOOKS: Final = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
_BOTH: Final = frozenset(Family)
_V4: Final = frozenset({Family.IPV4})
_V6: Final = frozenset({Family.IPV6})
_COMING: Final = frozenset({"PREROUTING", "INPUT"})
_PAST_ROUTING: Final = frozenset({"INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
_OF_SOCKETS: Final = frozenset({"INPUT", "OUTPUT", "POSTROUTING"})
_LEAVING: Final = frozenset({"FORWARD", "OUTPUT", "POSTROUTING"})


class OddMatch(NamedTuple):
    """A match: ``protocol`` is what ``-p`` must say before it, "" for any."""

    text: str
    families: frozenset[Family] = _BOTH
    protocol: str = ""
    hooks: frozenset[str] = ALL_HOOKS


class OddTarget(NamedTuple):
    """A target: ``tables`` are those that take it. ``weight`` is its share beside the others:
    little for what leaves open what becomes of every packet. ``match`` stands before it.
    """

    text: str
    tables: frozenset[str]
    families: frozenset[Family] = _BOTH
    protocol: str = ""
    hooks: frozenset[str] = ALL_HOOKS
    weight: float = 1.0
    match: str = ""


ODD_MATCHES: Final = (
    OddMatch("-f", _V4),
    OddMatch("! -f", _V4),
    OddMatch("-m conntrack --ctdir ORIGINAL"),
    OddMatch("-m conntrack --ctdir REPLY"),
    OddMatch("-m conntrack --ctstatus ASSURED,SEEN_REPLY --ctstate ESTABLISHED,RELATED"),
    OddMatch("-m conntrack ! --ctstatus CONFIRMED,SEEN_REPLY ! --ctproto 17"),
    OddMatch("-m conntrack --ctstate DNAT,SNAT --ctdir REPLY"),
    OddMatch("-m conntrack ! --ctstate SNAT,NEW ! --ctorigdstport 80"),
    OddMatch("-m conntrack --ctproto 6 --ctorigsrcport 40000 --ctorigdstport 1:100"),
    OddMatch("-m conntrack --ctproto 1 --ctorigsrc 10.1.0.0/16 --ctreplsrc 10.2.0.0/16", _V4),
    OddMatch("-m conntrack ! --ctorigsrc 10.1.0.2/32 ! --ctrepldst 10.1.0.2/32", _V4),
    OddMatch("-m conntrack --ctreplsrcport 8080 --ctrepldstport 40000:40010"),
    OddMatch("-m connmark --mark 0x7/0xf"),
    OddMatch("-m connmark ! --mark 0x0/0x1"),
    OddMatch("-m connlabel --label 1"),
    OddMatch("-m connlabel ! --label 2"),
    OddMatch("-m connlabel --label 1 --set"),
    OddMatch("-m socket", hooks=_COMING),
    OddMatch("-m socket --transparent", hooks=_COMING),
    OddMatch("-m socket --nowildcard --restore-skmark", hooks=_COMING),
    OddMatch("-m realm --realm 0x0", _V4, hooks=_PAST_ROUTING),
    OddMatch("-m realm --realm 0x1/0xff", _V4, hooks=_PAST_ROUTING),
    OddMatch("-m cgroup --cgroup 1", hooks=_OF_SOCKETS),
    OddMatch("-m cgroup ! --cgroup 1", hooks=_OF_SOCKETS),
    OddMatch('-m bpf --bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0"', _V4),
    OddMatch('-m bpf --bytecode "4,48 0 0 6,21 0 1 17,6 0 0 1,6 0 0 0"', _V6),
    OddMatch("-m esp --espspi 1:100", protocol="esp"),
    OddMatch("-m esp --espspi 0", protocol="esp"),
    OddMatch("-m ah --ahspi 0:4294967295", protocol="51", families=_V4),
    OddMatch("-m ah ! --ahspi 7", protocol="51", families=_V4),
    OddMatch("-m ipcomp --ipcompspi 0:9", protocol="108"),
    OddMatch("-m sctp --dport 80", protocol="sctp"),
    OddMatch("-m dccp --dport 80", protocol="dccp"),
    OddMatch("-m ipv6header --header dst --soft", _V6),
    OddMatch("-m ipv6header ! --header hop-by-hop --soft", _V6),
    OddMatch("-m ipv6header --header none", _V6),
    OddMatch("-m ipv6header --header prot --soft", _V6),
    OddMatch("-m frag --fragid 0:4294967295", _V6),
    OddMatch("-m dst --dst-len 8", _V6),
    OddMatch("-m hbh --hbh-len 8", _V6),
    OddMatch("-m rt --rt-type 0", _V6),
    OddMatch("-m rt ! --rt-type 2", _V6),
    OddMatch("-m ah --ahspi 0:100", _V6),
    OddMatch("-m eui64", _V6, hooks=frozenset({"PREROUTING", "INPUT", "FORWARD"})),
    OddMatch("-m srh --srh-next-hdr 6", _V6),
    OddMatch("-m mh --mh-type 1", _V6, protocol="135"),
    OddMatch("-m length --length 0:20"),
    OddMatch("-m tcp --sport 40000 --dport 80 --tcp-flags SYN,ACK SYN", protocol="tcp"),
    OddMatch("-m tcp ! --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE", protocol="tcp"),
    OddMatch("-m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN,PSH,URG", protocol="tcp"),
    OddMatch("-m tcp ! --tcp-option 4 ! --sport 80", protocol="tcp"),
    OddMatch("-m icmp --icmp-type echo-request", _V4, "icmp"),
    OddMatch("-m icmp --icmp-type destination-unreachable", _V4, "icmp"),
    OddMatch("-m icmp ! --icmp-type 3/4", _V4, "icmp"),
    OddMatch("-m icmp --icmp-type 255/3", _V4, "icmp"),
    OddMatch("-m icmp --icmp-type 12/1", _V4, "icmp"),
    OddMatch("-m addrtype --src-type UNSPEC,LOCAL,UNICAST --dst-type LOCAL,BROADCAST", _V4),
    OddMatch("-m addrtype ! --src-type LOCAL ! --dst-type UNICAST"),
    OddMatch("-m addrtype --dst-type BLACKHOLE,UNREACHABLE,PROHIBIT", _V4),
    OddMatch("-m iprange --src-range 10.1.0.2-10.1.0.2 ! --dst-range 10.2.0.0-10.2.0.255", _V4),
    OddMatch("-m mark --mark 0x0/0xffffffff"),
    OddMatch("-m mark ! --mark 0x1/0x3"),
    OddMatch("-m statistic --mode nth --every 1 --packet 0"),
    OddMatch("-m statistic --mode random --probability 0"),
    OddMatch("-m statistic --mode random ! --probability 0"),
    OddMatch("-m ecn ! --ecn-tcp-cwr --ecn-tcp-ece", _V4, "tcp"),
    OddMatch("-m ecn --ecn-ip-ect 2 ! --ecn-tcp-ece", _V4, "tcp"),
    OddMatch("-m tos ! --tos 0x00/0x3f"),
    OddMatch("-m helper --helper sip"),
    OddMatch('-m helper --helper ""'),
    OddMatch('-m helper ! --helper ""'),
    OddMatch("-m owner --gid-owner 27 --suppl-groups", hooks=frozenset({"OUTPUT", "POSTROUTING"})),
    OddMatch("-m owner ! --socket-exists", hooks=frozenset({"OUTPUT", "POSTROUTING"})),
    OddMatch("-m physdev ! --physdev-is-out", hooks=frozenset({"FORWARD", "POSTROUTING"})),
    OddMatch("-m physdev --physdev-out eth1", hooks=frozenset({"FORWARD", "POSTROUTING"})),
    OddMatch("-m policy --dir in --pol ipsec --strict --proto esp", hooks=_COMING),
    OddMatch("-m devgroup ! --src-group 0x0/0xf", hooks=frozenset({"PREROUTING", "INPUT"})),
    OddMatch("-m connbytes ! --connbytes 0:0 --connbytes-mode bytes --connbytes-dir both"),
    OddMatch("-m connbytes --connbytes 1:1 --connbytes-mode avgpkt --connbytes-dir reply"),
    OddMatch("-m quota --quota 0"),
    OddMatch("-m quota ! --quota 0"),
    OddMatch("-m limit --limit 1/day --limit-burst 1"),
    OddMatch("-m u32 --u32 0x0&0x0=0x0"),
    OddMatch("-m u32 ! --u32 0x10000=0x0"),
    OddMatch("-m u32 --u32 0x0>>0x16&0x3c@0x8&0xffffffff=0x0:0xffffffff", _V4),
    OddMatch('-m string --hex-string "|0000000000|" --algo kmp --from 40'),
    OddMatch('-m string --string "P" --algo bm --from 20 --to 60'),
    OddMatch("-m multiport --ports 80", protocol="tcp"),
    OddMatch("-m multiport ! --dports 0:1023,40000", protocol="udp"),
    OddMatch("-m multiport --sports 80", protocol="132"),
    OddMatch("-m pkttype ! --pkt-type multicast"),
    OddMatch("-m time --timestart 23:00:00 --timestop 22:59:59 --contiguous"),
    OddMatch("-m time --kerneltz"),
)
"""Where nothing else is said, for any packet."""

_MANGLE: Final = frozenset({"mangle"})
_ANY: Final = frozenset({"raw", "mangle", "filter", "security"})

ODD_TARGETS: Final = (
    OddTarget("AUDIT --type accept", _ANY),
    OddTarget("CLASSIFY --set-class 1:10", _MANGLE, hooks=_LEAVING),
    OddTarget("CONNMARK --set-xmark 0x3/0xff --left-shift-mark 2", _MANGLE),
    OddTarget("CONNMARK --save-mark --nfmask 0xff --ctmask 0xff00 --left-shift-mark 8", _MANGLE),
    OddTarget(
        "CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff00 --right-shift-mark 8", _MANGLE
    ),
    OddTarget("CONNMARK --and-mark 0xf", _MANGLE),
    OddTarget("CONNMARK --or-mark 0x10", _MANGLE),
    OddTarget("CONNMARK --xor-mark 0x3", _MANGLE),
    OddTarget("CONNSECMARK --save", frozenset({"mangle", "security"})),
    OddTarget("CONNSECMARK --restore", frozenset({"mangle", "security"})),
    OddTarget("CT --zone 0", frozenset({"raw"})),
    OddTarget("CT --zone-reply 3", frozenset({"raw"})),
    OddTarget("CT --zone mark", frozenset({"raw"})),
    OddTarget("CT --ctevents new,destroy --zone 1", frozenset({"raw"})),
    OddTarget("CT --expevents new", frozenset({"raw"})),
    OddTarget("DSCP --set-dscp-class EF", _MANGLE),
    OddTarget("ECN --ecn-tcp-remove", _MANGLE, _V4, "tcp"),
    OddTarget("HMARK --hmark-tuple src,dst --hmark-mod 5 --hmark-rnd 0x7", _MANGLE),
    OddTarget("IDLETIMER --timeout 600 --label odd", _ANY),
    OddTarget("LOG --log-prefix odd --log-tcp-options --log-ip-options --log-uid", _ANY),
    OddTarget("NFLOG --nflog-group 3 --nflog-prefix odd --nflog-threshold 2", _ANY),
    OddTarget("NFQUEUE --queue-num 3 --queue-bypass", _ANY, weight=0.05),
    OddTarget("RATEEST --rateest-name odd --rateest-interval 250ms --rateest-ewmalog 500ms", _ANY),
    OddTarget("TCPMSS --set-mss 1 -m tcp --tcp-flags SYN,RST SYN", _MANGLE, protocol="tcp"),
    OddTarget("TCPOPTSTRIP --strip-options 2,3,4", _MANGLE, protocol="tcp"),
    OddTarget("TCPOPTSTRIP --strip-options 5,8", _MANGLE, protocol="tcp"),
    OddTarget("TPROXY --on-port 80", _MANGLE, protocol="tcp", hooks=frozenset({"PREROUTING"})),
    OddTarget("TTL --ttl-set 0", _MANGLE, _V4),
    OddTarget("TTL --ttl-set 1", _MANGLE, _V4),
    OddTarget("TTL --ttl-dec 255", _MANGLE, _V4),
    OddTarget("TTL --ttl-inc 255", _MANGLE, _V4),
    OddTarget("HL --hl-set 0", _MANGLE, _V6),
    OddTarget("HL --hl-dec 64", _MANGLE, _V6),
    OddTarget("TOS --set-tos 0xff/0xff", _MANGLE),
    OddTarget("TOS --and-tos 0x1c", _MANGLE),
    OddTarget("TOS --or-tos 0x03", _MANGLE),
    OddTarget("TOS --xor-tos 0xff", _MANGLE),
    OddTarget("MARK --and-mark 0xfffffffe", _ANY),
    OddTarget(
        "DNPT --src-pfx fd02::/64 --dst-pfx fd01::/64",
        _MANGLE,
        _V6,
        hooks=frozenset({"PREROUTING", "OUTPUT"}),
        match="-m iprange --dst-range fd02::-fd02::ffff:ffff:ffff:ffff ",
    ),
    # An address that never had the prefix leaves open whether its checksum is noticed.
    OddTarget(
        "DNPT --src-pfx fd05::/64 --dst-pfx fd01::/64",
        _MANGLE,
        _V6,
        hooks=frozenset({"PREROUTING", "OUTPUT"}),
        weight=0.1,
    ),
    OddTarget(
        "SNPT --src-pfx fd01::/64 --dst-pfx fd05::/64",
        _MANGLE,
        _V6,
        hooks=frozenset({"INPUT", "POSTROUTING"}),
        match="-m iprange --src-range fd01::-fd01::ffff:ffff:ffff:ffff ",
    ),
    OddTarget(
        "SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460",
        frozenset({"filter"}),
        protocol="tcp",
        hooks=frozenset({"INPUT", "FORWARD"}),
        weight=0.1,
    ),
)
