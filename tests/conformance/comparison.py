# SPDX-License-Identifier: GPL-2.0-only
"""Tells the differences of a scenario's answers from those that were recorded."""

from __future__ import annotations

from collections.abc import Sequence

from ctlint.scenario.agreement import AT_THE_END, Difference, Json


def _step_in_words(step: Json) -> str:
    if "op" in step:
        details = (str(step[name]) for name in ("dt", "sysctls") if name in step)
        return " ".join([step["op"], *details])
    words = [step["dir"], step.get("flags") or "-"]
    words += [f"{name} {step[name]}" for name in step if name not in {"dir", "flags"}]
    return " ".join(words)


def _answer_in_words(answer: Json) -> str:
    if "op" in answer:
        return "done"
    entry = answer["entry"]
    words = [str(answer["ctstate"])]
    if entry is not None:
        words += [str(entry["state"]), f"{entry['timeout']}s", *entry["flags"]]
        words += [f"{name} {entry[name]}" for name in ("dirflags", "wscale") if name in entry]
    return " ".join([*words, *answer.get("why", ())])


def tell(source: Json, expected: Sequence[Json], differences: Sequence[Difference]) -> str:
    """Differences of one scenario for a reader, below all steps up to the last that differs."""
    last = max((d.packet for d in differences if isinstance(d.packet, int)), default=len(expected))
    told = [f"{source.get('name')}: {source.get('topology')} {source.get('sysctls')}"]
    at_the_end = [d for d in differences if d.packet == AT_THE_END]
    for number, (step, answer) in enumerate(zip(source["packets"], expected, strict=False)):
        if number > last:
            break
        told.append(f"  {number}: {_step_in_words(step)}\n       {_answer_in_words(answer)}")
        told += [f"    ** {found}" for found in differences if found.packet == number]
    return "\n".join([*told, *(f"    ** {found}" for found in at_the_end)])
