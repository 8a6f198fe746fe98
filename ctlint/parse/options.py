# SPDX-License-Identifier: GPL-2.0-only
"""What the words of a rule mean: getopt_long over the tables of the extensions loaded so far.

Reading has two steps, so that a line of a known shape needs only the second:

1. :class:`RuleReader` finds the structure, which depends on option names, match names, the
   protocol and the target, never on other operands.
2. :func:`build_options` turns operands into typed values and checks them.

Source: do_parse(), command_default(), command_match(), command_jump() in iptables/xshared.c and
xtables_options_xfrm() in libxtables of iptables 1.8.11.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum, auto
from typing import Any, Final

from ctlint.ir.rule import Option
from ctlint.ir.ruleset import BUILTIN_CHAINS
from ctlint.parse.extension import Extension, Kind, OptionSpec, RuleContext
from ctlint.parse.operands import (
    INTERFACE,
    NET,
    PROTOCOL,
    Operand,
)
from ctlint.parse.registry import PROTOCOL_MATCHES, find_extension, known_spelling, near_extension
from ctlint.parse.words import MAX_WORD, Word
from ctlint.wire.addresses import Family
from ctlint.wire.protocols import parse_protocol

VERDICTS: Final = frozenset({"ACCEPT", "DROP", "RETURN", "QUEUE"})

MAX_NAME: Final = 28
"""Longest chain or extension name (XT_EXTENSION_MAXNAMELEN - 1)."""


class RuleError(Exception):
    """A rule that cannot be read: the words ``first`` to ``last`` are at fault."""

    def __init__(self, first: int, message: str, hint: str | None = None, last: int = -1) -> None:
        super().__init__(message)
        self.first = first
        self.last = max(first, last)
        self.message = message
        self.hint = hint


class Command(Enum):
    """What a rule line does to its chain."""

    APPEND = auto()
    INSERT = auto()
    DELETE = auto()
    REPLACE = auto()
    NEW_CHAIN = auto()
    DELETE_CHAIN = auto()
    FLUSH = auto()
    POLICY = auto()
    ZERO = auto()


@dataclass(slots=True)
class Item:
    """One option found: its row, its negation, the words of its operands, its own word."""

    spec: OptionSpec
    negated: bool
    operands: tuple[int, ...]
    at: int


@dataclass(slots=True)
class Group:
    """The options of one match or target. ``extension`` is None where no row describes it."""

    name: str
    extension: Extension | None
    at: int
    implicit: bool = False
    items: list[Item] = field(default_factory=list)
    words: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Reading:
    """The structure of one rule line."""

    words: Sequence[Word]
    command: Command | None = None
    chain: int = -1
    number: int = -1
    policy: int = -1
    head: list[Item] = field(default_factory=list)
    matches: list[Group] = field(default_factory=list)
    target: Group | None = None
    verdict: int = -1
    jump: int = -1
    goto: bool = False
    counters: tuple[int, int] | None = None
    protocol: int = 0
    protocol_negated: bool = False
    learnable: bool = True
    # The line is for the other family (-4, -6): restore passes over it without a word.
    is_foreign: bool = False


_HEAD_SPECS: Final = {
    "p": OptionSpec("protocol", (PROTOCOL,), negatable=True),
    "s": OptionSpec("source", (NET,), negatable=True),
    "d": OptionSpec("destination", (NET,), negatable=True),
    "i": OptionSpec("in-interface", (INTERFACE,), negatable=True),
    "o": OptionSpec("out-interface", (INTERFACE,), negatable=True),
    "f": OptionSpec("fragment", negatable=True),
}

# Long options of iptables itself. Source: struct option original_opts in iptables/iptables.c.
_LONG: Final = {
    "append": "A",
    "delete": "D",
    "insert": "I",
    "replace": "R",
    "flush": "F",
    "zero": "Z",
    "new-chain": "N",
    "delete-chain": "X",
    "policy": "P",
    "protocol": "p",
    "source": "s",
    "src": "s",
    "destination": "d",
    "dst": "d",
    "in-interface": "i",
    "out-interface": "o",
    "jump": "j",
    "goto": "g",
    "match": "m",
    "table": "t",
    "fragments": "f",
    "set-counters": "c",
    "numeric": "n",
    "verbose": "v",
    "exact": "x",
    "ipv4": "4",
    "ipv6": "6",
}
_COMMANDS: Final = {
    "A": Command.APPEND,
    "I": Command.INSERT,
    "D": Command.DELETE,
    "R": Command.REPLACE,
    "N": Command.NEW_CHAIN,
    "X": Command.DELETE_CHAIN,
    "F": Command.FLUSH,
    "P": Command.POLICY,
    "Z": Command.ZERO,
}
_MOST_COMPARED: Final = 50
"""Chains among which a name like one that is not there is looked for."""

_FOREIGN_TARGETS: Final = frozenset(
    {
        "CHAOS",
        "DELUDE",
        "DNETMAP",
        "ECHO",
        "FLOWOFFLOAD",
        "FULLCONENAT",
        "IMQ",
        "LOGMARK",
        "MIRROR",
        "NETFLOW",
        "TARPIT",
    }
)
"""Targets outside of iptables that need no option: those of xtables-addons(8), OpenWrt, and others.
Any other name without options is taken for a chain that is not there.
"""
_EXTENSION_NAME: Final = re.compile(r"\w[\w.+-]*")
_SPACES: Final = " \t\n\v\f\r"
_CHAIN_OPTIONAL: Final = frozenset("XFZ")
_NO_ARGUMENT: Final = frozenset("fv46")
# Options that choose a table, or that only commands take which change no rule.
_NO_PLACE: Final = frozenset("wWLSECtnx")
_INCOMING: Final = frozenset({"PREROUTING", "INPUT"})
_OUTGOING: Final = frozenset({"POSTROUTING", "OUTPUT"})

HEAD_ORDER: Final = {
    name: order
    for order, name in enumerate(
        ("source", "destination", "in-interface", "out-interface", "protocol", "fragment")
    )
}


class RuleReader:
    """Reads rule lines of one table. ``chains`` holds the user chains declared so far."""

    def __init__(self, family: Family, table: str, chains: Collection[str]) -> None:
        self._family = family
        self._table = table
        self._chains = chains

    def read(self, words: Sequence[Word]) -> Reading:
        """Find the structure of a rule. Raises RuleError."""
        for at, word in enumerate(words):
            if len(word.text) > MAX_WORD // 4 and (
                len(word.text.encode("utf-8", "surrogateescape")) > MAX_WORD
            ):
                raise RuleError(at, f"the word is longer than {MAX_WORD} bytes")
        reading = Reading(words)
        run = _Run(self._family, self._table, self._chains, reading)
        run.all_words()
        if not reading.is_foreign:
            run.finish()
        return reading


class _Run:
    """The state of reading one line."""

    def __init__(
        self, family: Family, table: str, chains: Collection[str], reading: Reading
    ) -> None:
        self.family = family
        self.table = table
        self.chains = chains
        self.reading = reading
        self.words = reading.words
        # Attached operands (-ptcp, --dport=22) become words behind the last one of the line.
        self.count = len(reading.words)
        self.at = 0
        self.negated_at: int | None = None
        self.protocol_loaded = False
        # Options of the extensions loaded so far, the latest first, as getopt searches them.
        self.loaded: list[Group] = []

    def all_words(self) -> None:
        while self.at < self.count and not self.reading.is_foreign:
            at = self.at
            word = self.words[at]
            text = word.text
            self.at += 1
            if text == "!":
                if self.negated_at is not None:
                    raise RuleError(at, "two ! in a row")
                self.negated_at = at
                continue
            if not text.startswith("-") or text == "-" or word.is_quoted:
                raise RuleError(
                    at,
                    f"expected an option, found {text!r}",
                    "an option that takes fewer operands than were given stands before it"
                    if self.loaded or self.reading.head
                    else None,
                )
            if text.startswith("--"):
                self.long_option(at, text[2:])
            else:
                self.short_option(at, text[1:])
            self.negated_at = None
        if self.negated_at is not None:
            raise RuleError(self.negated_at, "nothing that can be negated follows the !")

    # One option

    def long_option(self, at: int, text: str, unknown: Group | None = None) -> None:
        """Read an option; ``unknown`` is the extension without a row behind which it stands."""
        name, equals, attached = text.partition("=")
        if equals:
            self.reading.learnable = False
        owner = unknown or self.unknown_owner()
        letter, group, spec = self.find_long(name, at, owner is not None)
        if letter:
            self.own_option(at, letter, attached if equals else None)
        elif group is not None and spec is not None:
            self.extension_option(at, group, spec, attached if equals else None)
        elif self.load_protocol():
            self.long_option(at, text, owner)
        elif owner is not None:
            self.take_unknown(owner, at)
        else:
            raise self.unknown_option(at, name)

    def unknown_owner(self) -> Group | None:
        """The extension without a row that was loaded last: options may be its own."""
        if self.loaded and self.loaded[0].extension is None:
            return self.loaded[0]
        return None

    def find_long(
        self, name: str, at: int, exact_only: bool
    ) -> tuple[str, Group | None, OptionSpec | None]:
        """The letter of an option of iptables itself, or the extension's option; or neither."""
        if name in _LONG:
            return _LONG[name], None, None
        for group in self.loaded:
            for spec in group.extension.options if group.extension else ():
                if spec.name == name:
                    return "", group, spec
        if exact_only or not name:
            return "", None, None
        own = {letter for long, letter in _LONG.items() if long.startswith(name)}
        found = [
            (group, spec)
            for group in self.loaded
            for spec in (group.extension.options if group.extension else ())
            if spec.name.startswith(name)
        ]
        keys = {(id(group.extension), spec.key) for group, spec in found}
        if len(own) + len(keys) > 1:
            raise RuleError(at, f"--{name} may stand for several options")
        if own or found:
            # What a name cut short means depends on all extensions loaded so far.
            self.reading.learnable = False
        if own:
            return own.pop(), None, None
        return ("", *found[0]) if found else ("", None, None)

    def short_option(self, at: int, text: str) -> None:
        letter, attached = text[0], text[1:]
        if letter in _NO_PLACE or letter not in "ADIRFZNXPpsdijgmofcv46":
            owner = self.unknown_owner()
            if owner is not None:
                self.take_unknown(owner, at)
                return
            if letter in _NO_PLACE:
                raise self.no_place(at)
            raise self.unknown_option(at, text)
        if letter in _NO_ARGUMENT:
            self.own_option(at, letter, None)
            if attached:
                self.reading.learnable = False
                self.short_option(at, attached)
            return
        if attached:
            self.reading.learnable = False
        self.own_option(at, letter, attached or None)

    def no_place(self, at: int) -> RuleError:
        return RuleError(at, f"{self.words[at].text} has no place in a dump of rules")

    def unknown_option(self, at: int, name: str) -> RuleError:
        known = [
            spec.name
            for group in self.loaded
            for spec in (group.extension.options if group.extension else ())
        ]
        near = get_close_matches(name[:64], [*known, *_LONG], 1)
        loaded = ", ".join(group.name for group in self.loaded)
        hint = f"did you mean --{near[0]}?" if near else None
        if hint is None:
            hint = (
                f"none of the loaded extensions ({loaded}) has it"
                if loaded
                else ("no -m or -p before it loads an extension that has it")
            )
        dashes = "-" if len(name) == 1 else "--"
        return RuleError(at, f"unknown option {dashes}{name}", hint)

    def take_operand(self, at: int, attached: str | None, what: str) -> int:
        """The index of the operand word; an attached operand becomes a word of its own."""
        if attached is not None:
            word = self.words[at]
            extra = Word(attached, word.end - len(attached), word.end)
            self.words = self.reading.words = [*self.words, extra]
            return len(self.words) - 1
        if self.at >= self.count:
            raise RuleError(at, f"{self.words[at].text} needs {what}")
        self.at += 1
        return self.at - 1

    def intraposed(self, at: int, operand: int, attached: str | None) -> tuple[int, bool]:
        """The negation of old dumps, ``--dport ! 22``: the ! stands before the operand."""
        word = self.words[operand]
        if word.text != "!" or word.is_quoted or attached is not None:
            return operand, False
        if self.negated_at is not None:
            raise RuleError(operand, "two ! for one option")
        self.reading.learnable = False
        return self.take_operand(at, None, "an operand"), True

    # Options of iptables itself

    def own_option(self, at: int, letter: str, attached: str | None) -> None:
        reading = self.reading
        if letter in _COMMANDS:
            self.command(at, letter, attached)
        elif letter in _HEAD_SPECS:
            self.head_option(at, letter, attached)
        elif letter == "m":
            self.not_negated(at)
            self.load_match(self.take_operand(at, attached, "the name of a match"))
        elif letter in "jg":
            self.not_negated(at)
            self.jump(at, letter, attached)
        elif letter == "c":
            self.not_negated(at)
            packets = self.take_operand(at, attached, "two counters")
            first, comma, last = self.words[packets].text.partition(",")
            if comma:
                texts = (first, last)
            else:
                texts = (first, self.words[self.take_operand(at, None, "two counters")].text)
            if not all(part.isascii() and part.isdigit() and len(part) < 21 for part in texts):
                raise RuleError(at, "counters are two numbers", None, self.at - 1)
            reading.counters = (int(texts[0]), int(texts[1]))
            reading.learnable = False
        elif letter in "46":
            reading.learnable = False
            reading.is_foreign = int(letter) != self.family
        elif letter in _NO_PLACE:
            raise self.no_place(at)
        else:
            reading.learnable = False

    def not_negated(self, at: int) -> None:
        if self.negated_at is not None:
            raise RuleError(self.negated_at, f"{self.words[at].text} cannot be negated")

    def command(self, at: int, letter: str, attached: str | None) -> None:
        reading = self.reading
        self.not_negated(at)
        if reading.command is not None:
            raise RuleError(at, "a second command in one line")
        reading.command = _COMMANDS[letter]
        if letter in _CHAIN_OPTIONAL and attached is None:
            if self.next_is_operand():
                reading.chain = self.take_operand(at, None, "a chain")
            return
        reading.chain = self.take_operand(at, attached, "a chain")
        if letter == "P":
            reading.policy = self.take_operand(at, None, "a policy")
        elif letter in "IDR" and self.next_is_operand():
            reading.number = self.take_operand(at, None, "a number")
            text = self.words[reading.number].text
            if not (text.isascii() and text.isdigit() and 0 < len(text) < 9 and int(text)):
                raise RuleError(reading.number, f"{text!r} is not a rule number")
        elif letter == "R":
            raise RuleError(at, "-R needs a rule number")

    def next_is_operand(self) -> bool:
        if self.at >= self.count:
            return False
        text = self.words[self.at].text
        return not text.startswith("-") and text != "!"

    def head_option(self, at: int, letter: str, attached: str | None) -> None:
        spec = _HEAD_SPECS[letter]
        reading = self.reading
        negated = self.negated_at is not None
        operands: tuple[int, ...] = ()
        if spec.operands:
            operand = self.take_operand(at, attached, spec.operands[0].expected)
            operand, intraposed = self.intraposed(at, operand, attached)
            negated = negated or intraposed
            operands = (operand,)
        elif self.family is Family.IPV6:
            raise RuleError(at, "-f has no meaning in IPv6", "use -m frag")
        if any(item.spec is spec for item in reading.head):
            raise RuleError(at, f"a second {self.words[at].text}")
        if letter == "p":
            try:
                reading.protocol = parse_protocol(self.words[operands[0]].text)
            except ValueError as error:
                raise RuleError(operands[0], str(error)) from None
            reading.protocol_negated = negated
            if negated and reading.protocol == 0:
                raise RuleError(at, "a rule for no protocol at all never matches")
        reading.head.append(Item(spec, negated, operands, at))

    def jump(self, at: int, letter: str, attached: str | None) -> None:
        reading = self.reading
        operand = self.take_operand(at, attached, "a target")
        name = self.words[operand].text
        if reading.jump >= 0 or reading.verdict >= 0 or reading.target is not None:
            raise RuleError(at, "a second target")
        if not name or len(name.encode("utf-8", "surrogateescape")) > MAX_NAME:
            raise RuleError(operand, f"a target's name has 1 to {MAX_NAME} bytes")
        if any(character in _SPACES for character in name):
            raise RuleError(operand, f"{name!r} is no name of a target")
        if name in BUILTIN_CHAINS.get(self.table, ()):
            raise RuleError(operand, f"{name} is a base chain: no rule can jump to it")
        if letter == "g":
            if name not in self.chains:
                raise RuleError(operand, f"no chain {name!r} to go to", self.hint_at_chain(name))
            reading.jump, reading.goto = operand, True
        elif name == "CONTINUE":
            reading.learnable = False
        elif name in VERDICTS:
            reading.verdict = operand
            if name == "DROP" and self.table == "nat":
                raise RuleError(operand, "the nat table takes no DROP", "use the filter table")
        elif name in self.chains:
            # A chain hides the target of the same name (xtables_announce_chain()).
            reading.jump = operand
        else:
            extension = self.extension(name, Kind.TARGET, operand)
            reading.target = Group(name, extension, operand)
            self.loaded.insert(0, reading.target)

    def hint_at_chain(self, name: str) -> str:
        """What may be meant by a chain that is not there."""
        if len(self.chains) <= _MOST_COMPARED:
            near = get_close_matches(name, self.chains, 1, 0.8)
            if near:
                return f"did you mean {near[0]!r}?"
        return "a chain is declared above the rules that name it"

    # Options of extensions

    def extension(self, name: str, kind: Kind, at: int) -> Extension | None:
        """The row of an extension, or None where no row describes it."""
        extension = find_extension(name, kind, self.family)
        if extension is None:
            other = Family.IPV4 if self.family is Family.IPV6 else Family.IPV6
            if find_extension(name, kind, other) is not None:
                raise RuleError(at, f"the {kind.value} {name} is one of IPv{int(other)} only")
            known = known_spelling(name, kind)
            if known is not None:
                raise RuleError(at, f"no {kind.value} {name!r}", f"did you mean {known}?")
        return extension

    def load_match(self, at: int, *, implicit: str | None = None) -> Group:
        name = implicit or self.words[at].text
        extension = self.extension(name, Kind.MATCH, at)
        if extension is None and len(name.encode("utf-8", "surrogateescape")) > MAX_NAME:
            raise RuleError(at, f"a match's name has at most {MAX_NAME} bytes")
        group = Group(extension.name if extension else name, extension, at, bool(implicit))
        self.reading.matches.append(group)
        # A match that is named again is a new one: the options that follow are its own.
        self.loaded = [group, *(old for old in self.loaded if old.name != group.name)]
        return group

    def load_protocol(self) -> bool:
        """Load the match of ``-p``: once, when an option is not known otherwise."""
        if self.protocol_loaded or not self.reading.protocol:
            return False
        self.protocol_loaded = True
        name = PROTOCOL_MATCHES.get(self.reading.protocol)
        if name is None or any(group.name == name for group in self.loaded):
            return False
        self.load_match(self.at - 1, implicit=name)
        return True

    def extension_option(
        self, at: int, group: Group, spec: OptionSpec, attached: str | None
    ) -> None:
        negated = self.negated_at is not None
        operands: list[int] = []
        for index, operand_type in enumerate(spec.operands):
            if spec.operand_is_optional and attached is None and not self.next_is_operand():
                break
            operand = self.take_operand(at, attached if index == 0 else None, operand_type.expected)
            if index == 0 and spec.negatable:
                operand, intraposed = self.intraposed(at, operand, attached)
                negated = negated or intraposed
            operands.append(operand)
        is_cut = spec.holds_blanks and attached is None and self.next_is_operand()
        if is_cut and not self.words[operands[0]].text.startswith("-"):
            operands = self.join_blanks(operands)
        if attached is not None and not spec.operands:
            raise RuleError(at, f"--{spec.name} takes no operand")
        if negated and not spec.negatable:
            raise RuleError(at, f"--{spec.name} cannot be negated")
        if not spec.repeatable and any(item.spec.key == spec.key for item in group.items):
            raise RuleError(at, f"a second --{spec.name} for {group.name}")
        group.items.append(Item(spec, negated, tuple(operands), at))

    def join_blanks(self, operands: Sequence[int]) -> list[int]:
        """The operands, where the first is a name with blanks that iptables-save did not quote."""
        count = len(operands)
        every = list(operands)
        while self.next_is_operand():
            every.append(self.at)
            self.at += 1
        named = [self.words[at] for at in every[: len(every) - count + 1]]
        name = Word(" ".join(word.text for word in named), named[0].start, named[-1].end)
        self.words = self.reading.words = [*self.words, name]
        self.reading.learnable = False
        return [len(self.words) - 1, *every[len(every) - count + 1 :]]

    def take_unknown(self, owner: Group, at: int) -> None:
        """Words of an extension that no row describes, up to the next option of iptables."""
        if self.negated_at is not None:
            owner.words.append(self.negated_at)
        owner.words.append(at)
        while self.at < self.count:
            word = self.words[self.at]
            if word.text == "!" or word.text.startswith("-"):
                if word.is_quoted:
                    # Its words are kept without quotes, where this one would be an option.
                    raise RuleError(
                        self.at,
                        f"{word.text[:20]!r} in quotes, behind an option of {owner.name}, which "
                        "is not known here",
                    )
                break
            owner.words.append(self.at)
            self.at += 1
        self.reading.learnable = False

    # Conditions on the whole

    def finish(self) -> None:
        reading = self.reading
        chain = self.words[reading.chain].text if reading.chain >= 0 else ""
        groups = [*reading.matches, *([reading.target] if reading.target else [])]
        for group in groups:
            extension = group.extension
            if extension is None:
                reading.learnable = False
                self.check_unknown(group, Kind.TARGET if group is reading.target else Kind.MATCH)
                continue
            self.check_group(group, extension)
        base_chain = chain if chain in BUILTIN_CHAINS.get(self.table, ()) else ""
        for item in reading.head:
            if item.spec.name == "out-interface" and base_chain in _INCOMING:
                raise RuleError(item.at, f"-o in {chain}: the packet has no outgoing interface yet")
            if item.spec.name == "in-interface" and base_chain in _OUTGOING:
                raise RuleError(item.at, f"-i in {chain}: the packet has no incoming interface")

    def check_unknown(self, group: Group, kind: Kind) -> None:
        """Refuse what cannot be the name of an extension, or is a known one with a slip."""
        name = group.name
        if kind is Kind.TARGET and not group.words and name not in _FOREIGN_TARGETS:
            raise RuleError(group.at, f"no chain and no target {name!r}", self.hint_at_chain(name))
        if not _EXTENSION_NAME.fullmatch(name):
            raise RuleError(group.at, f"{name!r} is no name of a {kind.value}")
        near = near_extension(name, kind, self.family)
        given = {self.words[at].text for at in group.words}
        if near is not None and any(f"--{spec.name}" in given for spec in near.options):
            raise RuleError(group.at, f"no {kind.value} {name!r}", f"did you mean {near.name}?")

    def check_group(self, group: Group, extension: Extension) -> None:
        given = {item.spec.key for item in group.items}
        for spec in extension.options:
            if spec.required and spec.key not in given:
                raise RuleError(group.at, f"{group.name} needs --{spec.key}")
        for item in group.items:
            for other in item.spec.excludes:
                if other in given and other != item.spec.key:
                    raise RuleError(item.at, f"--{item.spec.name} and --{other} exclude each other")
            for other in item.spec.also:
                if other not in given:
                    raise RuleError(item.at, f"--{item.spec.name} needs --{other}")
        complaint = place_complaint(extension, self.context())
        if complaint is not None:
            raise RuleError(group.at, complaint)

    def context(self) -> RuleContext:
        reading = self.reading
        return RuleContext(self.family, self.table, reading.protocol, reading.protocol_negated)


def place_complaint(extension: Extension, context: RuleContext) -> str | None:
    """Why the extension cannot stand in such a rule, or None."""
    if extension.protocols and not context.is_protocol(*extension.protocols):
        numbers = sorted(extension.protocols)
        names = " or ".join(f"-p {PROTOCOL_MATCHES.get(n, str(n))}" for n in numbers)
        return f"{extension.name} needs {names}"
    if extension.tables and context.table not in extension.tables:
        return f"{extension.name} loads only in the table {', '.join(extension.tables)}"
    return None


def build_options(
    items: Sequence[Item], texts: Callable[[int], str], family: Family
) -> tuple[Option, ...]:
    """The typed options of a match or target. Raises RuleError at the operand at fault."""
    options: list[Option] = []
    for item in items:
        values: list[Any] = []
        for operand, at in zip(
            item.spec.operands, item.operands, strict=not item.spec.operand_is_optional
        ):
            values.append(parse_operand(operand, texts(at), family, at, item.spec.name))
        value = None if not values else values[0] if len(values) == 1 else tuple(values)
        options.append(Option(item.spec.key, value, item.negated))
    return tuple(options)


def parse_operand(operand: Operand, text: str, family: Family, at: int, name: str) -> Any:
    """The typed value of one word. Raises RuleError."""
    try:
        return operand.parse(text, family)
    except ValueError as error:
        raise RuleError(at, f"--{name}: {error}", f"expected {operand.expected}") from None


def check_options(group: Group, options: Sequence[Option], context: RuleContext) -> None:
    """What must hold between the options of one extension. Raises RuleError."""
    extension = group.extension
    if extension is None or extension.check is None:
        return
    complaint = extension.check(options, context)
    if complaint is not None:
        last = max((max((item.at, *item.operands)) for item in group.items), default=group.at)
        raise RuleError(group.at, f"{group.name}: {complaint}", None, last)
