# SPDX-License-Identifier: GPL-2.0-only
"""Which port a connection goes out from.

Sources: ip-sysctl.rst, ip_local_port_range; commit 07f4c90062f8 "tcp/dccp: try to not exhaust
ip_local_port_range in connect()" for the parity; bind(2), connect(2) for the errors.
"""

from __future__ import annotations

import itertools

import pytest

from ctlint.model.endpoint.happening import Errno, SocketError
from ctlint.wire.moments import SECOND
from tests.unit.model.endpoint.wiring import B, Wire


@pytest.mark.parametrize(
    ("kernel", "low", "high"),
    [("3.10", 32768, 61000), ("4.2", 32768, 60999), ("6.18", 32768, 60999)],
)
def test_the_range_by_default(kernel: str, low: int, high: int) -> None:
    assert Wire(kernel).a.settings.local_ports == (low, high)


def test_connect_takes_even_ports_as_long_as_there_are_any() -> None:
    wire = Wire(local_ports=(40000, 40019))
    ports = [wire.a.connect(B, 80, 0).lport for _ in range(20)]
    assert sorted(ports[:10]) == list(range(40000, 40020, 2))
    assert sorted(ports[10:]) == list(range(40001, 40020, 2))
    with pytest.raises(SocketError) as caught:
        wire.a.connect(B, 80, 0)
    assert caught.value.error is Errno.EADDRNOTAVAIL
    # Another peer is another tuple.
    assert wire.a.connect(B, 81, 0).lport % 2 == 0


def test_connect_once_took_one_port_after_the_other() -> None:
    wire = Wire("3.10", local_ports=(40000, 40009))
    ports = [wire.a.connect(B, 80, 0).lport for _ in range(10)]
    steps = {(after - before) % 10 for before, after in itertools.pairwise(ports)}
    assert sorted(ports) == list(range(40000, 40010))
    assert steps == {1}


def test_bind_to_any_takes_odd_ports_as_long_as_there_are_any() -> None:
    wire = Wire(local_ports=(40000, 40019))
    ports = [wire.a.connect(B, 80 + n, 0, local_port=0).lport for n in range(20)]
    assert {port % 2 for port in ports[:10]} == {1}
    assert len(set(ports)) == 20  # bound ports are not shared, whatever the peer
    with pytest.raises(SocketError) as caught:
        wire.a.connect(B, 999, 0, local_port=0)
    assert caught.value.error is Errno.EADDRINUSE


def test_a_port_that_is_bound_is_not_given_to_connect() -> None:
    wire = Wire(local_ports=(40000, 40001))
    bound = wire.a.connect(B, 80, 0, local_port=40000)
    assert wire.a.connect(B, 81, 0).lport == 40001
    with pytest.raises(SocketError):
        wire.a.connect(B, 81, 0)
    bound.close(0)
    assert wire.a.connect(B, 82, 0).lport == 40000


def test_the_same_tuple_is_not_taken_twice() -> None:
    wire = Wire()
    wire.a.connect(B, 80, 0, local_port=45000)
    with pytest.raises(SocketError) as caught:
        wire.a.connect(B, 80, 0, local_port=45000)
    assert caught.value.error is Errno.EADDRNOTAVAIL
    wire.a.connect(B, 81, 0, local_port=45000)


def test_a_listener_keeps_its_port() -> None:
    wire = Wire()
    listener = wire.a.listen(45000, 1, 0)
    with pytest.raises(SocketError) as caught:
        wire.a.connect(B, 80, 0, local_port=45000)
    assert caught.value.error is Errno.EADDRINUSE
    listener.close(0)
    wire.a.connect(B, 80, 0, local_port=45000)


def test_ports_are_free_again_when_their_sockets_are_gone() -> None:
    wire = Wire()
    for local_port in (None, 0, 45000):
        wire.a.connect(B, 9, wire.now, local_port=local_port).close(wire.now)
    wire.run(SECOND)
    assert wire.a.ports.used == {}
    assert wire.a.ports.bound == {}
