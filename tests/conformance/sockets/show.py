# SPDX-License-Identifier: GPL-2.0-only
"""Prints what came of cases, as a person reads it.

python -m tests.conformance.sockets.show FILE.jsonl.xz [CASE…]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.sockets.recording import Played, read


def lines(played: Played) -> Iterator[str]:
    """What came of a case in the order of time."""
    found: list[tuple[float, int, str]] = []
    for call in played.calls:
        result = call.error or ("" if call.result is None else str(call.result))
        found.append((call.at, 0, f"call    {call.step} {call.what} {result}"))
    for notice in played.notices:
        result = notice.error or ("" if notice.size is None else str(notice.size))
        found.append((notice.at, 1, f"notice  {notice.socket}: {notice.kind} {result}"))
    for state in played.states:
        ends = f"{state.ends.side} {state.ends.local}>{state.ends.remote}"
        orphan = "orphan" if state.is_orphan and state.state != "gone" else ""
        found.append((state.at, 3, f"state   {ends} {state.state} {state.timer} {orphan}"))
    for packet in played.packets:
        made = "" if packet.made_by == packet.sender else f" (made by {packet.made_by})"
        ports = f"{packet.sender} {packet.sport}>{packet.dport}"
        numbers = f"seq {packet.seq} ack {packet.ack} len {packet.length}"
        said = " ".join(f"{where}={ctstate}" for where, ctstate in packet.ctstate.items())
        text = f"packet  {ports} {packet.flags} {numbers} reached {packet.reached}{made} {said}"
        found.append((packet.at, 2, text))
    for at, _, text in sorted(found, key=lambda each: each[:2]):
        yield f"{at:9.3f}  {text.rstrip()}"


def main() -> int:
    """Print a recording."""
    recording = read(Path(sys.argv[1]))
    said = [f"kernel {recording.release}, {recording.date}"]
    for name in sys.argv[2:] or recording.played:
        said += ["", name, *lines(recording.played[name])]
    sys.stdout.write("\n".join(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
