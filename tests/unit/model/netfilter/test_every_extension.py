# SPDX-License-Identifier: GPL-2.0-only
"""Every match and target that can be read, with every option of it, meets packets at a box.

Each either decides what becomes of the packet or says what is not known; which are decided against
what the kernel says is measured in tests/kernel. Not one is left out by accident: an extension or
an option without a sample fails here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest

from ctlint.ir.rule import Match, Target
from ctlint.ir.ruleset import Ruleset
from ctlint.model.kernel.profiles import profile
from ctlint.parse import extensions
from ctlint.parse.extension import Extension, Kind
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.play import play
from ctlint.scenario.reader import scenario_from_json
from ctlint.wire.addresses import Family

V4, V6 = Family.IPV4, Family.IPV6


class Sample(NamedTuple):
    """A rule without its chain, and what is not known of some packets that it meets."""

    text: str
    open: str = ""
    family: Family = V4
    ipsets: str = ""


def v6(text: str, open_: str = "") -> Sample:
    return Sample(text, open_, V6)


MAC = "the sender's MAC address is not known"
LOTS = "is drawn by lot"
TIME = "depends on the time of day"
SOCKET = "the socket's owner is not known"
GROUP = "the sender's cgroup is not known"
HEADERS = "the extension headers of the packet are not known"
SET = "create s hash:ip family inet hashsize 1024 maxelem 65536 timeout 9 counters skbinfo\n"

MATCHES: Final = (
    Sample("-m addrtype --src-type UNICAST --dst-type LOCAL,BROADCAST --limit-iface-in"),
    Sample("-A FORWARD -m addrtype --src-type LOCAL --limit-iface-out"),
    Sample("-p 51 -m ah ! --ahspi 1:2"),
    v6("-m ah --ahspi 1 --ahlen 4 --ahres"),
    Sample('-m bpf --bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0"'),
    Sample("-m bpf --object-pinned /sys/fs/bpf/a", "the program is not in the rule"),
    Sample("-A OUTPUT -m cgroup ! --cgroup 1", GROUP),
    Sample("-A OUTPUT -m cgroup --path a/b", GROUP),
    Sample(
        "-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 7",
    ),
    Sample(
        "-m cluster --cluster-total-nodes 2 --cluster-local-nodemask 1 --cluster-hash-seed 7",
    ),
    Sample("-m comment --comment some"),
    Sample("-m connbytes --connbytes 1:2 --connbytes-dir both --connbytes-mode packets"),
    Sample("-m connlabel ! --label 1 --set"),
    Sample("-m connlimit --connlimit-above 1 --connlimit-mask 24 --connlimit-saddr"),
    Sample("-m connlimit --connlimit-upto 1 --connlimit-daddr"),
    Sample("-m connmark ! --mark 1/3"),
    Sample("-m conntrack --ctstate NEW,SNAT ! --ctstatus ASSURED --ctdir ORIGINAL --ctproto 6"),
    Sample("-m conntrack --ctorigsrc 10.1.0.0/16 --ctorigdst 10.2.0.2 ! --ctexpire 0:9"),
    Sample("-m conntrack --ctreplsrc 10.2.0.0/16 --ctrepldst 10.1.0.2"),
    Sample("-m conntrack --ctorigsrcport 1:9 --ctorigdstport 80"),
    Sample("-m conntrack --ctreplsrcport 80 ! --ctrepldstport 40000"),
    Sample("-m cpu --cpu 0", "which processor handles the packet is not known"),
    Sample("-p 33 -m dccp --sport 1 --dport 2 --dccp-types REQUEST --dccp-option 3"),
    Sample("-m devgroup --src-group 1"),
    Sample("-A POSTROUTING -m devgroup ! --dst-group 1"),
    Sample("-m dscp ! --dscp 0x0a"),
    v6("-m dst --dst-len 8 --dst-opts 1:2"),
    Sample("-p tcp -m ecn --ecn-tcp-cwr ! --ecn-tcp-ece --ecn-ip-ect 0"),
    Sample("-p esp -m esp --espspi 1:9"),
    v6("-m eui64", MAC),
    v6("-m frag --fragid 1 --fraglen 8 --fragres --fragfirst --fragmore"),
    v6("-m frag --fraglast"),
    Sample(
        "-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 2 --hashlimit-mode srcip,dstip "
        "--hashlimit-srcmask 24 --hashlimit-dstmask 16 --hashlimit-name a "
        "--hashlimit-htable-size 9 --hashlimit-htable-max 99 --hashlimit-htable-gcinterval 1000 "
        "--hashlimit-htable-expire 1000"
    ),
    Sample(
        "-m hashlimit --hashlimit-above 1/hour --hashlimit-rate-match --hashlimit-rate-interval 3 "
        "--hashlimit-name b"
    ),
    v6("-m hbh --hbh-len 8 --hbh-opts 1:2"),
    Sample("-m helper ! --helper ftp"),
    v6("-m hl --hl-eq 64"),
    v6("-m hl --hl-gt 3"),
    v6("-m hl --hl-lt 3"),
    Sample("-p icmp -m icmp --icmp-type echo-request"),
    v6("-p ipv6-icmp -m icmp6 --icmpv6-type echo-request"),
    Sample("-p 108 -m ipcomp --ipcompspi 1:9 --compres"),
    Sample("-m iprange --src-range 10.1.0.1-10.1.0.9 ! --dst-range 10.1.0.1-10.1.0.9"),
    v6("-m ipv6header --header hop,dst --soft"),
    Sample("-m ipvs --ipvs"),
    Sample(
        "-m ipvs --vproto 6 --vaddr 10.1.0.1 --vport 80 --vdir ORIGINAL --vmethod GATE --vportctl 9"
    ),
    Sample("-m length --length 40:60"),
    Sample("-m limit --limit 1/hour --limit-burst 1"),
    Sample("-m mac ! --mac-source 02:00:00:00:00:01", MAC),
    Sample("-m mark ! --mark 1/3"),
    v6("-p 135 -m mh --mh-type 1"),
    Sample("-p tcp -m multiport --dports 80,90:99"),
    Sample("-p tcp -m multiport ! --sports 80"),
    Sample("-p udp -m multiport --ports 80"),
    Sample("-m nfacct --nfacct-name a", "whether the accounting object has a quota is not known"),
    Sample(
        "-p tcp -m osf --genre Linux --ttl 0 --log 1",
        "the fingerprints that the kernel has are not known",
    ),
    Sample("-A OUTPUT -m owner --uid-owner 0 ! --gid-owner 7 --suppl-groups", SOCKET),
    Sample("-A OUTPUT -m owner --pid-owner 7", SOCKET),
    Sample("-A OUTPUT -m owner --sid-owner 7", SOCKET),
    Sample("-A OUTPUT -m owner --cmd-owner a", SOCKET),
    Sample("-A OUTPUT -m owner --socket-exists"),
    v6("-A OUTPUT -m owner --uid-owner 0 --gid-owner 7 --suppl-groups --socket-exists", SOCKET),
    v6("-A OUTPUT -m owner --pid-owner 7 --sid-owner 8", SOCKET),
    Sample("-A FORWARD -m physdev --physdev-in eth0 --physdev-out eth1 --physdev-is-bridged"),
    Sample("-A FORWARD -m physdev ! --physdev-is-in ! --physdev-is-out"),
    Sample("-m pkttype ! --pkt-type unicast"),
    Sample("-m policy --dir in --pol none"),
    Sample(
        "-m policy --dir in --pol ipsec --strict --reqid 1 --spi 2 --proto esp --mode tunnel "
        "--tunnel-src 10.1.0.1 --tunnel-dst 10.1.0.2 --next --proto ah"
    ),
    Sample("-m quota --quota 9"),
    Sample(
        "-m rateest --rateest1 a --rateest-gt --rateest-bps1 9",
        "depends on the rate of the packets before",
    ),
    Sample(
        "-m rateest --rateest-delta --rateest1 a --rateest-bps1 9 --rateest-pps1 9 --rateest-lt "
        "--rateest2 b --rateest-bps2 9 --rateest-pps2 9",
        "depends on the rate of the packets before",
    ),
    Sample(
        "-m rateest --rateest1 a --rateest-eq --rateest-bps1 9",
        "depends on the rate of the packets before",
    ),
    Sample("-A FORWARD -m realm ! --realm 1/3"),
    Sample("-m recent --set --name a --mask 255.255.255.0 --rsource"),
    Sample("-m recent --rcheck --name a --seconds 9 --reap --rdest"),
    Sample("-m recent --update --name a --hitcount 2 --rttl --rsource"),
    Sample("-m recent --remove --name a --rsource"),
    Sample("-m rpfilter --loose --validmark --accept-local --invert"),
    v6("-m rt --rt-type 0 --rt-segsleft 1 --rt-len 8 --rt-0-res"),
    v6("-m rt --rt-type 0 --rt-0-addrs fd01::9 --rt-0-not-strict"),
    Sample("-p 132 -m sctp --sport 1 --dport 2 --chunk-types any INIT"),
    Sample("-m set ! --match-set s src --return-nomatch ! --update-counters", "", V4, SET),
    Sample(
        "-m set --match-set s src --packets-eq 1 --bytes-lt 9 ! --update-subcounters", "", V4, SET
    ),
    Sample("-m set --match-set s src --packets-gt 1 --bytes-gt 9", "", V4, SET),
    Sample("-m set --match-set s src --packets-lt 1 ! --bytes-eq 9", "", V4, SET),
    Sample("-m set --match-set absent src", "the members of the set 'absent' are not known"),
    Sample("-m socket --transparent --nowildcard --restore-skmark"),
    v6("-m srh --srh-next-hdr 6 --srh-hdr-len-eq 8 --srh-hdr-len-gt 1 --srh-hdr-len-lt 9"),
    v6("-m srh --srh-segs-left-eq 1 --srh-segs-left-gt 1 --srh-segs-left-lt 9 --srh-tag 1"),
    v6("-m srh --srh-last-entry-eq 1 --srh-last-entry-gt 1 --srh-last-entry-lt 9"),
    v6("-m srh --srh-psid fd01::1 --srh-nsid fd01::1 --srh-lsid fd01::1"),
    Sample("-m state --state NEW,UNTRACKED"),
    Sample("-m statistic --mode nth --every 2 --packet 1"),
    Sample("-m statistic --mode random --probability 0.5", LOTS),
    Sample('-m string --string "GET" --algo bm --from 20 --to 99 --icase'),
    Sample('-m string ! --hex-string "|474554|" --algo kmp'),
    Sample("-p tcp -m tcp --sport 40000 --dport 80 --tcp-flags SYN,ACK SYN ! --tcp-option 4"),
    Sample("-p tcp -m tcp ! --syn"),
    Sample("-p tcp -m tcpmss ! --mss 1:9"),
    Sample("-m time --datestart 2020-01-01T00:00:00 --datestop 2030-01-01T00:00:00", TIME),
    Sample("-m time --timestart 10:00 --timestop 09:00 --contiguous --weekdays Mon --utc", TIME),
    Sample("-m time --monthdays 1 --kerneltz", "the kernel's time zone is not known"),
    Sample("-m tos ! --tos 0x10/0x3f"),
    Sample("-m ttl --ttl-eq 64"),
    Sample("-m ttl --ttl-gt 64"),
    Sample("-m ttl --ttl-lt 64"),
    Sample('-m u32 --u32 "6&0xff=6"'),
    Sample("-p udp -m udp --sport 40000 ! --dport 80"),
)
NO_QUEUE = "the program that reads the queue decides, and whether there is one is not known"
TARGETS: Final = (
    Sample("-j AUDIT --type accept"),
    Sample("-j CHECKSUM --checksum-fill"),
    Sample("-j CLASSIFY --set-class 1:2"),
    Sample(
        "-j CLUSTERIP --new --hashmode sourceip --clustermac 01:00:5e:00:00:20 --total-nodes 2 "
        "--local-node 1 --hash-init 0",
        "which node of the cluster the box is may change at any time",
    ),
    Sample("-j CONNMARK --set-xmark 1/3 --left-shift-mark 2"),
    Sample("-j CONNMARK --set-mark 1"),
    Sample("-j CONNMARK --save-mark --nfmask 1 --ctmask 3 --right-shift-mark 1"),
    Sample("-j CONNMARK --restore-mark --mask 3"),
    Sample("-j CONNSECMARK --save"),
    Sample("-j CONNSECMARK --restore"),
    Sample("-j CT --notrack"),
    Sample("-j CT --zone 1 --ctevents new --expevents new"),
    Sample("-j CT --zone-orig 1"),
    Sample("-j CT --zone-reply mark"),
    Sample("-p tcp -j CT --helper ftp"),
    Sample("-p tcp -j CT --timeout a", "the policy of timeouts is known by its name only"),
    Sample("-j DNAT --to-destination 10.2.0.9 --random --persistent"),
    v6("-j DNPT --src-pfx fd02::/64 --dst-pfx fd03::/64"),
    Sample("-j DSCP --set-dscp 0x0a"),
    Sample("-p tcp -j ECN --ecn-tcp-remove"),
    Sample("-p tcp -j ECN --ecn-tcp-cwr 1 --ecn-tcp-ece 1 --ecn-ip-ect 1"),
    v6("-j HL --hl-set 9"),
    v6("-j HL --hl-dec 9"),
    v6("-j HL --hl-inc 9"),
    Sample(
        "-j HMARK --hmark-tuple src,dst,sport,dport --hmark-mod 5 --hmark-rnd 7 --hmark-offset 1 "
        "--hmark-src-prefix 24 --hmark-dst-prefix 24 --hmark-sport-mask 1 --hmark-dport-mask 1 "
        "--hmark-proto-mask 1"
    ),
    Sample("-j HMARK --hmark-tuple spi --hmark-mod 5 --hmark-rnd 7 --hmark-spi-mask 1"),
    Sample("-j HMARK --hmark-tuple src --hmark-mod 5 --hmark-rnd 7 --hmark-spi 1"),
    Sample("-j HMARK --hmark-tuple sport --hmark-mod 5 --hmark-rnd 7 --hmark-sport 1"),
    Sample("-j HMARK --hmark-tuple dport --hmark-mod 5 --hmark-rnd 7 --hmark-dport 1"),
    Sample("-j IDLETIMER --timeout 9 --label a --send_nl_msg --alarm"),
    Sample("-j LED --led-trigger-id a --led-delay 1 --led-always-blink"),
    Sample(
        "-j LOG --log-prefix a --log-level 7 --log-tcp-sequence --log-tcp-options "
        "--log-ip-options --log-uid --log-macdecode"
    ),
    Sample("-j MARK --set-xmark 1/3"),
    Sample("-p tcp -j MASQUERADE --to-ports 1-9 --random"),
    Sample("-j MASQUERADE --random-fully"),
    Sample("-j NETMAP --to 10.3.0.0/16"),
    Sample("-j NFLOG --nflog-group 1 --nflog-prefix a --nflog-size 9 --nflog-threshold 9"),
    Sample("-j NFLOG --nflog-range 9"),
    Sample("-j NFQUEUE --queue-num 1 --queue-bypass", NO_QUEUE),
    Sample("-j NFQUEUE --queue-balance 1:2 --queue-cpu-fanout", NO_QUEUE),
    Sample("-j NOTRACK"),
    Sample("-j RATEEST --rateest-name a --rateest-interval 250ms --rateest-ewmalog 500ms"),
    Sample("-p tcp -j REDIRECT --to-ports 1-9 --random"),
    Sample("-j REJECT --reject-with icmp-host-prohibited"),
    v6("-j REJECT --reject-with icmp6-adm-prohibited"),
    Sample("-j SECMARK --selctx a"),
    Sample("-j SET --add-set s src --exist --timeout 9", "", V4, SET),
    Sample("-j SET --del-set s src", "", V4, SET),
    Sample("-A FORWARD -j SET --map-set s src --map-mark --map-prio --map-queue", "", V4, SET),
    Sample("-p tcp -j SNAT --to-source 10.2.0.9:1-9 --random --persistent"),
    Sample("-j SNAT --to-source 10.2.0.9 --random-fully"),
    v6("-s fd01::/64 -j SNPT --src-pfx fd01::/64 --dst-pfx fd03::/64"),
    Sample(
        "-p tcp -j SYNPROXY --sack-perm --timestamp --wscale 7 --mss 1460 --ecn",
        "the box answers in the server's place with sequence numbers that are not known",
    ),
    Sample("-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 9"),
    v6("-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 9"),
    Sample("-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"),
    v6("-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"),
    Sample("-p tcp -j TCPOPTSTRIP --strip-options 2,4"),
    Sample("-j TEE --gateway 10.1.0.9 --oif eth1"),
    Sample("-j TOS --set-tos 0x10/0x3f"),
    Sample(
        "-p tcp -j TPROXY --on-port 80 --on-ip 10.1.0.1 --tproxy-mark 1/1",
        "whether a socket of the box takes the connection is not known",
    ),
    Sample("-j TRACE"),
    Sample("-j TTL --ttl-set 9"),
    Sample("-j TTL --ttl-dec 9"),
    Sample("-j TTL --ttl-inc 9"),
    Sample(
        "-j ULOG --ulog-nlgroup 1 --ulog-prefix a --ulog-cprange 9 --ulog-qthreshold 9",
    ),
)

PACKETS: Final[tuple[dict[str, Any], ...]] = (
    {"dir": "orig", "flags": "S", "opts": {"mss": 1460}},
    {"dir": "orig", "flags": "A", "data": "GET"},
    {"dir": "orig", "proto": "udp", "data": "GET"},
    {"dir": "orig", "proto": "icmp", "id": 7},
    {"dir": "orig", "proto": 50, "data": "12345678"},
    {"dir": "orig", "proto": 108, "data": "12345678"},
    {"dir": "orig", "proto": 88},
)
PLACES: Final[dict[str, dict[str, Any]]] = {
    "INPUT": {"kind": "host", "role": "reply"},
    "OUTPUT": {"kind": "host"},
}


def _extensions() -> Iterator[Extension]:
    for info in pkgutil.iter_modules(extensions.__path__):
        yield from importlib.import_module(f"{extensions.__name__}.{info.name}").EXTENSIONS


EXTENSIONS: Final = tuple(_extensions())


def about(sample: Sample) -> Extension:
    """The extension that the sample is of: the last one that it names."""
    words = sample.text.split(" ")
    kind, word = (Kind.TARGET, "-j") if "-j" in words else (Kind.MATCH, "-m")
    name = words[len(words) - words[::-1].index(word)]
    (found,) = (
        row
        for row in EXTENSIONS
        if row.kind is kind and row.name == name and sample.family in row.families
    )
    return found


def text_of(sample: Sample) -> tuple[str, str]:
    """A rule set with the sample, and its base chain."""
    row, rule = about(sample), sample.text
    table = row.tables[-1] if row.tables else "mangle"
    usual = "INPUT" if table in ("filter", "security") else "PREROUTING"
    chain = row.base_chains[0] if row.base_chains else usual
    if rule.startswith("-A "):
        _, chain, rule = rule.split(" ", 2)
    if row.kind is Kind.MATCH:
        rule += " -j DROP"
    return f"*{table}\n-A {chain} {rule}\nCOMMIT\n", chain


def read(sample: Sample) -> Ruleset:
    (ruleset,) = parse_rulesets(text_of(sample)[0], "rules", sample.family)
    return ruleset


@pytest.mark.parametrize("sample", [*MATCHES, *TARGETS], ids=lambda sample: sample.text)
def test_is_decided_or_says_why_not(sample: Sample) -> None:
    text, chain = text_of(sample)
    is_v6 = sample.family is V6
    reasons = set()
    for packet in PACKETS:
        told = {
            "topology": PLACES.get(chain, {"kind": "forward"}) | {"v6": is_v6},
            "ruleset6" if is_v6 else "ruleset": text,
            "ipsets": sample.ipsets,
            "packets": [packet],
        }
        (answer,) = play(scenario_from_json(told), profile("6.18")).packets
        assert isinstance(answer, PacketAnswer)
        assert (answer.delivered is None) <= bool(answer.undecided)
        reasons |= {one["why"] for one in answer.undecided}
    assert reasons == ({sample.open} if sample.open else set())


@pytest.mark.parametrize(
    "row", EXTENSIONS, ids=lambda row: f"{row.name} {sorted(row.families)[0].value}"
)
def test_every_option_has_a_sample(row: Extension) -> None:
    seen = set()
    samples = [sample for sample in (*MATCHES, *TARGETS) if about(sample) == row]
    assert samples
    for sample in samples:
        for *_, rule in read(sample).rules():
            named = rule.target if row.kind is Kind.TARGET else rule.matches[-1]
            assert isinstance(named, Match | Target)
            seen |= {option.name for option in named.options}
    assert {option.key for option in row.options} <= seen
