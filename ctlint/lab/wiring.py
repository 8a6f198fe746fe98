# SPDX-License-Identifier: GPL-2.0-only
"""The wires of a box: interfaces whose far ends this process holds, addresses and routes.

A far end is a TUN device: no stack stands behind it, so nothing answers by itself. What the box
itself sends goes out through a raw socket and so passes LOCAL_OUT. The kernel handles a packet
before write() or sendto() returns, so what can be read afterwards is all that became of it. Only
on lo it may come later; see `Loopback`.

Source: include/uapi/linux/if_tun.h, rtnetlink.h, if_link.h, if_addr.h; raw(7).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Final, NamedTuple, TypeAlias

from ctlint.lab.errors import LabError
from ctlint.lab.loopback import Loopback
from ctlint.lab.namespace import PrivateNetns
from ctlint.lab.netlink import CREATE, REPLACE, ROUTE, Netlink, Request, attribute
from ctlint.lab.packets import MTU, target_of
from ctlint.model.conntrack.status import Dir
from ctlint.model.netfilter.transit import Owner
from ctlint.scenario.scenario import Flow, Forward, Host, ScenarioError, Topology
from ctlint.wire.addresses import Family

_TUN: Final = "/dev/net/tun"
_TUNSETIFF: Final = 0x400454CA
_TUNGETFEATURES: Final = 0x800454CF
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_INTERFACE_REQUEST = struct.Struct("16sH14x")
_IPV6_HDRINCL: Final = 36

_NEW_LINK, _NEW_ADDRESS, _DELETE_ADDRESS, _NEW_ROUTE, _DELETE_ROUTE = 16, 20, 21, 24, 25
_GET_ROUTE: Final = 26
_IFF_UP: Final = 1
_IFLA_MTU: Final = 4
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_NO_DUPLICATE_DETECTION: Final = 0x02
_RTA_DST, _RTA_OIF = 1, 4
_TABLE_MAIN, _PROTOCOL_STATIC, _SCOPE_LINK, _TYPE_UNICAST = 254, 4, 253, 1
_TYPE_LOCAL: Final = 2
_ROUTE_TYPE: Final = 7
"""Where struct rtmsg has the type."""

_SECONDS_TO_WAIT: Final = 5
_PAUSE: Final = 0.0005

_BAD_NAME: Final = (errno.EINVAL, errno.EEXIST, errno.EBUSY)
"""What the kernel says of a name that no interface can have."""

_MOST_DEVICES: Final = 8
"""Devices that are kept for later topologies."""

_LOOPBACK: Final = "lo"
_SOCKET_FAMILY: Final = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}

_Address: TypeAlias = IPv4Interface | IPv6Interface


class _Device(NamedTuple):
    descriptor: int
    number: int


class _Watch(NamedTuple):
    """An interface out of which packets come, and who stands there."""

    name: str
    side: str
    end: Dir


class _Plan(NamedTuple):
    """What a topology needs: addresses and routes (a destination, an interface).

    Of the addresses of one interface the first stands before the others (inet_select_addr()).
    """

    addresses: tuple[tuple[str, _Address], ...]
    routes: dict[_Address, str]


class Wiring:
    """The wires of the box in a namespace; `lay` gives them a form. Raises OSError."""

    def __init__(self, namespace: PrivateNetns) -> None:
        self._namespace = namespace
        self._devices: dict[str, _Device] = {}
        self._plan = _Plan((), {})
        self._laid: tuple[Topology, int, int] | None = None
        self._entrances: dict[Dir, str | None] = {}
        self._watches: list[_Watch] = []
        self._orig = b""
        self._raw: dict[Family, socket.socket] = {}
        self._owner: Owner | None = None
        self._libc = ctypes.CDLL(None)
        self._loopback: Loopback | None = None
        with namespace.inside():
            self._netlink = Netlink(ROUTE)
            try:
                self._open_raw_sockets()
            except OSError:
                self.close()
                raise

    def _open_raw_sockets(self) -> None:
        self._raw[Family.IPV4] = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._raw[Family.IPV4].setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        # The kernel may be without IPv6.
        with suppress(OSError):
            self._raw[Family.IPV6] = socket.socket(
                socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW
            )
            self._raw[Family.IPV6].setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)

    def send_as(self, owner: Owner | None) -> None:
        """From now on the box's own sockets are somebody's; None: this process's. Raises OSError.

        What rules ask of is who made the socket (xt_owner.c: the credentials of its file).
        """
        if owner == self._owner:
            return
        self._close_raw_sockets()
        groups = os.getgroups()
        try:
            if owner is not None:
                os.setgroups(owner.groups)
                # Groups first: whoever has no right to files has none to change them.
                self._libc.setfsgid(owner.gid)
                self._libc.setfsuid(owner.uid)
            with self._namespace.inside():
                self._open_raw_sockets()
        finally:
            self._libc.setfsuid(os.geteuid())
            self._libc.setfsgid(os.getegid())
            os.setgroups(groups)
        self._owner = owner

    def _close_raw_sockets(self) -> None:
        for raw in self._raw.values():
            raw.close()
        self._raw.clear()

    def close(self) -> None:
        """Close what holds the namespace open."""
        self._close_raw_sockets()
        for device in self._devices.values():
            os.close(device.descriptor)
        self._devices.clear()
        if self._loopback is not None:
            self._loopback.close()
            self._loopback = None
        self._netlink.close()

    # The form

    def lay(self, topology: Topology, flow: Flow) -> None:
        """Give the box its interfaces, addresses and routes. Raises ScenarioError, LabError."""
        if (topology, flow.saddr, flow.daddr) == self._laid:
            self._drain()
            return
        if topology.family not in self._raw:
            raise LabError("this kernel has no IPv6")
        self._laid = None
        family = topology.family
        everything = _network(family, 0, 0)
        saddr, daddr = (_network(family, each, family.bits) for each in (flow.saddr, flow.daddr))
        if isinstance(topology, Forward):
            left, right = topology.left_if, topology.right_if
            plan = _Plan(
                ((left, _own(topology.left_addr)), (right, _own(topology.right_addr))),
                {everything: right, daddr: right, saddr: left},
            )
            watches = [_Watch(left, "left", Dir.ORIGINAL), _Watch(right, "right", Dir.REPLY)]
            self._entrances = {Dir.ORIGINAL: left, Dir.REPLY: right}
        elif isinstance(topology, Host):
            wire = topology.interface
            peer = daddr if topology.role is Dir.ORIGINAL else saddr
            plan = _Plan(((wire, _own(topology.addr)),), {everything: wire, peer: wire})
            watches = [_Watch(wire, "wire", topology.role.other)]
            self._entrances = {topology.role: None, topology.role.other: wire}
        else:
            foreign = dict.fromkeys(end for end in (saddr, daddr) if not end.ip.is_loopback)
            plan = _Plan(tuple((_LOOPBACK, end) for end in foreign), {})
            watches = []
            self._entrances = {Dir.ORIGINAL: None, Dir.REPLY: None}
        self._change_to(plan, [watch.name for watch in watches])
        self._watches = watches
        self._orig = flow.saddr.to_bytes(family.bits // 8, "big")
        self._drain()
        self._laid = topology, flow.saddr, flow.daddr

    def _change_to(self, plan: _Plan, names: list[str]) -> None:
        self._forget_devices(names)
        for name in names:
            if name not in self._devices:
                self._add_device(name)
        before = self._plan
        # Should it fail, either may be there.
        either = dict.fromkeys((*before.addresses, *plan.addresses))
        self._plan = _Plan(tuple(either), before.routes | plan.routes)
        for destination, name in before.routes.items():
            # Some went with the addresses of their interface.
            with suppress(OSError):
                self._netlink.ask(self._route(_DELETE_ROUTE, 0, destination, name))
        kept = _kept(before.addresses, plan.addresses)
        for name, address in before.addresses:
            if (name, address) in kept:
                continue
            with suppress(OSError):
                self._netlink.ask(self._address(_DELETE_ADDRESS, 0, name, address))
        for name, address in plan.addresses:
            try:
                self._netlink.ask(self._address(_NEW_ADDRESS, CREATE | REPLACE, name, address))
            except OSError as error:
                raise ScenarioError(
                    f"the box cannot have the address {address}: {error.strerror}"
                ) from None
        for name, address in plan.addresses:
            if (name, address) not in kept:
                self._await_local(address)
        for destination, name in plan.routes.items():
            # No host route to addresses such as 0.0.0.0: the route to everything serves them.
            with suppress(OSError):
                self._netlink.ask(self._route(_NEW_ROUTE, CREATE | REPLACE, destination, name))
        self._plan = plan

    def _await_local(self, address: _Address) -> None:
        """Wait until packets for an address are the box's own: IPv6 adds it in the background."""
        family = _SOCKET_FAMILY[Family(address.version)]
        head = struct.pack("=BB10x", family, address.max_prefixlen)
        request = Request(_GET_ROUTE, 0, head + attribute(_RTA_DST, address.ip.packed))
        give_up = time.monotonic() + _SECONDS_TO_WAIT
        while time.monotonic() < give_up:
            with suppress(OSError):
                (route,) = self._netlink.ask(request)
                if route[_ROUTE_TYPE] == _TYPE_LOCAL:
                    return
            time.sleep(_PAUSE)
        raise LabError(f"the box did not take the address {address}")

    def _forget_devices(self, needed: list[str]) -> None:
        for name in list(self._devices):
            if len(self._devices) <= _MOST_DEVICES:
                return
            if name not in needed:
                os.close(self._devices.pop(name).descriptor)
                addresses = tuple(each for each in self._plan.addresses if each[0] != name)
                routes = {to: over for to, over in self._plan.routes.items() if over != name}
                self._plan = _Plan(addresses, routes)

    def _add_device(self, name: str) -> None:
        with self._namespace.inside():
            descriptor = _open_tun()
            try:
                request = _INTERFACE_REQUEST.pack(name.encode(), _IFF_TUN | _IFF_NO_PI)
                given, _ = _INTERFACE_REQUEST.unpack(fcntl.ioctl(descriptor, _TUNSETIFF, request))
                # The kernel replaces %d by a number.
                if given.rstrip(b"\0") != name.encode():
                    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
                index = socket.if_nametoindex(name)
            except OSError as error:
                os.close(descriptor)
                if error.errno in _BAD_NAME:
                    raise ScenarioError(
                        f"no interface can be named {name}: {error.strerror}"
                    ) from None
                raise LabError(f"cannot make an interface: {error.strerror}") from error
        self._devices[name] = _Device(descriptor, index)
        link = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, _IFF_UP, _IFF_UP)
        self._netlink.ask(
            Request(_NEW_LINK, 0, link + attribute(_IFLA_MTU, struct.pack("=I", MTU)))
        )

    def _index(self, name: str) -> int:
        return 1 if name == _LOOPBACK else self._devices[name].number

    def _address(self, kind: int, flags: int, name: str, address: _Address) -> Request:
        length = address.network.prefixlen
        index = self._index(name)
        family = _SOCKET_FAMILY[Family(address.version)]
        head = struct.pack("=BBBBi", family, length, _NO_DUPLICATE_DETECTION, 0, index)
        packed = address.ip.packed
        return Request(
            kind, flags, head + attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)
        )

    def _route(self, kind: int, flags: int, destination: _Address, name: str) -> Request:
        head = struct.pack(
            "=BBBBBBBBI",
            _SOCKET_FAMILY[Family(destination.version)],
            destination.network.prefixlen,
            0,
            0,
            _TABLE_MAIN,
            _PROTOCOL_STATIC,
            _SCOPE_LINK,
            _TYPE_UNICAST,
            0,
        )
        index = attribute(_RTA_OIF, struct.pack("=i", self._index(name)))
        return Request(kind, flags, head + attribute(_RTA_DST, destination.ip.packed) + index)

    # Packets

    def loopback(self, *, always: bool) -> Loopback | None:
        """The lo over which the flow goes; None where it goes over a wire, unless asked for."""
        is_inside = self.is_box(Dir.ORIGINAL) and self.is_box(Dir.REPLY)
        if not (is_inside or always):
            return None
        if self._loopback is None:
            with self._namespace.inside():
                self._loopback = Loopback()
        return self._loopback

    def is_box(self, end: Dir) -> bool:
        """Whether this end is the box itself."""
        return self._entrances[end] is None

    def send(self, end: Dir, data: bytes, family: Family, target: str) -> OSError | None:
        """Send a packet of that end. Raises OSError where a wire does not take it.

        What is returned is what the kernel told the box's own sender: mostly that rules dropped it.
        """
        entrance = self._entrances[end]
        if entrance is not None:
            os.write(self._devices[entrance].descriptor, data)
            return None
        try:
            self._raw[family].sendto(data, (target, 0))
        except OSError as error:
            if error.errno in (errno.ENOBUFS, errno.ENOMEM):
                raise
            return error
        return None

    def came_out(self) -> Iterator[tuple[str, Dir, bytes]]:
        """What came out since the last call: the side, the end that stands there, the packet."""
        for name, side, end in self._watches:
            descriptor = self._devices[name].descriptor
            while True:
                try:
                    data = os.read(descriptor, MTU)
                except BlockingIOError:
                    break
                if self._is_hairpin and target_of(data) != self._orig:
                    # Both ends are behind one interface: who is meant stands there.
                    yield "right", Dir.REPLY, data
                else:
                    yield side, end, data

    @property
    def _is_hairpin(self) -> bool:
        return len(self._watches) > 1 and self._watches[0].name == self._watches[1].name

    def _drain(self) -> None:
        for _ in self.came_out():
            pass


def _open_tun() -> int:
    """The device by which interfaces are made. Raises LabError."""
    try:
        descriptor = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise LabError(f"needs {_TUN}") from None
    except OSError as error:
        raise LabError(f"cannot open {_TUN}: {error.strerror}") from None
    try:
        fcntl.ioctl(descriptor, _TUNGETFEATURES, bytes(4))
    except OSError:
        os.close(descriptor)
        raise LabError(f"{_TUN} is another device") from None
    return descriptor


def _kept(
    before: Sequence[tuple[str, _Address]], now: Sequence[tuple[str, _Address]]
) -> frozenset[tuple[str, _Address]]:
    """The addresses that can stay: where an interface has several, their order is that in which
    they were added.
    """
    several = {name for name, count in Counter(name for name, _ in now).items() if count > 1}
    return frozenset(each for each in now if each in before and each[0] not in several)


def _own(text: str) -> _Address:
    try:
        return ip_interface(text)
    except ValueError:
        raise ScenarioError(f"{text} is no address with its prefix length") from None


def _network(family: Family, address: int, length: int) -> _Address:
    made = IPv4Interface if family is Family.IPV4 else IPv6Interface
    return made((address, length))
