# SPDX-License-Identifier: GPL-2.0-only
"""Lines as tools and people write them, and lines that are one edit away from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import strategies as st

from ctlint.wire.addresses import Family


class Setting(NamedTuple):
    """A table, its user chains, and rule lines that load in it."""

    family: Family
    table: str
    chains: tuple[str, ...]
    lines: tuple[str, ...]

    def dump(self, *lines: str) -> str:
        """A dump with these lines as its rules."""
        chains = "".join(f":{chain} - [0:0]\n" for chain in self.chains)
        return f"*{self.table}\n{chains}" + "".join(f"{line}\n" for line in lines) + "COMMIT\n"


# Names that could be taken for something else: a target, a verdict, a match, counters, a comment.
_CHAINS = ("web", "KUBE-SVC-7A", "ACCEPT-all", "a:b", "ch@in#2", "tcp", "f2b-sshd", "é")

SETTINGS = (
    Setting(
        Family.IPV4,
        "filter",
        _CHAINS,
        (
            "-A INPUT -i lo -j ACCEPT",
            "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-A INPUT -m conntrack --ctstate INVALID -j DROP",
            "-A INPUT -s 192.0.2.0/24 -i eth0 -p tcp -m tcp --dport 22 -j ACCEPT",
            "-A INPUT -s 198.51.100.7/32 -i eth0 -p tcp -m tcp --dport 22:23 -j web",
            "-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j web",
            "-A INPUT -p tcp -m tcp --sport 1024:65535 --dport 80 -m state --state NEW -j ACCEPT",
            "-A INPUT -p tcp --dport 443 -j ACCEPT",
            "-A INPUT -p udp -m udp --dport 53 -j ACCEPT",
            "-A INPUT -p udp -m multiport --dports 53,123,500:600 -j ACCEPT",
            "-A INPUT -p icmp -m icmp --icmp-type 8 -m limit --limit 5/sec --limit-burst 9 -j web",
            "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
            "-A INPUT -j REJECT --reject-with icmp-port-unreachable",
            '-A INPUT -m limit --limit 3/min -j LOG --log-prefix "[UFW BLOCK] "',
            '-A FORWARD -m comment --comment "say -m tcp -j DROP" -j web',
            "-A FORWARD -m comment --comment plain -j web",
            "-A FORWARD ! -s 203.0.113.0/24 -d 10.0.0.0/8 ! -i tun0 -o eth1 -j DROP",
            "-A FORWARD -m set --match-set trusted src,dst -j ACCEPT",
            "-A FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT",
            "-A FORWARD -m mark ! --mark 0x1 -j ACCEPT",
            "-A OUTPUT -o eth0 -p tcp -m owner --uid-owner 0 -j ACCEPT",
            "-A OUTPUT -m addrtype --dst-type LOCAL -j web",
            "-A web -j RETURN",
            "-A web -g KUBE-SVC-7A",
            "-A web -m recent --update --seconds 60 --name x --mask 255.255.255.255 --rsource",
            "-A KUBE-SVC-7A -m statistic --mode random --probability 0.33333333349 -j a:b",
            "-A KUBE-SVC-7A -d 10.1.2.3/32 -p tcp -m tcp --dport 80 -j ch@in#2",
            "-A tcp -p tcp -m tcp -j tcp",
            "-A a:b -m mac --mac-source 02:00:00:00:00:01 -j RETURN",
            "-I f2b-sshd -s 192.0.2.1/32 -j REJECT --reject-with icmp-port-unreachable",
            "[12:3456] -A INPUT -i lo -j ACCEPT",
            '[0:0] -A FORWARD -m comment --comment "with counters" -j web',
            "-A web",
            "-A é -j é",
        ),
    ),
    Setting(
        Family.IPV4,
        "nat",
        _CHAINS,
        (
            "-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.2:8080",
            "-A PREROUTING -d 192.0.2.1/32 -j DNAT --to-destination 10.0.0.2-10.0.0.9",
            "-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128",
            "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
            "-A POSTROUTING -o eth0 -j SNAT --to-source 192.0.2.1",
            "-A POSTROUTING -j MASQUERADE --random-fully",
            "-A POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
            "-A KUBE-SVC-7A -p tcp -m tcp -j DNAT --to-destination 10.244.1.2:443",
            '-A KUBE-SVC-7A -s 10.244.1.2/32 -m comment --comment "ns/svc:http" -j web',
        ),
    ),
    Setting(
        Family.IPV4,
        "mangle",
        (*_CHAINS, "LOG"),
        (
            "-A LOG -j RETURN",
            "-A INPUT -p tcp -m tcp --dport 22 -j LOG",
            "-A INPUT -g LOG",
            "-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
            "-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff",
            "-A PREROUTING -i eth0 -j MARK --set-xmark 0x1/0xffffffff",
            "-A POSTROUTING -p udp -m udp --dport 68 -j CHECKSUM --checksum-fill",
            "-A OUTPUT -m dscp --dscp 0x2e -j DSCP --set-dscp 0x00",
        ),
    ),
    Setting(
        Family.IPV6,
        "filter",
        _CHAINS,
        (
            "-A INPUT -s fe80::/10 -p ipv6-icmp -j ACCEPT",
            "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 -j ACCEPT",
            "-A INPUT -d ff02::fb/128 -p udp -m udp --dport 5353 -j ACCEPT",
            "-A INPUT -m rt --rt-type 0 -j DROP",
            "-A FORWARD ! -s 2001:db8::/32 -j REJECT --reject-with icmp6-adm-prohibited",
            "-A web -p tcp -m tcp --dport 22 -j web",
        ),
    ),
)

# Words that decide structure, or look as if they did, or are hard on a parser.
_WORDS = (
    "!", "-", "--", "-j", "-g", "-m", "-A", "-I", "-p", "-s", "-i", "-f", "-c", "-4", "-6", "-t",
    "tcp", "udp", "6", "all", "LOG", "DROP", "INPUT", "web", "nosuch", "COMMIT", "#", "*filter",
    "[1:2]", ":x", '""', '"', '"-j"', '"!"', '"tcp"', '"a \\" b"', 'a"b"', '"a"b', "\\", "-ptcp",
    "--dport=22", "--dpor", "--dport", "22", "ssh", "0", "00", "0x16", "22:", ":22", "0.0.0.0/0",
    "::/0", "+", "eth+", "10.1", "10.0.0.1/255.0.255.0", "1.2.3.4,5.6.7.8", "1.2.3.4/33",
    "example.org", "-1", "--source", "--comment", "--limit", "--name", "m" * 256, "1" * 1100,
    "é" * 200, "\u0663", "\udcff",
)  # fmt: skip
_CHARACTERS = (
    *"\"\\!-,:/+#*[]= \t\r\0aZ09xé",
    "\u00a0", "\u2028", "\u3000", "\u0085", "\x0b", "\x0c", "\x1c", "\u0663", "\udc80", "\ufeff",
)  # fmt: skip
# Operands that are right somewhere.
_OPERANDS = (
    "10.9.8.7/32", "10.9.0.0/16", "2001:db8::1/128", "eth9", "8080", "1:2", "80,90", "0x5/0xff",
    "NEW", "NEW,INVALID", "web", "a:b", "KUBE-SVC-7A", "INPUT", "5/min", "7", "0.5", "x", "src",
    '"x y"', '"x"', "10.9.8.7:80", "10.9.8.7-10.9.8.9", "02:00:00:00:00:02", "LOCAL", "REJECT",
    "tcp-reset",
)  # fmt: skip
_COUNTERS = (
    "[0:0] ", "[1:2]", "[1:2]  ", "[1:2]\t", "[ 1:2] ", "[1:] ", "[99999999999999999999:1] ",
    "[18446744073709551615:0] ", "[\u0661:2] ", "[1:2] [3:4] ", " ", "\t",
)  # fmt: skip


@st.composite
def mutants(draw: st.DrawFn, line: str) -> str:
    """A line that is one edit away from ``line``."""
    kind = draw(st.sampled_from(("operand", "operand", "character", "word", "counters", "end")))
    if kind == "counters":
        counters: str = draw(st.sampled_from(_COUNTERS))
        return counters + line.removeprefix("[0:0] ")
    if kind == "end":
        return line + draw(st.sampled_from((" ", "\t", "\r", "\r\r", '"', "\\", " -j", " !", "\0")))
    if kind == "character":
        at = draw(st.integers(0, len(line)))
        cut = draw(st.integers(0, 1))
        character: str = draw(st.sampled_from(("", *_CHARACTERS)))
        return line[:at] + character + line[at + cut :]
    words = line.split(" ")
    if kind == "operand":
        places = [at for at, word in enumerate(words) if at and word[:1] not in ("", "-", "!", '"')]
        if places:
            words[draw(st.sampled_from(places))] = draw(st.sampled_from(_OPERANDS))
        return " ".join(words)
    at = draw(st.integers(0, len(words) - 1))
    edit = draw(
        st.sampled_from(("replace", "insert", "delete", "double", "swap", "quote", "negate"))
    )
    if edit == "replace":
        words[at] = draw(st.sampled_from(_WORDS))
    elif edit == "insert":
        words.insert(at, draw(st.sampled_from(_WORDS)))
    elif edit == "delete":
        del words[at]
    elif edit == "double":
        words.insert(at, words[at])
    elif edit == "swap":
        other = draw(st.integers(0, len(words) - 1))
        words[at], words[other] = words[other], words[at]
    elif edit == "quote":
        words[at] = f'"{words[at]}"'
    else:
        words = [word for word in words if word != "!"]
        words.insert(min(at, len(words)), "!")
    return " ".join(words)


# What an edit may bring in, few enough to try each of them everywhere.
_EDIT_CHARACTERS = '"\\!-,+= \t\r\0' + "0\u00a0"
_EDIT_WORDS = (
    "!", "-", "-j", "-m", "-p", "--dport", "-x", "tcp", "udp", "web", "nosuch", "INPUT", "LOG",
    '""', '"-j"', '"!"', '"x"', '"x \\" y"', 'a"b"', '"a"b', '"x\\\\y"', "0.0.0.0/0", "+",
    "10.0.0.1,10.0.0.2", "host.example.net", "--dport=22", "--dpor", "x" * 300, "x" * 1100,
)  # fmt: skip


def edits(line: str) -> Iterator[str]:
    """Every line that is one edit away from ``line``, for few characters and words."""
    for at in range(len(line) + 1):
        yield line[:at] + line[at + 1 :]
        for character in _EDIT_CHARACTERS:
            yield line[:at] + character + line[at:]
            yield line[:at] + character + line[at + 1 :]
    words = line.split(" ")
    for at in range(len(words) + 1):
        before, after = words[:at], words[at:]
        yield " ".join((*before, *after[1:]))
        yield " ".join((*before, *after[:1], *after))
        yield " ".join((*before, *after[1:2], *after[:1], *after[2:]))
        yield " ".join((*after, *before))
        if after:
            yield " ".join((*before, f'"{after[0]}"', *after[1:]))
        for word in _EDIT_WORDS:
            yield " ".join((*before, word, *after))
            yield " ".join((*before, word, *after[1:]))
    for prefix in _COUNTERS:
        yield prefix + line.removeprefix("[0:0] ")


@st.composite
def dumps(draw: st.DrawFn) -> tuple[Setting, str]:
    """A dump whose last rule is a mutant of a rule before it."""
    setting = draw(st.sampled_from(SETTINGS))
    line = draw(st.sampled_from(setting.lines))
    others = draw(st.lists(st.sampled_from(setting.lines), max_size=3))
    return setting, setting.dump(*others, line, line, draw(mutants(line)))
