# SPDX-License-Identifier: GPL-2.0-only
"""Facts in words: the forms of docs/facts.md."""

from __future__ import annotations

import pytest

from ctlint.analysis.circumstances import UNTOLD, Circumstances, FactError, circumstances
from ctlint.finding import Role


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1", 1),
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("2h", 7200),
        ("5d", 432_000),
        ("2147483647", 2**31 - 1),
        ("24855d", 2_147_472_000),
    ],
)
@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("idle", "idle"),
        ("half-close", "half_close"),
        ("keepalive", "keepalive"),
        ("path-idle", "path_idle"),
    ],
)
def test_durations(key: str, name: str, text: str, seconds: int) -> None:
    assert circumstances([(key, text)]) == Circumstances(**{name: seconds})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("keepalive", "off", Circumstances(keepalive="off")),
        ("offload", "yes", Circumstances(offload=True)),
        ("offload", "no", Circumstances(offload=False)),
        ("one-way", "yes", Circumstances(one_way=True)),
        ("udp-idle", "25s", Circumstances(udp_idle=25)),
        ("role", "server", Circumstances(roles=(Role.SERVER,))),
        ("role", "router,client", Circumstances(roles=(Role.CLIENT, Role.FORWARD))),
        ("role", "loopback", Circumstances(roles=(Role.LOOPBACK,))),
    ],
)
def test_words(key: str, text: str, expected: Circumstances) -> None:
    assert circumstances([(key, text)]) == expected


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("idel", "5m", "there is no fact 'idel'; did you mean idle?"),
        ("keep-alive", "30", "there is no fact 'keep-alive'; did you mean keepalive?"),
        ("Idle", "5m", "there is no fact 'Idle'; did you mean idle?"),
        (
            "",
            "5m",
            "there is no fact ''; known are half-close, idle, keepalive, offload, one-way, "
            "path-idle, role, udp-idle",
        ),
        ("role", "servr", "role: 'servr' is no role; did you mean server?"),
        ("role", "", "role: '' is no role; known are client, server, router, loopback"),
        ("role", "client, server", "role: ' server' is no role; did you mean server?"),
        ("role", "client,client", "role: client stands twice"),
        ("offload", "on", "offload: 'on' is neither yes nor no"),
        ("idle", "0", "idle: '0' is not between 1 and 2147483647 seconds"),
        ("idle", "24856d", "idle: '24856d' is not between 1 and 2147483647 seconds"),
    ],
)
def test_what_is_refused(key: str, text: str, said: str) -> None:
    with pytest.raises(FactError) as caught:
        circumstances([(key, text)])
    assert str(caught.value) == said


@pytest.mark.parametrize("key", ["idle", "half-close", "keepalive"])
@pytest.mark.parametrize(
    "text", ["", "soon", "-5", "1.5h", "5 m", "5M", "m", "9" * 50, "\u0663", "15m30s", "90\n"]
)
def test_what_is_no_duration(key: str, text: str) -> None:
    with pytest.raises(FactError, match="a whole number of seconds"):
        circumstances([(key, text)])


def test_only_keepalives_are_off() -> None:
    with pytest.raises(FactError):
        circumstances([("idle", "off")])


def test_a_fact_is_told_once() -> None:
    with pytest.raises(FactError, match="idle is told twice"):
        circumstances([("idle", "5m"), ("idle", "5m")])


def test_what_was_told_is_said_by_its_names() -> None:
    facts = [("role", "router,client"), ("idle", "10m"), ("keepalive", "off"), ("offload", "no")]
    assert dict(circumstances([*facts, ("half-close", "1h")]).told()) == {
        "half-close": 3600,
        "idle": 600,
        "keepalive": "off",
        "offload": False,
        "role": ["client", "router"],
    }
    assert dict(UNTOLD.told()) == {}


@pytest.mark.parametrize(
    ("facts", "silence"),
    [
        ([], None),
        ([("keepalive", "off")], None),
        ([("keepalive", "30")], 30),
        ([("idle", "600")], 600),
        ([("keepalive", "30"), ("idle", "600")], 30),
        ([("keepalive", "600"), ("idle", "30")], 30),
        ([("keepalive", "off"), ("idle", "600")], 600),
        ([("half-close", "600")], None),
    ],
)
def test_the_longest_silence(facts: list[tuple[str, str]], silence: int | None) -> None:
    assert circumstances(facts).silence == silence
