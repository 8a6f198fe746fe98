# SPDX-License-Identifier: GPL-2.0-only
"""What ip(8) prints becomes interfaces and routes; what it should not print does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.source import live_links as module
from ctlint.source.live_links import Link, Links, Route, live_links
from tests.unit.source.fake_programs import put

# As iproute2 6.1 prints it, cut short.
ADDRESSES = """[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP"],"addr_info":
[{"family":"inet","local":"127.0.0.1","prefixlen":8}]},
{"ifindex":2,"ifname":"eth0","flags":["BROADCAST"],"addr_info":[]}]"""
ROUTES = """[{"dst":"default","gateway":"192.0.2.1","dev":"eth0","flags":[]},
{"dst":"192.0.2.0/24","dev":"eth0","protocol":"kernel","scope":"link"},
{"type":"blackhole","dst":"203.0.113.0/24","flags":[]}]"""


def test_interfaces_and_routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f"""case "$*" in
"-j address") echo '{ADDRESSES}';;
"-j -4 route") echo '{ROUTES}';;
"-j -6 route") ;;
*) exit 9;;
esac"""
    put(tmp_path, monkeypatch, ip=script)
    assert live_links() == Links(
        (Link("lo", True, ("127.0.0.1/8",)), Link("eth0", False, ())),
        (Route("default", "eth0", "192.0.2.1"), Route("192.0.2.0/24", "eth0", "")),
    )


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("""echo 'Option "-j" is unknown, try "ip -help".' >&2; exit 255""", '"-j" is unknown'),
        ("echo '[{'", "addresses: Expecting"),
        ("head -c 200000 /dev/zero | tr '\\0' '['", "addresses: "),
        ("head -c 10 /dev/zero", "binary data"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    put(tmp_path, monkeypatch, ip=script)
    found = live_links()
    assert (found.links, found.routes) == ((), ())
    assert said in found.missing[0]


@pytest.mark.parametrize(
    "printed", ["{}", "7", "[7, [], {}]", '[{"ifname": 1}]', '[{"dst": {}, "dev": []}]']
)
def test_other_shapes_are_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    put(tmp_path, monkeypatch, ip=f"echo '{printed}'")
    assert live_links() == Links()


def test_without_ip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "program", lambda *_: None)
    assert live_links().missing == (
        "addresses: needs the program ip",
        "routes: needs the program ip",
    )
