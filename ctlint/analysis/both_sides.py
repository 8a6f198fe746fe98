# SPDX-License-Identifier: GPL-2.0-only
"""A witness on each side of a threshold: the packet comes a second before the entry's end, and at
the end.

Both are played on the model before anybody sees them: the first must arrive, the second not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ctlint.analysis.fault import AnalysisFault
from ctlint.analysis.losses import Kind, Nature
from ctlint.analysis.phase import (
    IDLE,
    MAX_RETRANS,
    Next,
    Phase,
    ends_at_once,
    keepalive,
    packet_next,
    packets_into,
    played_sysctls,
)
from ctlint.analysis.settings import Settings
from ctlint.analysis.stage import as_scenario, home_of, stage
from ctlint.analysis.threshold import Loss, Threshold
from ctlint.analysis.witness import Witnesses
from ctlint.finding import Confidence, Witness
from ctlint.model.netfilter.chains import ChainStore
from ctlint.scenario.answer import PacketAnswer
from ctlint.scenario.play import Player
from ctlint.scenario.reader import MAX_WAIT
from ctlint.scenario.scenario import ScenarioError
from ctlint.wire.moments import SECOND


class BothSides(NamedTuple):
    """The two witnesses."""

    within: Witness
    beyond: Witness


class Stage:
    """Plays the thresholds of one rule set under one setting."""

    def __init__(self, chains: ChainStore, witnesses: Witnesses, settings: Settings) -> None:
        self._chains = chains
        self._witnesses = witnesses
        self._settings = settings

    def both_sides(self, threshold: Threshold, loss: Loss) -> BothSides | None:
        """Witnesses of one loss; None where what is played hangs on undecided matches, or a timeout
        is 0: then there may be no entry when the phase begins.

        Raises AnalysisFault where the model does not do what the threshold says.
        """
        seconds = threshold.lifetime
        if seconds * SECOND > MAX_WAIT or ends_at_once(self._settings):
            return None
        beyond = self._side(threshold.phase, loss, seconds, is_lost=True)
        within = self._side(threshold.phase, loss, seconds - 1, is_lost=False)
        return None if within is None or beyond is None else BothSides(within, beyond)

    def keepalives(self, threshold: Threshold, loss: Loss) -> BothSides | None:
        """Witnesses for keepalives on an idle connection: with probes a second before the entry's
        end a FIN arrives; a probe at the end finds no entry, whether the rules let it pass or not.
        """
        seconds = threshold.lifetime
        if seconds > MAX_WAIT // SECOND or ends_at_once(self._settings):
            return None
        home = home_of(loss.role)
        probe, answer = keepalive(home)
        packets = packets_into(IDLE, loss.first, self._settings.value(MAX_RETRANS))
        close = packet_next(IDLE, loss.first, Next(home, Kind.FIN))
        late = self._scenario(IDLE, loss, seconds, [*packets, probe | {"dt": seconds}])
        wait = {"dt": seconds - 1}
        course = [*packets, probe | wait, answer, probe | wait, answer, close | wait]
        kept = self._scenario(IDLE, loss, seconds - 1, course)
        within = self._witness(kept, loss, is_lost=False)
        answers = self._answers(late, loss)
        if within is None or answers is None:
            return None
        expect = {"packet": len(packets), "ctstate": answers[-1].ctstate}
        return BothSides(within, Witness({**late, **self._rules(loss)}, [expect]))

    def _side(self, phase: Phase, loss: Loss, wait: int, *, is_lost: bool) -> Witness | None:
        """The packet behind so many seconds of silence."""
        packets = packets_into(phase, loss.first, self._settings.value(MAX_RETRANS))
        packets.append(packet_next(phase, loss.first, loss.packet) | {"dt": wait})
        scenario = self._scenario(phase, loss, wait, packets)
        return self._witness(scenario, loss, is_lost=is_lost)

    def _scenario(
        self, phase: Phase, loss: Loss, wait: int, packets: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        """Packets on the stage of the connection, without the rules."""
        settings = self._settings
        scenario: dict[str, Any] = {
            "name": f"{phase.name}: {wait} s of silence, {loss.role.value}",
            "kernel": settings.kernel.name,
        }
        if sysctls := played_sysctls(settings):
            scenario["sysctls"] = sysctls
        return {**scenario, **stage(loss.connection), "packets": list(packets)}

    def _witness(self, scenario: dict[str, Any], loss: Loss, *, is_lost: bool) -> Witness | None:
        """The scenario with what becomes of its last packet; see both_sides."""
        answers = self._answers(scenario, loss)
        if answers is None or answers[-1].delivered is None:
            return None
        last = answers[-1]
        arrives = bool(last.delivered)
        if arrives and _is_translated(loss):
            # Under other addresses it is none of this connection.
            senders = [packet["dir"] for packet in scenario["packets"]]
            before = len(senders) - 2 - senders[-2::-1].index(senders[-1])
            arrives = _ends(last) == _ends(answers[before])
        if arrives is is_lost:
            if loss.confidence is not Confidence.CERTAIN:
                return None
            got, expected = ("delivered", "lost") if is_lost else ("lost", "delivered")
            raise AnalysisFault(
                f"{scenario['name']}: the packet is {got}, and should be {expected}",
                {**scenario, **self._rules(loss)},
                expected,
                got,
            )
        expect: dict[str, Any] = {"packet": len(answers) - 1, "ctstate": last.ctstate}
        if not _is_translated(loss):
            expect["delivered"] = last.delivered
        return Witness({**scenario, **self._rules(loss)}, [expect])

    def _rules(self, loss: Loss) -> Mapping[str, str]:
        rules, _ = self._witnesses.rules(loss.connection, with_nat=_is_translated(loss))
        return rules

    def _answers(self, scenario: dict[str, Any], loss: Loss) -> list[PacketAnswer] | None:
        """What becomes of the packets; None where those before the last do not all arrive as they
        must for the phase, because of matches that are not decided.
        """
        family = self._chains.ruleset.family
        answers: list[PacketAnswer] = []
        try:
            read = as_scenario(scenario)
            player = Player(read, self._settings.kernel, _lowest, chains={family: self._chains})
            for step in read.steps:
                if answers and not answers[-1].delivered:
                    return None
                answer = player.step(step)
                assert isinstance(answer, PacketAnswer)
                answers.append(answer)
        except ScenarioError as error:
            if loss.confidence is Confidence.POSSIBLE:
                return None
            raise AnalysisFault(
                f"a threshold cannot be played: {error}", scenario, "", str(error)
            ) from error
        return answers


def _is_translated(loss: Loss) -> bool:
    return loss.lost is not None and loss.lost.nature is Nature.TRANSLATION


def _ends(answer: PacketAnswer) -> list[tuple[str, int, str, int]]:
    """The addresses and ports under which a packet goes on."""
    return [(one.src, one.sport, one.dst, one.dport) for one in answer.out if one.is_same]


def _lowest(low: int, high: int) -> int:
    del high
    return low
