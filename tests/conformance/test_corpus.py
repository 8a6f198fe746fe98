# SPDX-License-Identifier: GPL-2.0-only
"""Real dumps: what the real restore loads, we read, and what we print loads to the same rules.

The index of the corpus says what iptables-legacy-restore and iptables-nft-restore 1.8.9 make of
each public dump, and at which line they stop. The namespace tests ask them again.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from ctlint.ir.ruleset import BUILTIN_CHAINS, Ruleset
from ctlint.parse.errors import ParseError
from ctlint.parse.iptables_save import parse_rulesets
from ctlint.parse.printer import print_ruleset
from ctlint.wire.addresses import Family
from tests.corpus import find_corpus
from tests.netns import PrivateNetns

# What the real restore refuses and we read (names: docs/input.md), with the line of the first
# problem that is left, or None.
LENIENT: dict[str, tuple[str, int | None]] = {
    "ImAxolotlicekDev_Anti-DDoS__DCAV7jZf.txt": ("crlf", None),
    **{
        f"antrea-io_antrea__pkg_agent_route_route_linux_test.go.{number}.txt": ("missing-set", None)
        for number in range(10)
    },
    "diekmann_net-network__config_veroneau.net_iptables-save.txt": ("blanks-around-a-line", None),
    "diekmann_net-network__config_vsrv_iptables-save.txt": ("crlf", None),
    "diekmann_net-network__found_online_jvehent_firewall.txt": ("host-name", None),
    "diekmann_net-network__found_online_lafibre.info_iptable-save.txt": ("crlf", None),
    "diekmann_net-network__found_online_pastebin.com_2hux32dS_iptables-save.txt": ("crlf", None),
    # Its rules also name a chain that it does not declare.
    "antrea-io_antrea__pkg_agent_route_route_linux_test.go.8.txt": ("missing-set", 29),
}

# Files that one restore takes with --test, which does not ask the kernel, and no kernel loads.
REFUSED_BY_KERNEL = {"RoomTemperatureIQ_neonskies__etc_iptables_old-rules.v4.txt": 25}

# Dumps that iptables-save printed and iptables-restore does not read: a name with a blank in it
# is not quoted, and a comment holds a line break. We read both.
NOT_RESTORABLE = {
    "awkward-legacy/iptables-save.txt",
    "awkward-legacy/iptables-save-c.txt",
    "awkward-nft/iptables-save.txt",
    "awkward-nft/iptables-save-c.txt",
}


class Dump(NamedTuple):
    """One dump of the corpus. ``sets`` is what ipset must load before it."""

    name: str
    path: Path
    family: Family
    sets: Path | None = None

    @property
    def text(self) -> str:
        """The text, as a file is read."""
        return self.path.read_bytes().decode("utf-8", "surrogateescape")


class PublicDump(NamedTuple):
    """A dump as found, and the line at which the real restore stops; None: it loads."""

    dump: Dump
    refused_at: int | None


@cache
def public_dumps() -> tuple[PublicDump, ...]:
    """The dumps of public/ with what the index says of them."""
    corpus = find_corpus()
    if corpus is None:
        return ()
    found = []
    with (corpus / "public" / "INDEX.tsv").open(encoding="utf-8", newline="") as index:
        for row in csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE):
            name = row["filename"]
            family = Family.IPV6 if row["family"] == "ip6" else Family.IPV4
            answers = [row["test_legacy"], row["test_nft"]]
            refused_at = None
            if "ok" not in answers:
                at = re.search(r"@(\d+)", answers[0])
                assert at is not None, answers
                refused_at = int(at[1])
            dump = Dump(name, corpus / "public" / name, family)
            found.append(PublicDump(dump, REFUSED_BY_KERNEL.get(name, refused_at)))
    return tuple(found)


@cache
def repaired_dumps() -> tuple[Dump, ...]:
    """The dumps of public-repaired/."""
    corpus = find_corpus()
    families = {public.dump.name: public.dump.family for public in public_dumps()}
    return tuple(
        Dump(f"repaired/{path.name}", path, families[path.name], _if_there(f"{path}.ipset"))
        for path in sorted((corpus / "public-repaired").iterdir() if corpus else ())
        if path.name in families
    )


@cache
def generated_dumps() -> tuple[Dump, ...]:
    """What iptables-save printed on hosts whose rules a tool has loaded."""
    corpus = find_corpus()
    return tuple(
        Dump(
            f"{path.parent.name}/{path.name}",
            path,
            Family.IPV6 if path.name.startswith("ip6") else Family.IPV4,
            _if_there(path.parent / "ipset-save.txt"),
        )
        for path in sorted(corpus.glob("generated/*/ip*tables-save*.txt") if corpus else ())
    )


def loadable_dumps() -> list[Dump]:
    """Every dump that a real restore loads."""
    return [
        *(public.dump for public in public_dumps() if public.refused_at is None),
        *repaired_dumps(),
        *(dump for dump in generated_dumps() if dump.name not in NOT_RESTORABLE),
    ]


def _if_there(path: Path | str) -> Path | None:
    return Path(path) if Path(path).exists() else None


@cache
def read(dump: Dump) -> Ruleset:
    """The one rule set of a dump."""
    (ruleset,) = parse_rulesets(dump.text, dump.name, dump.family)
    return ruleset


@cache
def first_problem(dump: Dump) -> int | None:
    """The line of the first problem, or None."""
    try:
        read(dump)
    except ParseError as error:
        return error.problems[0].span.line
    return None


@pytest.mark.corpus
def test_what_restore_loads_is_read(report_count: Callable[[str, int], None]) -> None:
    dumps = loadable_dumps()
    assert {dump.name: at for dump in dumps if (at := first_problem(dump)) is not None} == {}
    assert len(dumps) > 240
    report_count("dumps that a real restore loads, read without error", len(dumps))
    report_count("rules in them", sum(read(dump).rule_count for dump in dumps))


@pytest.mark.corpus
def test_what_restore_refuses_is_refused_at_its_line(
    report_count: Callable[[str, int], None],
) -> None:
    refused = {p.dump.name: p for p in public_dumps() if p.refused_at is not None}
    found = {name: first_problem(public.dump) for name, public in refused.items()}
    differing = {name: at for name, at in found.items() if at != refused[name].refused_at}
    assert differing == {name: at for name, (_, at) in LENIENT.items()}
    same = len(refused) - len(differing)
    report_count("dumps that the real restore refuses, refused at its line", same)
    report_count("dumps that the real restore refuses, read by a leniency", len(differing))


@pytest.mark.corpus
def test_what_save_prints_and_restore_does_not_read_is_read() -> None:
    dumps = [dump for dump in generated_dumps() if dump.name in NOT_RESTORABLE]
    assert {dump.name for dump in dumps} == NOT_RESTORABLE
    for dump in dumps:
        rules = [rule for _, _, _, rule in read(dump).rules()]
        names = {
            match.get("hashlimit-name").value  # type: ignore[union-attr]
            for rule in rules
            for match in rule.matches
            if match.name == "hashlimit"
        }
        assert "h one" in names
        assert any(rule.text.count("\n") for rule in rules)


@pytest.mark.corpus
def test_family_is_found_without_being_told() -> None:
    # The only dumps without a word that tells the family are some of these: no rule has addresses.
    unclear = set()
    for dump in loadable_dumps():
        (ruleset,) = parse_rulesets(dump.text, dump.name)
        if ruleset.family is not dump.family:
            unclear.add(dump.name)
    assert unclear == set()


# The real tools, many dumps in one namespace.


class Saved(NamedTuple):
    """What a restore made of a text: the backend that took it, what its save prints then."""

    backend: str
    lines: Sequence[str]


class Job(NamedTuple):
    """A text to load, with its counters or without; ``backends`` are tried in order."""

    family: Family
    text: str
    sets: str
    backends: Sequence[str]
    counters: bool


_PREFIX = {Family.IPV4: "iptables", Family.IPV6: "ip6tables"}
_EMPTY = "".join(
    f"*{table}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains) + "COMMIT\n"
    for table, chains in BUILTIN_CHAINS.items()
)


def load_all(netns: PrivateNetns, folder: Path, jobs: Sequence[Job]) -> list[Saved | None]:
    """Loads each text and saves again; None where every backend refuses it."""
    (folder / "empty").write_text(_EMPTY)
    script = [f"cd '{folder}'"]
    for number, job in enumerate(jobs):
        (folder / f"{number}.in").write_bytes(job.text.encode("utf-8", "surrogateescape"))
        if job.sets:
            (folder / f"{number}.sets").write_text(job.sets)
            script.append(f"ipset restore < {number}.sets")
        counters = "-c" if job.counters else ""
        for backend in job.backends:
            command = f"{_PREFIX[job.family]}-{backend}"
            script.append(
                f"if [ ! -e {number}.out ] && {command}-restore {counters} < {number}.in "
                f"2> {number}.{backend}.err; "
                f"then {command}-save {counters} > {number}.out 2> {number}.err; "
                f"echo {backend} > {number}.ok; "
                f"{command}-restore < empty; fi"
            )
        if job.sets:
            script.append("ipset destroy")
    netns.run(["sh"], "\n".join(script) + "\n", check=False, timeout=300)
    saved: list[Saved | None] = []
    for number, job in enumerate(jobs):
        if not (folder / f"{number}.ok").exists():
            saved.append(None)
            continue
        text = (folder / f"{number}.out").read_bytes().decode("utf-8", "surrogateescape")
        backend = (folder / f"{number}.ok").read_text().strip()
        saved.append(Saved(backend, tuple(_rules(text, _tables(job.text)))))
    return saved


def _has_counters(text: str) -> bool:
    """Whether restore -c takes the text: it wants counters for each policy."""
    return not re.search(r"^:\S+ [A-Z]+\s*$", text, re.MULTILINE)


def _restorable_sets(path: Path | None) -> str:
    """What ipset saved, without sets whose name has a blank: ipset does not quote it either."""
    lines = path.read_text("utf-8").splitlines(keepends=True) if path is not None else []
    return "".join(line for line in lines if not line.startswith("create s net "))


def _tables(text: str) -> set[str]:
    return set(re.findall(r"^\*(\w+)", text, re.MULTILINE))


def _rules(text: str, tables: set[str]) -> Iterable[str]:
    table = ""
    for line in text.split("\n"):
        table = line[1:] if line.startswith("*") else table
        if table in tables and line and not line.startswith("#"):
            yield line


@pytest.mark.corpus
@pytest.mark.netns
@pytest.mark.slow
def test_what_we_print_loads_to_the_same_rules(
    netns: PrivateNetns, tmp_path: Path, report_count: Callable[[str, int], None]
) -> None:
    dumps = loadable_dumps()
    sets = [_restorable_sets(dump.sets) for dump in dumps]
    (tmp_path / "original").mkdir()
    (tmp_path / "printed").mkdir()
    jobs = [
        Job(dump.family, dump.text, text, ("legacy", "nft"), _has_counters(dump.text))
        for dump, text in zip(dumps, sets, strict=True)
    ]
    expected = load_all(netns, tmp_path / "original", jobs)
    printed = [
        job._replace(text=print_ruleset(read(dump)), backends=(saved.backend if saved else "nft",))
        for job, dump, saved in zip(jobs, dumps, expected, strict=True)
    ]
    found = load_all(netns, tmp_path / "printed", printed)
    assert [dump.name for dump, saved in zip(dumps, expected, strict=True) if saved is None] == []
    differing = {
        dump.name: (set(one.lines) ^ set(two.lines) if one and two else "not loaded")
        for dump, one, two in zip(dumps, expected, found, strict=True)
        if one != two
    }
    assert differing == {}
    report_count("dumps whose printed form loads and saves to the same rules", len(dumps))
    report_count(
        "of them loaded with the nft backend",
        sum(saved is not None and saved.backend == "nft" for saved in expected),
    )
