# SPDX-License-Identifier: GPL-2.0-only
"""From the structure of a rule line to matches, a target, and what the line teaches of shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from ctlint.ir.rule import (
    AnyMatch,
    AnyTarget,
    Goto,
    Jump,
    Match,
    Option,
    Target,
    UnknownMatch,
    UnknownTarget,
)
from ctlint.parse.extension import Kind, RuleContext
from ctlint.parse.options import (
    HEAD_ORDER,
    Group,
    Item,
    Reading,
    RuleError,
    build_options,
    check_options,
)
from ctlint.parse.shapes import (
    HeadShape,
    NodeShape,
    OperandParser,
    OptionShape,
    RuleShapes,
    SlowLineError,
    is_learnable_operand,
)
from ctlint.wire.addresses import Family, Net, parse_net


class RuleBuilder:
    """Builds what one reading says. ``jumps`` holds the table's user chains."""

    def __init__(
        self, family: Family, table: str, jumps: Mapping[str, Jump], reading: Reading
    ) -> None:
        self.family = family
        self.jumps = jumps
        self.reading = reading
        self.texts = [word.text for word in reading.words]
        self.context = RuleContext(
            family,
            table,
            reading.protocol,
            reading.protocol_negated,
        )

    def variants(self) -> Iterator[tuple[tuple[AnyMatch, ...], AnyTarget | None]]:
        """The rules that the line makes: one, or more where it lists addresses."""
        matches = tuple(self._match(group) for group in self.reading.matches)
        target = self._target()
        for head in self._heads():
            yield ((head, *matches) if head is not None else matches), target

    def _match(self, group: Group) -> AnyMatch:
        if group.extension is None:
            return UnknownMatch(group.name, tuple(self.texts[at] for at in group.words))
        options = self._options(group)
        return Match(group.extension.saved_as or group.name, options, group.implicit)

    def _target(self) -> AnyTarget | None:
        reading = self.reading
        if reading.jump >= 0:
            name = self.texts[reading.jump]
            return Goto(name) if reading.goto else self.jumps[name]
        if reading.verdict >= 0:
            return Target(self.texts[reading.verdict])
        group = reading.target
        if group is None:
            return None
        if group.extension is None:
            return UnknownTarget(group.name, tuple(self.texts[at] for at in group.words))
        return Target(group.extension.saved_as or group.name, self._options(group))

    def _options(self, group: Group) -> tuple[Option, ...]:
        options = build_options(group.items, self.texts.__getitem__, self.family)
        check_options(group, options, self.context)
        return options

    def _heads(self) -> Iterator[Match | None]:
        """The head as one match, or several where ``-s`` or ``-d`` lists addresses.

        A condition that holds for every packet (``-s 0.0.0.0/0``, ``-i +``, ``-p all``) is none.
        """
        lists: list[list[Option | None]] = []
        addresses = [item for item in self.reading.head if item.spec.name in _ADDRESSES]
        if any("," in self.texts[item.operands[0]] for item in addresses):
            for item in addresses:
                if item.negated:
                    raise RuleError(
                        item.operands[0], "lists of addresses and negated ones exclude each other"
                    )
        for item in _in_order(self.reading.head):
            if item.spec.name in _ADDRESSES:
                lists.append(self._addresses(item))
            else:
                (option,) = build_options([item], self.texts.__getitem__, self.family)
                lists.append([None if _always_holds(option) else option])
        # Sources vary slowest, as iptables loops over them.
        for combination in product(*lists):
            options = tuple(option for option in combination if option is not None)
            yield Match("ip", options) if options else None

    def _addresses(self, item: Item) -> list[Option | None]:
        at = item.operands[0]
        parts = self.texts[at].split(",")
        options: list[Option | None] = []
        for part in parts:
            text = part.lstrip(_BLANKS)
            (option,) = build_options([item], {at: text}.__getitem__, self.family)
            options.append(None if _always_holds(option) else option)
        return options

    # What the line teaches

    def teach(self, shapes: RuleShapes, line: str) -> None:
        """Add the sections of the line to the known ones, if every word of it is understood."""
        sections = self._sections()
        if sections is None:
            return
        made: list[tuple[_Section, dict[int, int], list[str | None]]] = []
        for section in sections:
            slots = self._slots(section)
            words = self._words(section, slots, line)
            if words is None:
                return
            made.append((section, slots, words))
        for section, slots, words in made:
            if section.is_front:
                heads = shapes.heads(self.texts[1])
                heads.learn(words[2:] or [""], self._head_shape(slots, shapes))
            elif section.group is not None and section.is_target:
                shapes.targets.learn(words[1:], self._node_shape(section.group, slots))
            elif section.group is not None:
                shapes.matches.learn(words[1:], self._node_shape(section.group, slots))
            elif self.reading.verdict >= 0:
                name = self.texts[self.reading.verdict]
                shapes.targets.learn(words[1:], NodeShape(Target, name, None, ()))

    def _sections(self) -> list[_Section] | None:
        """The sections of the line; None where an option stands outside its own section."""
        reading = self.reading
        named = [group for group in reading.matches if not group.implicit]
        starts: list[tuple[int, str, Group | None]] = [
            (group.at - 1, "-m", group) for group in named
        ]
        end = len(reading.words)
        at = max(reading.jump, reading.verdict, reading.target.at if reading.target else -1)
        if at >= 0:
            starts.append((at - 1, "-g" if reading.goto else "-j", reading.target))
        if reading.chain != 1 or self.texts[0] not in ("-A", "-I"):
            return None
        limits = [start for start, _, _ in starts]
        if limits != sorted(limits):
            return None
        sections: list[_Section] = []
        first = [item for group in reading.matches if group.implicit for item in group.items]
        front_end = limits[0] if limits else end
        sections.append(_Section(0, front_end, None, (*reading.head, *first), "-A"))
        for (start, word, group), stop in zip(starts, [*limits, end][1:], strict=True):
            if self.texts[start] != word:
                return None
            items = tuple(group.items) if group is not None else ()
            sections.append(_Section(start, stop, group, items, word))
        return sections if all(section.is_whole for section in sections) else None

    def _slots(self, section: _Section) -> dict[int, int]:
        """The slot of each word that is an operand which may vary."""
        varying = [
            at for item in section.items for at in item.operands if item.spec.name != "protocol"
        ]
        if section.is_target and self.reading.jump >= 0:
            varying.append(section.start + 1)
        return {at: slot for slot, at in enumerate(sorted(varying))}

    def _words(
        self, section: _Section, slots: Mapping[int, int], line: str
    ) -> list[str | None] | None:
        """The words of a section, None for an operand; or None where one is no model."""
        result: list[str | None] = []
        for at in range(section.start, section.end):
            word = self.reading.words[at]
            if at in slots:
                if not is_learnable_operand(word, line):
                    return None
                result.append(None)
            elif line[word.start : word.end] != word.text:
                return None
            else:
                result.append(word.text)
        return result

    def _head_shape(self, slots: Mapping[int, int], shapes: RuleShapes) -> HeadShape:
        reading = self.reading
        options = []
        for item in _in_order(reading.head):
            option = self._option_shape(item, slots, in_head=True)
            if option.constant is None or not _always_holds(option.constant):
                options.append(option)
        implicit = [self._node_shape(group, slots) for group in reading.matches if group.implicit]
        return HeadShape(shapes.scope(self.context), options, implicit)

    def _node_shape(self, group: Group, slots: Mapping[int, int]) -> NodeShape:
        extension = group.extension
        assert extension is not None
        return NodeShape(
            Match if extension.kind is Kind.MATCH else Target,
            extension.saved_as or group.name,
            extension,
            [self._option_shape(item, slots) for item in group.items],
            implicit=group.implicit,
        )

    def _option_shape(
        self, item: Item, slots: Mapping[int, int], *, in_head: bool = False
    ) -> OptionShape:
        places = tuple(slots[at] for at in item.operands if at in slots)
        if not places:
            (constant,) = build_options([item], self.texts.__getitem__, self.family)
            return OptionShape(item.spec.key, item.negated, (), (), self.family, constant)
        parsers = [operand.parse for operand in item.spec.operands[: len(places)]]
        if in_head and not item.negated:
            parsers = [_one_condition(parse, item.spec.name) for parse in parsers]
        return OptionShape(item.spec.key, item.negated, tuple(parsers), places, self.family)


class _Section(NamedTuple):
    """A stretch of words. ``group`` is None for the front, a verdict and a chain to jump to."""

    start: int
    end: int
    group: Group | None
    items: tuple[Item, ...]
    word: str

    @property
    def is_front(self) -> bool:
        return self.word == "-A"

    @property
    def is_target(self) -> bool:
        return self.word in ("-j", "-g")

    @property
    def is_whole(self) -> bool:
        """Whether the items, with the first two words, take as many words as stand here.

        An option that stands in another section than its own makes one too short, one too long.
        """
        size = 2 + sum(1 + item.negated + len(item.operands) for item in self.items)
        return size == self.end - self.start


_ADDRESSES: Final = ("source", "destination")
_BLANKS: Final = " \t\n\v\f\r"


def _in_order(head: Sequence[Item]) -> list[Item]:
    """The conditions of the head in the order in which the IR has them."""
    return sorted(head, key=lambda item: HEAD_ORDER[item.spec.name])


def _always_holds(option: Option) -> bool:
    """Whether a condition of the head holds for every packet."""
    if option.negated:
        return False
    if option.name in _ADDRESSES:
        return bool(getattr(option.value, "mask", 1) == 0)
    return bool(option.value == ("+" if option.name != "protocol" else 0))


def _one_condition(parse: OperandParser, key: str) -> OperandParser:
    """A parser for shapes: conditions that always hold and host names go the slow way."""

    def parse_address(text: str, family: Family) -> Net:
        net = parse_net(text, family)
        if net.mask == 0:
            raise SlowLineError
        return net

    def parse_interface(text: str, family: Family) -> Any:
        if text == "+":
            raise SlowLineError
        return parse(text, family)

    return parse_address if key in _ADDRESSES else parse_interface
