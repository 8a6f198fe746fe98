# SPDX-License-Identifier: GPL-2.0-only
"""Places of ctlint as those of the protocol.

Source: Language Server Protocol 3.17, "Text Documents" (the example of a𐐀b, and which characters
end a line) and "Position".
"""

from __future__ import annotations

import pytest
from lsprotocol.types import Position, PositionEncodingKind, Range

from ctlint.lsp.positions import Places, whole

UTF8, UTF16, UTF32 = (
    PositionEncodingKind.Utf8,
    PositionEncodingKind.Utf16,
    PositionEncodingKind.Utf32,
)


def _range(line: int, start: int, end: int) -> Range:
    return Range(Position(line, start), Position(line, end))


@pytest.mark.parametrize(("encoding", "start", "end"), [(UTF8, 5, 6), (UTF16, 3, 4), (UTF32, 2, 3)])
def test_columns_are_code_units(encoding: PositionEncodingKind, start: int, end: int) -> None:
    # The place of the b, which is the third character.
    assert Places("x\na𐐀b\n", encoding).range(2, 3, 4) == _range(1, start, end)


@pytest.mark.parametrize(
    ("encoding", "units"), [(UTF8, (2, 3, 3)), (UTF16, (1, 1, 1)), (UTF32, (1, 1, 1))]
)
def test_a_character_each(encoding: PositionEncodingKind, units: tuple[int, ...]) -> None:
    # RFC 3629, section 3; an octet that is no UTF-8 stands as a lone surrogate.
    for char, width in zip("é€\udcff", units, strict=True):
        assert Places(f"{char}.", encoding).range(1, 2, 3) == _range(0, width, width + 1)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((1, 1, 1), _range(0, 0, 3)),  # no end: to the end of the line, without the CR
        ((1, 2, 99), _range(0, 1, 3)),
        ((1, 99, 99), _range(0, 3, 3)),
        ((2, 1, 1), _range(1, 0, 0)),
        ((3, 1, 4), _range(2, 0, 3)),
        ((4, 1, 1), _range(3, 0, 0)),  # behind the last LF
        ((9, 5, 7), _range(3, 0, 0)),
    ],
)
def test_places_in_and_behind_lines(place: tuple[int, int, int], expected: Range) -> None:
    assert Places("abc\r\n\nxyz\n", UTF16).range(*place) == expected


def test_a_carriage_return_ends_a_line_of_the_protocol_alone() -> None:
    places = Places("a\rbc\nd\r\re\n", UTF16)
    assert places.range(1, 3, 5) == _range(1, 0, 2)
    assert places.range(2, 4, 5) == _range(4, 0, 1)
    assert [places.line(Position(line, 0)) for line in range(6)] == [1, 1, 2, 2, 2, 3]
    assert places.lines == 3
    assert places.line_text(2) == "d\r\re"


def test_no_other_character_ends_a_line() -> None:
    # str.splitlines() would have six lines here.
    text = "a\u2028b\x0bc\x0cd\x85e\x1cf\ng"
    places = Places(text, UTF16)
    assert places.lines == 2
    assert places.range(2, 1, 2) == _range(1, 0, 1)
    assert places.line_text(1) == text[:-2]


def test_a_position_behind_the_text_is_in_its_last_line() -> None:
    places = Places("a\nb", UTF16)
    assert places.line(Position(7, 0)) == 2
    assert places.line_text(3) == ""
    assert Places("", UTF16).range(1, 1, 1) == _range(0, 0, 0)


def test_halves_of_characters_keep_their_room() -> None:
    assert whole("a\ud800b\udc00c\U00010000") == "a\ufffdb\ufffdc\U00010000"
