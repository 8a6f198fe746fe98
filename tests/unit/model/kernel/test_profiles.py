# SPDX-License-Identifier: GPL-2.0-only
"""Profiles: names, what they have, and how a release string finds its profile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlint.model.kernel.features import Feature
from ctlint.model.kernel.profiles import NEWEST, UnknownKernel, all_profiles, profile


def test_every_mainline_line_has_a_profile() -> None:
    lines = [f"2.6.{n}" for n in range(32, 40)]
    lines += [f"3.{n}" for n in range(20)] + [f"4.{n}" for n in range(21)]
    lines += [f"5.{n}" for n in range(20)] + [f"6.{n}" for n in range(20)]
    lines += ["7.0", "7.1", "7.2", "7.3"]
    names = [kernel.name for kernel in all_profiles()]
    assert [name for name in names if not name.startswith(("rhel", "openwrt"))] == lines
    assert names.index("rhel6") == names.index("2.6.32") + 1
    assert names.index("rhel7") == names.index("3.10") + 1
    assert names.index("rhel8") == names.index("4.18") + 1
    assert names[-1] == NEWEST.name


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("6.1", "6.1"),
        ("RHEL7", "rhel7"),
        ("5.15.0-91-generic", "5.15"),
        ("6.1.0-18-amd64", "6.1"),
        ("6.12.107+deb13-amd64", "6.12"),
        ("6.18.44", "6.18"),
        ("6.19.0-rc3", "6.19"),
        ("5.15.153.1-microsoft-standard-WSL2", "5.15"),
        ("5.14.21-150500.55.19-default", "5.14"),
        ("2.6.32-754.el6.x86_64", "rhel6"),
        ("3.10.0-1160.el7.x86_64", "rhel7"),
        ("4.18.0-553.el8.x86_64", "rhel8"),
        ("4.18.0-305.3.1.el8_4.x86_64", "rhel8"),
        # A kernel of somebody else, built for a Red Hat system, is what its number says.
        ("5.4.17-2136.307.3.el8uek.x86_64", "5.4"),
        ("6.1.7-1.el8.elrepo.x86_64", "6.1"),
        ("2.6.32-5-amd64", "2.6.32"),
        ("3.10.0-862.14.4.el7.x86_64\n", "rhel7"),
    ],
)
def test_release_strings(release: str, name: str) -> None:
    assert profile(release).name == name


@pytest.mark.parametrize(
    ("release", "suggestions"),
    [
        ("5.14.0-427.13.1.el9_4.x86_64", ("5.14",)),
        ("6.12.0-55.el10.x86_64", ("6.12",)),
        ("8.0", (NEWEST.name,)),
        ("2.4.20", ("2.6.32",)),
        ("2.6", ("2.6.32",)),
        ("", ()),
        ("generic", ()),
        ("6.1\n6.2", ()),
        ("6.1 and more", ()),
        ("1" * 5000, ()),
    ],
)
def test_unknown_kernels(release: str, suggestions: tuple[str, ...]) -> None:
    with pytest.raises(UnknownKernel) as caught:
        profile(release)
    if suggestions:
        assert caught.value.suggestions == suggestions
        assert suggestions[0] in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.text(max_size=20) | st.from_regex(r"[0-9]{1,5}(\.[0-9]{1,5}){0,4}.{0,9}"))
def test_any_text_is_a_profile_or_unknown(text: str) -> None:
    try:
        assert profile(text) in all_profiles()
    except UnknownKernel as error:
        assert all(profile(name).name == name for name in error.suggestions)


# by-version.md, sections 1.2, 7 and 9; across-kernels.md, section 2.
HAS = [
    ("3.4", Feature.ORIG_SYNACK_INVALID),
    ("3.4", Feature.SEQ_CHECK_WITHOUT_DATA),
    ("3.10", Feature.PICKUP_UNACKNOWLEDGED_TIMEOUT),
    ("rhel6", Feature.RESYNC_ON_SYNACK),
    ("rhel6", Feature.PICKUP_UNACKNOWLEDGED_TIMEOUT),
    ("rhel8", Feature.UDP_STREAM_AFTER_2S),
    ("3.2", Feature.ORIG_SYNACK_INVALID),
    ("4.1", Feature.CHALLENGE_ACK_IN_LAST_ACK),
    ("4.19", Feature.RST_EXACT_SEQ),
    ("5.4", Feature.SYN_RETRANSMISSION_KEEPS_TIMER),
    ("5.10", Feature.RST_DIRECTION_CHECK),
    ("6.12", Feature.OPEN_RST_UNACKNOWLEDGED_TIMEOUT),
    ("7.3", Feature.OPEN_RST_UNACKNOWLEDGED_TIMEOUT),
    ("rhel6", Feature.SERVER_REOPENS_TIME_WAIT),
    ("rhel6", Feature.CHALLENGE_ACK_IN_LAST_ACK),
    ("rhel6", Feature.INITIAL_RTO_1S),
    ("rhel7", Feature.SERVER_REOPENS_TIME_WAIT),
    ("rhel7", Feature.UNKNOWN_WINDOW_ACCEPTED),
    ("rhel7", Feature.SYN_RETRIES_6),
    ("rhel8", Feature.TIMESTAMP_EXPIRY),
    ("rhel8", Feature.ZERO_WINDOW_TIMEOUT),
    ("rhel8", Feature.RST_EXACT_SEQ),
    ("rhel8", Feature.CHECKS_AFTER_ALLOCATION),
    ("rhel8", Feature.REINIT_ONLY_BY_SYN),
    ("5.10", Feature.SYN_RETRANSMISSION_KEEPS_TIMER),
    ("5.15", Feature.WINDOW_OVERSHOOT),
    ("5.15", Feature.REINIT_KEEPS_BE_LIBERAL),
    ("5.15", Feature.REJECT_CLOSES_ENTRY),
    ("5.15", Feature.RST_DIRECTION_CHECK),
    ("6.1", Feature.RST_AFTER_CHALLENGE_ACK),
    ("6.1", Feature.RESENT_SYN_KEEPS_WSCALE),
    ("6.1", Feature.REJECT_CLOSES_ENTRY),
    ("6.6", Feature.RESENT_SYN_KEEPS_WSCALE),
    ("6.18", Feature.RST_DIRECTION_CHECK),
    ("7.1", Feature.RST_DIRECTION_CHECK),
]
LACKS = [
    ("2.6.32", Feature.RESYNC_ON_SYNACK),
    ("3.5", Feature.ORIG_SYNACK_INVALID),
    ("3.9", Feature.PICKUP_UNACKNOWLEDGED_TIMEOUT),
    ("rhel8", Feature.UDP_ASSURED_AS_STREAM),
    ("7.2", Feature.OPEN_RST_UNACKNOWLEDGED_TIMEOUT),
    ("4.18", Feature.LOG_SPEAKS_AGAIN),
    ("rhel6", Feature.ORIG_SYNACK_INVALID),
    ("rhel6", Feature.SYNACK_IN_SYN_RECV_IGNORED),
    ("rhel6", Feature.SYN_RETRIES_6),
    ("rhel7", Feature.TIMESTAMP_EXPIRY),
    ("rhel7", Feature.ACCEPT_QUEUE_DROPS_SYN),
    ("rhel8", Feature.RST_IN_CLOSING_ACCEPTED),
    ("5.10", Feature.RST_IN_CLOSING_ACCEPTED),
    ("5.10", Feature.WINDOW_OVERSHOOT),
    ("5.10", Feature.IGNORE_INVALID_RST),
    ("5.15", Feature.RST_AFTER_CHALLENGE_ACK),
    ("5.15", Feature.REINIT_ONLY_BY_SYN),
    ("5.15", Feature.OLD_SEGMENTS_IGNORED),
    ("6.0", Feature.OLD_SEGMENTS_IGNORED),
    ("6.0", Feature.RST_AFTER_CHALLENGE_ACK),
    ("6.0", Feature.RESENT_SYN_KEEPS_WSCALE),
    ("6.5", Feature.RESENT_SYN_KEEPS_WSCALE),
    ("7.0", Feature.RST_DIRECTION_CHECK),
]


@pytest.mark.parametrize(("name", "feature"), HAS)
def test_a_profile_has(name: str, feature: Feature) -> None:
    assert feature in profile(name)


@pytest.mark.parametrize(("name", "feature"), LACKS)
def test_a_profile_lacks(name: str, feature: Feature) -> None:
    assert feature not in profile(name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("5.99", "5.19"), ("2.6.20", "2.6.32"), ("9.1", NEWEST.name), ("4.21.3-generic", "4.20")],
)
def test_a_release_between_known_lines_names_the_line_before_it(name: str, nearest: str) -> None:
    with pytest.raises(UnknownKernel) as caught:
        profile(name)
    assert caught.value.suggestions == (nearest,)
