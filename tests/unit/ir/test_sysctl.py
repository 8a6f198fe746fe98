# SPDX-License-Identifier: GPL-2.0-only
"""Keys, globs and precedence, held to sysctl.d(5) and to systemd-sysctl itself."""

from __future__ import annotations

import itertools
import shutil
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctlint.ir.sysctl import SysctlRun, SysctlSet, canonical_key, matches
from ctlint.parse.sysctl import parse_sysctl
from tests.netns import PrivateNetns

SYSTEMD_SYSCTL = next(
    (
        path
        for place in ("/usr/lib", "/lib")
        if (path := Path(place, "systemd/systemd-sysctl")).exists()
    ),
    None,
)


def _set(*texts: str) -> SysctlSet:
    """One run a text."""
    return SysctlSet(tuple(SysctlRun((parse_sysctl(text, "t"),)) for text in texts))


def _value(settings: SysctlSet, key: str) -> str | None:
    found = settings.get(key)
    return found and found.value


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        # sysctl.d(5), "CONFIGURATION FORMAT"
        ("kernel.domainname", "kernel.domainname"),
        ("kernel/domainname", "kernel.domainname"),
        ("net.ipv4.conf.enp3s0/200.forwarding", "net.ipv4.conf.enp3s0/200.forwarding"),
        ("net/ipv4/conf/enp3s0.200/forwarding", "net.ipv4.conf.enp3s0/200.forwarding"),
        # the rest: what systemd-sysctl 252 wrote to
        ("net..ipv4.conf.lo.rp_filter", "net.ipv4.conf.lo.rp_filter"),
        ("/net/ipv4/conf/lo/rp_filter", "net.ipv4.conf.lo.rp_filter"),
        (".net.ipv4.conf.lo.rp_filter.", "net.ipv4.conf.lo.rp_filter"),
        ("net/ipv4/./conf/lo/rp_filter", "net.ipv4.conf.lo.rp_filter"),
        ("dev", "dev"),
    ],
)
def test_canonical_key(written: str, canonical: str) -> None:
    assert canonical_key(written) == canonical


@pytest.mark.parametrize(
    ("glob", "key", "covers"),
    [
        ("net.ipv4.conf.*.rp_filter", "net.ipv4.conf.eth0.rp_filter", True),
        ("net.ipv4.conf.*.rp_filter", "net.ipv4.conf.eth0/5.rp_filter", True),
        ("net.ipv4.*.rp_filter", "net.ipv4.conf.eth0.rp_filter", False),
        ("net.ipv4.conf.*.rp_filter", "net.ipv4.conf.eth0.log_martians", False),
        ("net.ipv4.conf.eth?.rp_filter", "net.ipv4.conf.eth0.rp_filter", True),
        ("net.ipv4.conf.eth?.rp_filter", "net.ipv4.conf.eth.rp_filter", False),
        ("a.[!e]x", "a.ex", False),
        ("a.[^e]x", "a.fx", True),
        ("a.[^e]x", "a.ex", False),
        ("a.[]x]", "a.]", True),
        ("a.[a-c-]", "a.-", True),
        ("a.[z-a]", "a.z", False),
        ("a.[b", "a.[b", True),
        ("a.*b*", "a.xxbyy", True),
        ("a.*b*", "a.xxyy", False),
    ],
)
def test_glob(glob: str, key: str, covers: bool) -> None:
    assert matches(glob, key) is covers


@given(glob=st.text("ab*?[]!-", max_size=8), name=st.text("ab-[]!", max_size=6))
def test_glob_is_fnmatch_inside_a_level(glob: str, name: str) -> None:
    assert matches(f"x.{glob}", f"x.{name}") is fnmatchcase(name, glob)


def test_many_stars_take_little_time() -> None:
    assert not matches("*a" * 20_000, "a" * 60)


def test_an_explicit_key_beats_every_glob() -> None:
    """sysctl.d(5), example 4."""
    settings = _set(
        "net.ipv4.conf.default.rp_filter = 2\n"
        "net.ipv4.conf.hub0.rp_filter = 1\n"
        "net.ipv4.conf.*.rp_filter = 2\n"
        "-net.ipv4.conf.all.rp_filter\n"
    )
    prefix = "net.ipv4.conf"
    assert _value(settings, f"{prefix}.default.rp_filter") == "2"
    assert _value(settings, f"{prefix}.hub0.rp_filter") == "1"
    assert _value(settings, f"{prefix}.eth7.rp_filter") == "2"
    assert _value(settings, f"{prefix}.all.rp_filter") is None


def test_a_key_is_found_in_any_spelling() -> None:
    settings = _set("net/ipv4/conf/eth0.5/rp_filter = 1\n")
    assert _value(settings, "net.ipv4.conf.eth0/5.rp_filter") == "1"
    assert _value(settings, "/net/ipv4/conf/eth0.5/rp_filter") == "1"
    assert _value(settings, "net.ipv4.conf.eth0.5.rp_filter") is None


def test_a_later_run_wins_with_a_glob_too() -> None:
    settings = _set("a.b.c = 1\na.d.c = 1\n", "a.*.c = 2\n-a.d.c\n")
    assert _value(settings, "a.b.c") == "2"
    assert _value(settings, "a.d.c") == "1"


def test_overridden_settings_in_the_order_of_the_text() -> None:
    settings = _set("a.b = 1\na.* = 2\na.b = 3\na.c = 9\na.b = 4\n")
    assert _value(settings, "a.b") == "4"
    assert [(old.value, old.span.line) for old in settings.overridden("a/b")] == [
        ("1", 1),
        ("2", 2),
        ("3", 3),
    ]
    assert settings.overridden("a.c") == (settings.runs[0].files[0].entries[1],)
    assert settings.overridden("z") == ()


def test_no_settings() -> None:
    assert SysctlSet().get("a.b") is None
    assert SysctlSet().overridden("a.b") == ()


KEYS = [
    f"net.ipv4.conf.{interface}.{name}"
    for interface in ("all", "default", "lo")
    for name in ("rp_filter", "log_martians")
]


@st.composite
def _configurations(draw: st.DrawFn) -> str:
    """Files of settings over the three interfaces of a fresh namespace."""
    lines = []
    for _ in range(draw(st.integers(1, 6))):
        interface = draw(
            st.sampled_from(["all", "default", "lo", "*", "l*", "[!d]*", "?o", "*l*", "[a-l]*"])
        )
        name = draw(st.sampled_from(["rp_filter", "rp_filter", "log_martians", "*s"]))
        separator = draw(st.sampled_from("./"))
        key = separator.join(["net", "ipv4", "conf", interface, name])
        minus = draw(st.sampled_from(["", "", "-", " - "]))
        if minus and draw(st.booleans()):
            lines.append(f"{minus}{key}")
        else:
            lines.append(f"{minus}{key} = {draw(st.sampled_from('12'))}")
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


@pytest.mark.netns
@pytest.mark.skipif(SYSTEMD_SYSCTL is None, reason="needs systemd-sysctl")
def test_systemd_sysctl_agrees(netns: PrivateNetns, tmp_path: Path) -> None:
    """Random files, applied by systemd-sysctl inside a namespace: the kernel has what we say."""
    conf = tmp_path / "x.conf"
    reset = "".join(f"echo 0 > /proc/sys/{key.replace('.', '/')}\n" for key in KEYS)
    show = "".join(f"cat /proc/sys/{key.replace('.', '/')}\n" for key in KEYS)
    script = f"set -e\n{reset}{SYSTEMD_SYSCTL} {conf}\n{show}"

    @settings(
        max_examples=60,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(text=_configurations())
    def check(text: str) -> None:
        conf.write_text(text, newline="")
        kernel = netns.run(["sh"], script).stdout.split()
        assert [_value(_set(text), key) or "0" for key in KEYS] == kernel, text

    check()


@pytest.mark.netns
@pytest.mark.skipif(shutil.which("sysctl") is None, reason="needs sysctl")
def test_sysctl_reads_a_simple_file_alike(netns: PrivateNetns, tmp_path: Path) -> None:
    """procps: what sysctl.conf(5) and sysctl.d(5) share."""
    values = itertools.cycle("12")
    text = "".join(f"  {key}={next(values)}\t\n; comment\n" for key in KEYS)
    conf = tmp_path / "x.conf"
    conf.write_text(text + "net/ipv4/conf/lo/rp_filter = 1\n")
    netns.run(["sysctl", "-q", "-p", str(conf)])
    dump = netns.run(["sysctl", "-a"]).stdout
    before, after = _set(conf.read_text()), _set(dump)
    assert [_value(before, key) for key in KEYS] == [_value(after, key) for key in KEYS]
