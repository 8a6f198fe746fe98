# SPDX-License-Identifier: GPL-2.0-only
"""``-m limit``, ``-m hashlimit``: buckets of credit that fill with time.

Source: net/netfilter/xt_limit.c and xt_hashlimit.c (revision 3), Linux 6.18; what their options
become: libxt_limit and libxt_hashlimit of iptables 1.8.11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ctlint.ir.rule import Match
from ctlint.ir.values import Rate
from ctlint.model.netfilter.jiffies import HZ, jiffies, msecs_to_jiffies
from ctlint.model.netfilter.matches.predicate import FALSE, TRUE, UNKNOWN, Predicate, Rows
from ctlint.model.netfilter.matches.remembered import of_rule
from ctlint.model.netfilter.memory import Memory
from ctlint.model.netfilter.tern import Tern
from ctlint.model.netfilter.transit import Facts, Field, Transit
from ctlint.wire.encoding import total_length
from ctlint.wire.packet import Packet
from ctlint.wire.protocols import TCP, UDP

_U32: Final = (1 << 32) - 1
_U64: Final = (1 << 64) - 1
_DAY: Final = 86_400

_WHY: Final = "depends on how many packets came before"


def _power_below(number: int) -> int:
    """Port of POW2_BELOW32 and POW2_BELOW64: the highest bit."""
    return 1 << number.bit_length() - 1


# ---- limit

LIMIT_SCALE: Final = 10_000
"""Steps a second in which rates are told to xt_limit (XT_LIMIT_SCALE)."""

LIMIT_CREDITS: Final = _power_below(_U32 // (HZ * _DAY))
"""Credits that a tick gives (CREDITS_PER_JIFFY)."""

_DEFAULT_RATE: Final = Rate(3, 3600, "packets")
_DEFAULT_BURST: Final = 5


class _Bucket:
    """What is left of the credits, and when they were counted (``struct xt_limit_priv``)."""

    __slots__ = ("credit", "tick")

    def __init__(self, credit: int, tick: int) -> None:
        self.credit = credit
        self.tick = tick


def limit_credits(user: int) -> int:
    """Port of user2credits of xt_limit, in its 32 bits."""
    user &= _U32
    if user > _U32 // (HZ * LIMIT_CREDITS):
        return user // LIMIT_SCALE * HZ * LIMIT_CREDITS & _U32
    return user * HZ * LIMIT_CREDITS // LIMIT_SCALE


def _limit(match: Match, _: Facts) -> Iterator[Predicate]:
    """Port of limit_mt."""
    rate = _DEFAULT_RATE if (found := match.get("limit")) is None else found.value
    burst = _DEFAULT_BURST if (found := match.get("limit-burst")) is None else found.value
    average = LIMIT_SCALE * rate.per // rate.amount
    cost, most = limit_credits(average), limit_credits(average * burst)

    def run(transit: Transit) -> Tern:
        box = transit.box
        if box is None:
            return UNKNOWN
        tick = jiffies(box.now)
        bucket = of_rule(box, transit, match, lambda: _Bucket(most, tick))
        credit = min(bucket.credit + (tick - bucket.tick) * LIMIT_CREDITS, most)
        bucket.tick = tick
        is_within = credit >= cost
        bucket.credit = credit - cost if is_within else credit
        return Tern.of(is_within)

    yield Predicate(run, frozenset({Field.BOX}), None, _WHY, remembers=True)


# ---- hashlimit

HASH_SCALE: Final = 1_000_000
"""Steps a second in which rates are told to xt_hashlimit (XT_HASHLIMIT_SCALE_v2)."""

HASH_CREDITS: Final = _power_below(_U64 // (HZ * _DAY))
"""Credits that a tick gives, in packets (CREDITS_PER_JIFFY)."""

BYTE_CREDITS: Final = _power_below(_U32 // HZ)
"""Credits that a tick gives, in bytes (CREDITS_PER_JIFFY_BYTES)."""

_BYTE_SHIFT: Final = 4
_FULL: Final = BYTE_CREDITS * HZ
_BYTE_EXPIRY: Final = 15
_BYTE_EXPIRY_WITH_BURST: Final = 60
_GC_INTERVAL: Final = 1000

_PORTS: Final = frozenset({TCP, UDP})
_PORTS_AT: Final = {33: 0, 50: 0, 51: 4, 132: 0, 136: 0}
"""DCCP, ESP, AH, SCTP, UDP-Lite: where the kernel reads ports (proto_ports_offset())."""
_TWO_PORTS: Final = 4


class HashConfig(NamedTuple):
    """What a rule says of its table (``struct hashlimit_cfg3``); times are ticks.

    ``average`` and ``burst`` are as libxt_hashlimit hands them over.
    """

    average: int
    burst: int
    keys: frozenset[str]
    source_length: int | None
    destination_length: int | None
    expires_after: int
    gc_interval: int
    most: int
    in_bytes: bool
    interval: int | None
    """Seconds of ``--hashlimit-rate-match``; None without it."""


def _byte_cost(rate: int) -> int:
    """Port of bytes_to_cost of libxt_hashlimit."""
    return _U32 // ((rate >> _BYTE_SHIFT) + 1)


def _bytes_of(cost: int) -> int:
    """Port of cost_to_bytes of libxt_hashlimit and user2rate_bytes of xt_hashlimit."""
    return ((_U32 // cost if cost else _U32) - 1) << _BYTE_SHIFT


def hash_credits(user: int) -> int:
    """Port of user2credits of xt_hashlimit, in its 64 bits."""
    return user * (HZ * HASH_CREDITS // HASH_SCALE) & _U64


def hash_config(match: Match) -> HashConfig:
    """What the options of a rule become: hashlimit_mt_check() of libxt_hashlimit."""

    def number(name: str) -> int | None:
        option = match.get(name)
        return None if option is None else option.value

    rate_option = match.get("hashlimit-upto") or match.get("hashlimit-above")
    assert rate_option is not None
    rate: Rate = rate_option.value
    in_bytes = rate.unit == "bytes"
    burst = number("hashlimit-burst")
    is_rate_match = match.get("hashlimit-rate-match") is not None
    interval = number("hashlimit-rate-interval") if is_rate_match else None
    if in_bytes:
        average = _byte_cost(rate.amount)
        per = _BYTE_EXPIRY if burst is None else _BYTE_EXPIRY_WITH_BURST
        burst = 0 if burst is None else -(-burst // _bytes_of(average))
        if is_rate_match and interval is None:
            interval = 1
    else:
        average = HASH_SCALE * rate.per // rate.amount
        per = rate.per
        burst = _DEFAULT_BURST if burst is None else burst
        if is_rate_match:
            average //= per
            interval = per if interval is None else interval
    mode = match.get("hashlimit-mode")
    expires = number("hashlimit-htable-expire")
    gc_interval = number("hashlimit-htable-gcinterval")
    size, most = number("hashlimit-htable-size") or 0, number("hashlimit-htable-max") or 0
    return HashConfig(
        average,
        burst,
        frozenset(() if mode is None else mode.value),
        number("hashlimit-srcmask"),
        number("hashlimit-dstmask"),
        msecs_to_jiffies(per * 1000 if expires is None else expires),
        msecs_to_jiffies(_GC_INTERVAL if gc_interval is None else gc_interval),
        # Without a size, the kernel takes one by its memory: 16 at least.
        max(most, size or 16) if most else 8 * (size or 16),
        in_bytes,
        interval,
    )


class _Flow:
    """An entry of a table (``struct dsthash_ent``). ``refills`` is the credit_cap of one in bytes;
    ``used`` and ``was_over`` are those of a rate match. ``is_doubtful``: whether the kernel has
    thrown its forerunner away was not known.
    """

    __slots__ = ("credit", "expires_at", "is_doubtful", "refills", "tick", "used", "was_over")

    def __init__(self, config: HashConfig, tick: int) -> None:
        self.tick = tick
        self.expires_at = tick + config.expires_after
        self.refills = config.burst
        self.credit = _FULL if config.in_bytes else hash_credits(config.average * config.burst)
        self.used = 0
        self.was_over = False
        self.is_doubtful = False

    def is_as_new(self, other: _Flow) -> bool:
        """Whether it is all the same which of the two is there."""
        return (self.tick, self.credit, self.refills, self.used, self.was_over) == (
            other.tick,
            other.credit,
            other.refills,
            other.used,
            other.was_over,
        )


Key = tuple[int, int, int, int]


class HashTable:
    """A table, which all rules of a family share that name it: the first of them says how it is.

    Entries that nobody asked for a while are thrown away, by and by: for some time it is not known
    whether one is still there.
    """

    def __init__(self, config: HashConfig) -> None:
        self.config = config
        self.flows: dict[Key, _Flow] = {}
        # user2rate() and user2rate_bytes(); what a burst adds.
        average = config.average
        self.rate = _bytes_of(average & _U32) if config.in_bytes else HASH_SCALE // max(average, 1)
        if config.in_bytes:
            self.room = config.burst * self.rate if config.burst else self.rate
        else:
            self.room = config.burst + self.rate

    def key(self, packet: Packet) -> Key | None:
        """Port of hashlimit_init_dst; None where ports are not known. Raises _TooShortError."""
        keys, bits = self.config.keys, packet.family.bits
        source = destination = sport = dport = 0
        if "srcip" in keys:
            source = _masked(packet.saddr, self.config.source_length, bits)
        if "dstip" in keys:
            destination = _masked(packet.daddr, self.config.destination_length, bits)
        if keys & {"srcport", "dstport"}:
            ports = _ports(packet)
            if ports is None:
                return None
            sport = ports[0] if "srcport" in keys else 0
            dport = ports[1] if "dstport" in keys else 0
        return source, destination, sport, dport

    def flow(self, key: Key, tick: int) -> _Flow | None:
        """The entry at a tick; None where it is not known which one there is."""
        config = self.config
        fresh = _Flow(config, tick)
        old = self.flows.get(key)
        if old is None:
            if len(self.flows) >= config.most:
                self._clean(tick)
                if len(self.flows) >= config.most:
                    return None
            self.flows[key] = fresh
            return fresh
        late = tick - old.expires_at
        if late >= 2 * config.gc_interval:
            self.flows[key] = fresh
            return fresh
        old.expires_at = fresh.expires_at
        self._recalc(old, tick)
        if late >= 0 and not old.is_as_new(fresh):
            old.is_doubtful = True
        return None if old.is_doubtful else old

    def _clean(self, tick: int) -> None:
        """Port of htable_selective_cleanup."""
        gone = [key for key, flow in self.flows.items() if tick >= flow.expires_at]
        for key in gone:
            del self.flows[key]

    def _recalc(self, flow: _Flow, tick: int) -> None:
        """Port of rateinfo_recalc."""
        passed = tick - flow.tick
        if passed == 0:
            return
        config = self.config
        if config.interval is not None:
            interval = config.interval * HZ
            if passed >= interval:
                flow.tick = tick
                flow.was_over = flow.used * interval > passed * self.rate
                flow.used = 0
            return
        flow.tick = tick
        if config.in_bytes:
            flow.credit = min(flow.credit + BYTE_CREDITS * passed, _FULL)
        else:
            most = hash_credits(config.average * config.burst)
            flow.credit = min(flow.credit + HASH_CREDITS * passed, most)

    def is_within(self, flow: _Flow, length: int, *, in_bytes: bool) -> bool:
        """Port of the second half of hashlimit_mt_common; ``in_bytes`` is the rule's own."""
        if self.config.interval is not None:
            flow.used += length if in_bytes else 1
            return not flow.was_over and flow.used <= self.room
        if in_bytes:
            cost = min(((length >> _BYTE_SHIFT) + 1) * self._cost(), _FULL)
            if flow.credit < cost and flow.refills:
                flow.refills -= 1
                flow.credit = _FULL
        else:
            cost = self._cost()
        if flow.credit < cost:
            return False
        flow.credit -= cost
        return True

    def _cost(self) -> int:
        config = self.config
        if config.in_bytes:
            return (config.average & _U32) * _FULL >> 32
        return hash_credits(config.average)


class _TooShortError(Exception):
    """A packet ends before its ports."""


def _ports(packet: Packet) -> tuple[int, int] | None:
    """What stands where a packet of its protocol has ports; None where that is not known. Raises
    _TooShortError.
    """
    start = _PORTS_AT.get(packet.protocol)
    if packet.protocol in _PORTS or (start is not None and packet.sport is not None):
        return packet.sport or 0, packet.dport or 0
    if start is None:
        return 0, 0
    if packet.payload < start + _TWO_PORTS:
        raise _TooShortError
    both = packet.data[start : start + _TWO_PORTS]
    if len(both) < _TWO_PORTS:
        return None
    return int.from_bytes(both[:2]), int.from_bytes(both[2:])


def _masked(address: int, length: int | None, bits: int) -> int:
    free = 0 if length is None else bits - length
    return address >> free << free


def hash_table(memory: Memory, match: Match, family: int) -> HashTable:
    """The table of a rule."""
    name = match.get("hashlimit-name")
    assert name is not None
    return memory.kept("hashlimit", (name.value, family), lambda: HashTable(hash_config(match)))


def _hashlimit(match: Match, _: Facts) -> Iterator[Predicate]:
    """Port of hashlimit_mt."""
    above = match.get("hashlimit-above")
    option = above or match.get("hashlimit-upto")
    assert option is not None
    wants_over = (above is not None) is not option.negated
    in_bytes = option.value.unit == "bytes"

    def run(transit: Transit) -> Tern:
        box = transit.box
        if box is None:
            return UNKNOWN
        packet = transit.packet
        table = hash_table(box.memory, match, packet.family)
        try:
            key = table.key(packet)
        except _TooShortError:
            transit.is_hot = True
            return FALSE
        if key is None or in_bytes is not table.config.in_bytes:
            return UNKNOWN
        flow = table.flow(key, jiffies(box.now))
        if flow is None:
            return UNKNOWN
        is_within = table.is_within(flow, total_length(packet), in_bytes=in_bytes)
        return FALSE if is_within is wants_over else TRUE

    keys = hash_config(match).keys
    reads = {Field.BOX} | {field for name, field in _READS.items() if name in keys}
    yield Predicate(run, frozenset(reads), None, _WHY, remembers=True)


_READS: Final = {
    "srcip": Field.SADDR,
    "dstip": Field.DADDR,
    "srcport": Field.SPORT,
    "dstport": Field.DPORT,
}

ROWS: Final[Rows] = {"hashlimit": _hashlimit, "limit": _limit}
