# SPDX-License-Identifier: GPL-2.0-only
"""Golden traces: short stories of a router, each measured on Linux 6.18.44 with its defaults.

The notation is that of claims/notation.py. `H` stands for a handshake and the server's first ACK,
after which the client's next number is 1001 and the server's is 5001. G33, a SYN that rules drop,
needs rules and is not here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ctlint.wire.addresses import Family
from tests.conformance.claims.notation import Claim, claim_of

_HANDSHAKE: Final = "oS win=64240 rSA oA win=500 rA win=500"


class _Golden(NamedTuple):
    name: str
    says: str
    script: str
    sysctls: str = ""


GOLDEN: Final = (
    _Golden(
        "H",
        "the handshake",
        """
        oS         -> NEW > SYN_SENT 120 u
        rSA        -> ESTABLISHED > SYN_RECV 60
        oA win=500 -> ESTABLISHED > ESTABLISHED 432000 a
        rA win=500 -> ESTABLISHED > ESTABLISHED 432000 a
        """,
    ),
    _Golden(
        "G1",
        "data, a close by the client, and the port used again",
        """
        H oPA:10        -> ESTABLISHED > ESTABLISHED 300 a
        rA              -> ESTABLISHED > ESTABLISHED 432000 a
        oFA             -> ESTABLISHED > FIN_WAIT 120 a
        rA              -> ESTABLISHED > CLOSE_WAIT 60 a
        rFA             -> ESTABLISHED > LAST_ACK 30 a
        oA              -> ESTABLISHED > TIME_WAIT 120 a
        oS seq=900000   -> NEW > SYN_SENT 120 u fresh
        """,
    ),
    _Golden(
        "G2",
        "a FIN that the same end sends again leads to LAST_ACK",
        """
        H oFA           -> ESTABLISHED > FIN_WAIT 120 a
        oFA seq=1001    -> ESTABLISHED > LAST_ACK 30 a
        rA              -> ESTABLISHED > TIME_WAIT 120 a
        """,
    ),
    _Golden(
        "G3",
        "the sender's own ACK behind its FIN leads to CLOSE_WAIT",
        """
        H oFA           -> ESTABLISHED > FIN_WAIT 120 a
        oA              -> ESTABLISHED > CLOSE_WAIT 60 a
        """,
    ),
    _Golden(
        "G4",
        "both ends close at once",
        """
        H oFA           -> ESTABLISHED > FIN_WAIT 120 a
        rFA ack=1001    -> ESTABLISHED > LAST_ACK 30 a
        oA              -> ESTABLISHED > TIME_WAIT 120 a
        rA              -> ESTABLISHED > TIME_WAIT 120 a
        """,
    ),
    _Golden(
        "G5",
        "half close: CLOSE_WAIT lasts as long as data come",
        """
        H oFA rA        -> ESTABLISHED > CLOSE_WAIT 60 a
        rPA:100         -> ESTABLISHED > CLOSE_WAIT 60 a
        oA              -> ESTABLISHED > CLOSE_WAIT 60 a
        rFA             -> ESTABLISHED > LAST_ACK 30 a
        rFA seq=5101    -> ESTABLISHED > LAST_ACK 30 a
        oA              -> ESTABLISHED > TIME_WAIT 120 a
        """,
    ),
    _Golden(
        "G6",
        "pick-up in mid-stream",
        """
        oPA:10 seq=5000 ack=8000 -> NEW > ESTABLISHED 300 u
        oA seq=5010 ack=8000     -> NEW > ESTABLISHED 300 u
        rA seq=8000 ack=5010     -> ESTABLISHED > ESTABLISHED 300
        oA seq=5010 ack=8000     -> ESTABLISHED > ESTABLISHED 432000 a
        """,
    ),
    _Golden(
        "G7",
        "pick-up, then SYN",
        """
        oA seq=5000 ack=8000 -> NEW > ESTABLISHED 300 u
        +5s oS               -> NEW > ESTABLISHED = u !ignored
        rS                   -> INVALID > ESTABLISHED ~ u !invalid
        """,
    ),
    _Golden(
        "G8 refused",
        "a SYN that is refused leaves nothing",
        """
        oS         -> NEW > SYN_SENT 120 u
        rRA seq=0  -> ESTABLISHED > none
        """,
    ),
    _Golden(
        "G8 aborted",
        "a SYN and the RST behind it leave nothing",
        """
        oS         -> NEW > SYN_SENT 120 u
        oR         -> NEW > none
        """,
    ),
    _Golden(
        "G8 stray",
        "a RST,ACK of something never sent is INVALID",
        """
        oS                  -> NEW > SYN_SENT 120 u
        +5s rRA seq=0 ack=99999 -> INVALID > SYN_SENT = u
        """,
    ),
    _Golden(
        "G9",
        "SYN_SENT: ACK and FIN of the client and FIN of the server are INVALID",
        """
        oS              -> NEW > SYN_SENT 120 u
        oA              -> INVALID > SYN_SENT 120 u
        oFA             -> INVALID > SYN_SENT 120 u
        rFA             -> INVALID > SYN_SENT 120 u
        +3s oS seq=1000 -> NEW > SYN_SENT 117 u
        """,
    ),
    _Golden(
        "G10",
        "a SYN meets an old socket: challenge ACK, RST, SYN",
        """
        oS                      -> NEW > SYN_SENT 120 u
        rA seq=777000 ack=555000 -> ESTABLISHED > SYN_SENT 120
        oR seq=555000           -> ESTABLISHED > CLOSE 10
        oS seq=1000             -> NEW > SYN_SENT 120 u fresh
        """,
    ),
    _Golden(
        "G10 again",
        "the SYN sent again before the RST spoils it",
        """
        oS                      -> NEW > SYN_SENT 120 u
        rA seq=777000 ack=555000 -> ESTABLISHED > SYN_SENT 120
        oS seq=1000             -> ESTABLISHED > SYN_SENT 120
        oR seq=555000           -> INVALID > SYN_SENT ~
        """,
    ),
    _Golden(
        "G11",
        "a challenge ACK, then the SYN,ACK",
        """
        oS rA seq=777000 ack=555000
        rSA             -> ESTABLISHED > SYN_RECV 60
        oA              -> ESTABLISHED > ESTABLISHED 432000 a
        """,
    ),
    _Golden(
        "G12",
        "simultaneous open, ended by the server's ACK",
        """
        oS                     -> NEW > SYN_SENT 120 u
        rS seq=9000            -> ESTABLISHED > SYN_SENT2 120
        oSA seq=1000           -> ESTABLISHED > SYN_RECV 60
        rA                     -> ESTABLISHED > ESTABLISHED 432000 a
        """,
    ),
    _Golden(
        "G12 SYN,ACKs",
        "simultaneous open, the server's SYN,ACK before its ACK",
        """
        oS rS seq=9000
        oSA seq=1000           -> ESTABLISHED > SYN_RECV 60
        rSA seq=9000           -> ESTABLISHED > SYN_RECV 60
        """,
    ),
    _Golden(
        "G13 inexact",
        "an inexact RST leaves ESTABLISHED with 10 s, the challenge ACK gives 300 s",
        """
        H oR seq=1006   -> ESTABLISHED > ESTABLISHED 10 a
        rA              -> ESTABLISHED > ESTABLISHED 300 a
        """,
    ),
    _Golden("G13 exact", "an exact RST closes", "H oR seq=1001 -> ESTABLISHED > CLOSE 10 a"),
    _Golden(
        "G13 old",
        "a RST before the other's ACK is INVALID",
        "H +5s oR seq=1000 -> INVALID > ESTABLISHED = a !rst",
    ),
    _Golden(
        "G13 far",
        "a RST far beyond the window is INVALID",
        "H +5s oR seq=10001001 -> INVALID > ESTABLISHED = a !seq>",
    ),
    _Golden(
        "G13 train",
        "a RST right behind own data closes",
        """
        H rPA:19        -> ESTABLISHED > ESTABLISHED 300 a
        rR seq=5020     -> ESTABLISHED > CLOSE 10 a
        """,
    ),
    _Golden(
        "G13 train with ACK",
        "a RST,ACK right behind own data closes",
        "H rPA:19 rRA seq=5020 -> ESTABLISHED > CLOSE 10 a",
    ),
    _Golden(
        "G14 orig",
        "after a FIN any RST of its sender closes",
        "H oFA oR seq=3000000000 -> ESTABLISHED > CLOSE 10 a",
    ),
    _Golden(
        "G14 reply",
        "after a FIN any RST of the other end closes",
        "H oFA rR seq=3000000000 -> ESTABLISHED > CLOSE 10 a",
    ),
    _Golden(
        "G15 client",
        "SYN_RECV: a RST of the client, then a new connection",
        """
        oS rSA oR seq=1001  -> ESTABLISHED > CLOSE 10
        oS seq=900000       -> NEW > SYN_SENT 120 u fresh
        """,
    ),
    _Golden(
        "G15 server",
        "SYN_RECV: after a RST of the server the client's SYN is ignored, the SYN,ACK revives",
        """
        oS rSA rR seq=5001  -> ESTABLISHED > CLOSE 10
        +5s oS seq=1000     -> ESTABLISHED > CLOSE = !ignored
        rSA ack=1001        -> ESTABLISHED > SYN_RECV 60
        """,
    ),
    _Golden(
        "G16 old data",
        "old data are let through and ignored",
        "H +5s oA seq-70000 -> ESTABLISHED > ESTABLISHED = a !seq<",
    ),
    _Golden(
        "G16 old ACK",
        "an old ACK is let through and ignored",
        "H +5s oA ack-70000 -> ESTABLISHED > ESTABLISHED = a !ack<",
    ),
    _Golden(
        "G16 early ACK",
        "an ACK of data never seen is INVALID",
        "H +5s oA ack+1 -> INVALID > ESTABLISHED = a !ack>",
    ),
    _Golden(
        "G16 far data",
        "data far beyond the window are INVALID",
        "H +5s oA seq+8000000 -> INVALID > ESTABLISHED = a !seq>",
    ),
    _Golden(
        "G16 keepalive",
        "a keepalive probe refreshes",
        "H +5s oA seq-1 -> ESTABLISHED > ESTABLISHED 432000 a",
    ),
    _Golden(
        "G17",
        "the second far FIN or RST, of the other end, lowers the timer",
        """
        H oFA seq+8000000 -> INVALID > ESTABLISHED 432000 a
        rRA ack+100000    -> INVALID > ESTABLISHED 300 a
        """,
    ),
    _Golden(
        "G18",
        "the fourth ACK that is the same as the one before it shortens the timer",
        """
        oS rSA oA win=500
        rA win=500      -> ESTABLISHED > ESTABLISHED 432000 a
        rA win=500      -> ESTABLISHED > ESTABLISHED 432000 a
        rA win=500      -> ESTABLISHED > ESTABLISHED 432000 a
        rA win=500      -> ESTABLISHED > ESTABLISHED 300 a
        """,
    ),
    _Golden(
        "G19",
        "a zero window shortens the timer until the next packet",
        """
        H rA win=0      -> ESTABLISHED > ESTABLISHED 300 a
        oA              -> ESTABLISHED > ESTABLISHED 432000 a
        rA win=0        -> ESTABLISHED > ESTABLISHED 300 a
        rA win=10       -> ESTABLISHED > ESTABLISHED 432000 a
        """,
    ),
    _Golden(
        "G20 ESTABLISHED",
        "the port used again while the server still has the old connection",
        """
        H oS seq=400000000 -> ESTABLISHED > ESTABLISHED 432000 a
        rA ack@old         -> ESTABLISHED > ESTABLISHED 432000 a
        oR seq@ack         -> ESTABLISHED > CLOSE 10 a
        oS seq=400000000   -> NEW > SYN_SENT 120 u fresh
        """,
    ),
    _Golden(
        "G20 CLOSE_WAIT after the client's FIN",
        "the same in CLOSE_WAIT",
        """
        H oFA rA
        oS seq=400000000   -> ESTABLISHED > CLOSE_WAIT 60 a
        rA ack@old         -> ESTABLISHED > CLOSE_WAIT 60 a
        oR seq@ack         -> ESTABLISHED > CLOSE 10 a
        oS seq=400000000   -> NEW > SYN_SENT 120 u fresh
        """,
    ),
    _Golden(
        "G20 CLOSE_WAIT after the server's FIN",
        "the same when the server closed first",
        """
        H rFA oA
        oS seq=400000000   -> ESTABLISHED > CLOSE_WAIT 60 a
        rA ack@old         -> ESTABLISHED > CLOSE_WAIT 60 a
        oR seq@ack         -> ESTABLISHED > CLOSE 10 a
        oS seq=400000000   -> NEW > SYN_SENT 120 u fresh
        """,
    ),
    _Golden(
        "G20 LAST_ACK",
        "the same in LAST_ACK: the challenge ACK changes nothing and the timer runs on",
        """
        H oFA rA rFA
        oS seq=400000000   -> ESTABLISHED > LAST_ACK 30 a
        +5s rA ack@old     -> ESTABLISHED > LAST_ACK = a !challenge
        oR seq@ack         -> ESTABLISHED > CLOSE 10 a
        oS seq=400000000   -> NEW > SYN_SENT 120 u fresh
        """,
    ),
    _Golden(
        "G21",
        "the port used again and refused: the next SYN is ignored",
        """
        H oS seq=400000000 rRA seq=0 -> ESTABLISHED > CLOSE 10 a
        oS seq=400000000             -> ESTABLISHED > CLOSE 10 a !ignored
        """,
    ),
    _Golden(
        "G22",
        "the port used again and accepted: the entry starts anew and stays ASSURED",
        """
        H oS seq=400000000 rSA seq=7000000 -> ESTABLISHED > SYN_RECV 60 a
        oA                                 -> ESTABLISHED > ESTABLISHED 432000 a
        """,
    ),
    _Golden(
        "G23",
        "a SYN,ACK that does not answer the new SYN is ignored",
        """
        H oS seq=400000000 rSA seq=7000000 ack=12345 -> ESTABLISHED > ESTABLISHED 432000 a
        oA                                           -> INVALID
        """,
    ),
    _Golden(
        "G24",
        "a SYN of the server in TIME_WAIT makes a new entry the other way round",
        """
        H oFA rFA oA    -> ESTABLISHED > TIME_WAIT 120 a
        rS              -> NEW > SYN_SENT 120 u fresh orig=r
        """,
    ),
    _Golden(
        "G25",
        "a RST in TIME_WAIT closes",
        "H oFA rFA oA oR seq=1002 -> ESTABLISHED > CLOSE 10 a",
    ),
    _Golden(
        "G26 lower",
        "a second SYN with a lower number: its SYN,ACK is ignored",
        """
        oS seq=500000   -> NEW > SYN_SENT 120 u
        oS seq=1000     -> NEW > SYN_SENT 120 u
        rSA             -> ESTABLISHED > SYN_SENT 120
        oA              -> INVALID > SYN_SENT 120
        """,
    ),
    _Golden(
        "G26 higher",
        "a second SYN with a higher number takes the place of the first",
        """
        oS              -> NEW > SYN_SENT 120 u
        oS seq=500000   -> NEW > SYN_SENT 120 u
        rSA             -> ESTABLISHED > SYN_RECV 60
        """,
    ),
    _Golden(
        "G27 again",
        "SYN_RECV: the SYN sent again is ignored, its SYN,ACK starts the entry anew",
        """
        oS rSA +5s oS seq=1000 -> ESTABLISHED > SYN_RECV = !ignored
        rSA seq=5000           -> ESTABLISHED > SYN_RECV 60
        oA                     -> ESTABLISHED > ESTABLISHED 432000 a
        """,
    ),
    _Golden(
        "G27 SYN,ACK",
        "SYN_RECV: a SYN,ACK of the client keeps the state",
        "oS rSA +5s oSA -> ESTABLISHED > SYN_RECV 60",
    ),
    _Golden(
        "G27 ACK",
        "SYN_RECV: an ACK of the server keeps the state",
        "oS rSA +5s rA -> ESTABLISHED > SYN_RECV 60",
    ),
    _Golden(
        "G27 FIN",
        "SYN_RECV: a FIN of the server leads to FIN_WAIT",
        "oS rSA rFA -> ESTABLISHED > FIN_WAIT 120",
    ),
    _Golden(
        "G28 liberal",
        "be_liberal=1: what is out of the window counts as in it",
        """
        H oA seq+100000000 -> ESTABLISHED > ESTABLISHED 432000 a
        oA ack+10000000    -> ESTABLISHED > ESTABLISHED 432000 a
        oR seq+100000000   -> ESTABLISHED > ESTABLISHED 10 a
        oFA seq+100000000  -> ESTABLISHED > FIN_WAIT 120 a
        """,
        "be_liberal=1",
    ),
    _Golden(
        "G28 liberal RST",
        "be_liberal=1: but no RST before the other's ACK",
        "H +5s oR seq-5 -> INVALID > ESTABLISHED = a !rst",
        "be_liberal=1",
    ),
    _Golden(
        "G28 any RST",
        "ignore_invalid_rst=1: a RST before the other's ACK is inexact",
        "H oR seq-1 -> ESTABLISHED > ESTABLISHED 10 a",
        "ignore_invalid_rst=1",
    ),
    _Golden(
        "G28 old RST",
        "ignore_invalid_rst=1: an old RST is ignored",
        "H +5s oR seq-100000 -> ESTABLISHED > ESTABLISHED = a !seq<",
        "ignore_invalid_rst=1",
    ),
    _Golden(
        "G28 far RST",
        "ignore_invalid_rst=1: a far RST is INVALID",
        "H +5s oR seq+100000000 -> INVALID > ESTABLISHED = a !seq>",
        "ignore_invalid_rst=1",
    ),
    _Golden(
        "G29 gone",
        "without an entry a FIN is INVALID and an ACK makes one",
        """
        H expire rFA    -> INVALID > none
        oA              -> NEW > ESTABLISHED 300 u
        """,
    ),
    _Golden(
        "G29 late",
        "a SYN,ACK that comes after SYN_SENT has expired is INVALID",
        "oS +121s rSA -> INVALID > none",
    ),
    _Golden(
        "G30", "data without ACK are INVALID", "H oP:10 -> INVALID > ESTABLISHED 432000 a !flags"
    ),
    _Golden(
        "G31",
        "zero windows from the start",
        """
        oS win=0 rSA win=0
        oA win=0        -> ESTABLISHED > ESTABLISHED 300 a
        """,
    ),
    _Golden(
        "G32",
        "an ACK in CLOSE refreshes it",
        """
        H oR            -> ESTABLISHED > CLOSE 10 a
        +5s rA          -> ESTABLISHED > CLOSE 10 a
        """,
    ),
)


def golden_claims(*, kind: str = "forward", family: Family = Family.IPV4) -> list[Claim]:
    """The traces as claims, in a topology (random_scenarios.topology_of) and family."""
    return [
        claim_of(
            golden.name,
            {
                "says": golden.says,
                "script": golden.script.replace("H ", f"{_HANDSHAKE} "),
                "sysctls": golden.sysctls,
            },
            kind=kind,
            family=family,
        )
        for golden in GOLDEN
    ]
