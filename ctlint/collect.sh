#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Collects what `ctlint diagnose` reads: sockets, conntrack entries, rules and counters, twice with
# some seconds between, and settings, sets and what netfilter and TCP say in the kernel's log.
#
# Usage: sh collect.sh [-i SECONDS] [DIR]
#
# It only reads, and writes nothing but the new folder DIR, which only its owner may open. What is
# not there is noted in DIR/manifest. What the folder holds is said in docs/diagnose.md.

set -u
LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH
umask 077

interval=5
rules=2000000
lines=200000

usage() {
    echo "usage: sh collect.sh [-i SECONDS] [DIR]" >&2
    exit 2
}

while getopts i: option; do
    case $option in
        i) interval=$OPTARG ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
[ $# -le 1 ] || usage
case $interval in
    '' | *[!0-9]* | ????*) usage ;;
esac

dir=${1:-ctlint-evidence-$(date -u +%Y%m%dT%H%M%SZ)}
case $dir in
    -*) dir=./$dir ;;
esac
mkdir -m 0700 "$dir" || exit 2

note() {
    printf '%s\n' "$*" >>"$dir/manifest"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# take MOST FILE COMMAND...: what a command prints, MOST lines of it.
take() {
    most=$1 file=$2
    shift 2
    if ! have "$1"; then
        note "$file: missing: there is no program $1"
        return 1
    fi
    limit=
    case $1 in
        settings | messages) ;;
        *) if have timeout; then limit='timeout 60'; fi ;;
    esac
    {
        # shellcheck disable=SC2086 # two words, or none
        $limit "$@" 2>"$dir/errors"
        echo $? >"$dir/status"
    } | head -n "$most" >"$dir/$file"
    read -r status <"$dir/status"
    count=$(wc -l <"$dir/$file")
    if [ "$count" -ge "$most" ]; then
        note "$file: $* (cut after $most lines)"
    elif [ "$status" -ne 0 ]; then
        why=$(head -n 1 "$dir/errors" | cut -c 1-200)
        rm -f "$dir/$file"
        note "$file: missing: ${why:-$1 ended with $status}"
    else
        note "$file: $*"
    fi
    rm -f "$dir/errors" "$dir/status"
    [ "$status" -eq 0 ]
}

# entries SUFFIX: all conntrack entries, those of IPv6 too.
entries() {
    if [ -r /proc/net/nf_conntrack ]; then
        take $lines "conntrack$1" cat /proc/net/nf_conntrack
    elif [ -r /proc/net/ip_conntrack ]; then
        take $lines "conntrack$1" cat /proc/net/ip_conntrack
    elif take $lines "conntrack$1" conntrack -L -f ipv4; then
        take $lines "conntrack6$1" conntrack -L -f ipv6
    fi
}

# counters SUFFIX: -s keeps nstat from writing down what it has seen.
counters() {
    if have nstat; then
        take $lines "nstat$1" nstat -azs
    elif [ -r /proc/net/netstat ]; then
        take $lines "nstat$1" cat /proc/net/netstat /proc/net/snmp
    else
        take $lines "nstat$1" netstat -s
    fi
}

# snapshot SUFFIX: sockets before entries, so that no entry seems to be missing which was made later.
snapshot() {
    take 2 "date$1" date -u +%Y-%m-%dT%H:%M:%SZ
    take $lines "ss$1" ss -tanoiep || take $lines "ss$1" ss -tanoi
    entries "$1"
    counters "$1"
    dumps iptables "$1"
    dumps ip6tables "$1"
}

# has_rules PROGRAM: whether what it prints does anything.
has_rules() {
    have "$1" && "$1" 2>/dev/null | grep -Eq '^-A|^:[A-Z]+ DROP'
}

# dumps PROGRAM SUFFIX: the rules of both backends where both have some, else of the one that has.
dumps() {
    if ! has_rules "$1-legacy-save"; then
        take $rules "$1-save$2" "$1-save" -c
    elif has_rules "$1-nft-save"; then
        take $rules "$1-legacy-save$2" "$1-legacy-save" -c
        take $rules "$1-nft-save$2" "$1-nft-save" -c
    else
        take $rules "$1-save$2" "$1-legacy-save" -c
    fi
}

# settings: those of the network, without keys.
settings() {
    sysctl -a 2>/dev/null | grep -E '^(net\.|kernel\.osrelease)' | grep -Ev 'secret|_key'
}

# messages: of the kernel's log what is about packets and connections.
messages() {
    if ! dmesg 2>/dev/null; then
        journalctl -k -b --no-pager -o short-iso 2>/dev/null
    fi | grep -E ' OUT=|table full|SYN flooding' | tail -n 20000
    return 0
}

note "ctlint-evidence 1"
take 2 uname uname -r
snapshot ''
[ "$interval" -eq 0 ] || sleep "$interval"
snapshot .later
take $lines sysctl settings
take $lines ip-rule ip -j -4 rule
take $lines ip-route ip -j -4 route
take $lines ip-rule6 ip -j -6 rule
take $lines ip-route6 ip -j -6 route
take $rules ipset-save ipset save
if dmesg >/dev/null 2>&1 || have journalctl; then
    take $lines dmesg messages
else
    note "dmesg: missing: the kernel's log may not be read"
fi
printf '%s\n' "$dir"
