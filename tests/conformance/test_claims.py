# SPDX-License-Identifier: GPL-2.0-only
"""What was measured of conntrack on Linux 6.18.44, sentence by sentence.

The claims (claims/*.toml, golden.py) hold for the model, and for the live kernel where it is of
the same line: so the data are verified by what they were measured on. Those with rules (stateful
sets, NAT, REJECT, NOTRACK, how packets walk through chains) say what becomes of each packet, with
which addresses it leaves, and by which rules.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import Final

import pytest

from ctlint.lab.firewall import default_backend
from ctlint.lab.lab import Backend, Lab, open_lab, why_unavailable
from ctlint.model.kernel.profiles import UnknownKernel, profile
from ctlint.scenario.answer import ScenarioAnswer
from ctlint.scenario.play import play
from ctlint.scenario.scenario import Scenario, Send
from ctlint.wire.addresses import Family
from ctlint.wire.tcp_flags import TcpFlags
from tests.conformance.claims.commands import saved_by_nft
from tests.conformance.claims.notation import FOLDER, Case, Claim, check, read_claims
from tests.conformance.golden import golden_claims

Play = Callable[[Scenario], ScenarioAnswer]

MEASURED: Final = profile("6.18")
MOST_TOLD: Final = 10

_ALL: Final = [
    *(claim for path in sorted(FOLDER.glob("*.toml")) for claim in read_claims(path)),
    *golden_claims(),
]
CLAIMS: Final = [claim for claim in _ALL if claim.backend != "nft"]
NFT_CLAIMS: Final = [
    claim
    for claim in _ALL
    if claim.backend != "legacy"
    and any(case.scenario.ruleset or case.scenario.ruleset6 for case in claim.cases)
]
ELSEWHERE: Final = (
    ("forward", Family.IPV6),
    ("orig", Family.IPV4),
    ("reply", Family.IPV4),
    ("orig", Family.IPV6),
    ("reply", Family.IPV6),
    ("lo", Family.IPV4),
    ("lo", Family.IPV6),
)
IGNORED: Final = TcpFlags.PSH | TcpFlags.ECE | TcpFlags.CWR
VALID: Final = frozenset(
    TcpFlags.parse(text) for text in ("S", "SU", "SA", "R", "RA", "FA", "FAU", "A", "AU")
)

each_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
each_nft_claim = pytest.mark.parametrize("claim", NFT_CLAIMS, ids=lambda claim: claim.name)
each_place = pytest.mark.parametrize(("kind", "family"), ELSEWHERE)


def _on_model(scenario: Scenario) -> ScenarioAnswer:
    return play(scenario, MEASURED)


def _as_nft(case: Case) -> Case:
    """The case, its rules saved by iptables-nft."""
    scenario = case.scenario
    ruleset = saved_by_nft(scenario.ruleset, "iptables")
    ruleset6 = saved_by_nft(scenario.ruleset6, "ip6tables")
    return replace(case, scenario=replace(scenario, ruleset=ruleset, ruleset6=ruleset6))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The kernel of this machine, if it is of the line that was measured."""

    reason = why_unavailable()
    if reason is not None:
        pytest.skip(reason)
    try:
        here = profile(platform.release())
    except UnknownKernel as error:
        pytest.skip(str(error))
    if here is not MEASURED:
        pytest.skip(f"the claims are those of Linux {MEASURED.name}, not of {here.name}")
    with open_lab() as opened:
        yield opened


@pytest.fixture
def on_kernel(lab: Lab) -> Play:
    """Plays on it; a rule set is loaded by the backend that it is for."""
    return lab.play


def _hold(cases: Iterable[Case], on: Play) -> None:
    told = []
    asked = 0
    for case in cases:
        asked += 1
        faults = list(check(case, on(case.scenario)))
        if faults:
            told.append(f"{case.scenario.name} {dict(case.scenario.sysctls)}: {'; '.join(faults)}")
    assert asked
    assert not told, "\n".join([f"{len(told)} of {asked} do not hold", *told[:MOST_TOLD]])


def _with_last(case: Case, flags: Iterable[TcpFlags]) -> Iterator[Case]:
    """The case with other flags in its last packet."""
    *steps, last = case.scenario.steps
    assert isinstance(last, Send)
    for bits in flags:
        changed = (*steps, replace(last, flags=bits))
        name = f"{case.scenario.name} with {bits.letters}"
        yield replace(case, scenario=replace(case.scenario, steps=changed, name=name))


def _last(case: Case) -> TcpFlags:
    last = case.scenario.steps[-1]
    return last.flags if isinstance(last, Send) else TcpFlags(0)


def _transitions(kind: str = "forward", family: Family = Family.IPV4) -> Iterator[Case]:
    for claim in read_claims(FOLDER / "transitions.toml", kind=kind, family=family):
        yield from claim.cases


def _decorated() -> Iterator[Case]:
    for case in _transitions():
        if _last(case) & ~IGNORED in VALID:
            yield from _with_last(case, [_last(case) ^ IGNORED])


def _with_invalid_flags() -> Iterator[Case]:
    """Each state and direction, and every combination that is never valid."""
    bare = [flag for flag in TcpFlags if not flag & IGNORED]
    sets = [sum(chosen, TcpFlags(0)) for size in range(6) for chosen in combinations(bare, size)]
    wrong = [TcpFlags(bits) for bits in sets if bits not in VALID]
    assert len(sets) == 32
    assert len(wrong) == 23
    for case in _transitions():
        if _last(case) == TcpFlags.FIN and not any(
            value for name, value in case.scenario.sysctls.items() if name.endswith("be_liberal")
        ):
            yield from _with_last(case, wrong)


def _elsewhere(kind: str, family: Family) -> Iterator[Case]:
    yield from _transitions(kind, family)
    for claim in golden_claims(kind=kind, family=family):
        yield from claim.cases


@each_claim
def test_model(claim: Claim) -> None:
    _hold(claim.cases, _on_model)


@each_nft_claim
def test_model_of_nft(claim: Claim) -> None:
    """Rules of iptables-nft do the same but for few."""
    _hold(map(_as_nft, claim.cases), _on_model)


@each_place
def test_model_elsewhere(kind: str, family: Family) -> None:
    """The answers are those of FORWARD in every topology and family."""
    _hold(_elsewhere(kind, family), _on_model)


def test_model_ignores_psh_ece_cwr() -> None:
    _hold(_decorated(), _on_model)


def test_model_knows_invalid_flags_in_every_state() -> None:
    _hold(_with_invalid_flags(), _on_model)


@pytest.mark.netns
@each_claim
def test_kernel(claim: Claim, on_kernel: Play) -> None:
    if claim.backend == "legacy" and default_backend(()) is not Backend.LEGACY:
        pytest.skip("there is no iptables-legacy here")
    _hold(claim.cases, on_kernel)


@pytest.mark.netns
@each_nft_claim
def test_kernel_with_nft(claim: Claim, on_kernel: Play) -> None:
    _hold(map(_as_nft, claim.cases), on_kernel)


@pytest.mark.netns
@each_place
def test_kernel_elsewhere(kind: str, family: Family, on_kernel: Play) -> None:
    _hold(_elsewhere(kind, family), on_kernel)


@pytest.mark.netns
def test_kernel_ignores_psh_ece_cwr(on_kernel: Play) -> None:
    _hold(_decorated(), on_kernel)


@pytest.mark.netns
def test_kernel_knows_invalid_flags_in_every_state(on_kernel: Play) -> None:
    _hold(_with_invalid_flags(), on_kernel)
