# SPDX-License-Identifier: GPL-2.0-only
"""Which programs are asked for rules, and what is said of what they do not show."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctlint.source import live_rules as module
from ctlint.source.live_rules import LiveRules, has_module, live_rules
from ctlint.source.programs import program as program_of
from ctlint.wire.addresses import Family
from tests.unit.source.fake_programs import put

RULES = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT"
NOTHING = "exit 0"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel with nf_tables, without legacy tables, and with programs that print nothing."""
    net = tmp_path / "net"
    net.mkdir()
    monkeypatch.setattr(module, "_NET", net)
    monkeypatch.setattr(module, "has_module", lambda *_: True)
    names = ("iptables_nft_save", "ip6tables_nft_save", "nft")
    put(tmp_path, monkeypatch, **dict.fromkeys(names, NOTHING))
    return tmp_path


def test_nothing_is_loaded(place: Path) -> None:
    assert live_rules() == LiveRules((), ())


def test_legacy_is_asked_only_where_the_kernel_names_tables(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = f"touch {place}/asked; echo '{RULES}'"
    put(place, monkeypatch, iptables_legacy_save=asked, ip6tables_legacy_save=asked)
    (place / "net" / "ip_tables_names").write_text("")
    assert live_rules().dumps == ()
    assert not (place / "asked").exists()
    (place / "net" / "ip_tables_names").write_text("filter\n")
    (found,) = live_rules().dumps
    assert (found.program, found.family) == ("iptables-legacy-save", Family.IPV4)
    assert (place / "asked").exists()


def test_nft_is_asked_only_where_it_is_loaded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = f"touch {place}/asked"
    put(place, monkeypatch, iptables_nft_save=asked, nft=asked)
    monkeypatch.setattr(module, "has_module", lambda *_: False)
    assert live_rules() == LiveRules((), ())
    assert not (place / "asked").exists()


def test_what_fails_is_named_and_the_rest_is_read(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(
        place,
        monkeypatch,
        iptables_nft_save="echo 'no permission' >&2; exit 4",
        ip6tables_nft_save=f"echo '{RULES}'",
        nft="echo 'cannot' >&2; exit 1",
    )
    found = live_rules()
    assert [dump.program for dump in found.dumps] == ["ip6tables-nft-save"]
    assert found.missing == (
        "iptables-nft-save: no permission",
        "the other tables of nft: cannot",
    )


def test_tables_that_iptables_cannot_show_are_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As iptables-nft-save 1.8.9 and nft 1.0.6 print it.
    listed = (
        '{"nftables": [{"metainfo": {"version": "1.0.6"}}, '
        '{"table": {"family": "ip", "name": "filter", "handle": 1}}, '
        '{"table": {"family": "arp", "name": "mine", "handle": 4}}, '
        '{"table": {"family": "inet", "name": "filter", "handle": 2}}, '
        '{"table": {"family": "ip", "name": "mine", "handle": 3}}]}'
    )
    said = "# Table `nat' is incompatible, use 'nft' tool."
    script = f"cat <<'END'\n{said}\nEND"
    put(place, monkeypatch, iptables_nft_save=script, nft=f"echo '{listed}'")
    assert live_rules() == LiveRules(
        (),
        (
            f"iptables-nft-save: {said.removeprefix('# ')}",
            "the table inet filter of nft, which iptables cannot show",
            "the table ip mine of nft, which iptables cannot show",
        ),
    )


@pytest.mark.parametrize(
    "listed", ["", "[", "[]", '{"nftables": 7}', '{"nftables": [{"table": 7}]}', "[" * 100_000]
)
def test_a_hostile_list_of_tables_does_no_harm(
    place: Path, monkeypatch: pytest.MonkeyPatch, listed: str
) -> None:
    (place / "listed").write_text(listed)
    put(place, monkeypatch, nft=f"cat {place}/listed")
    assert live_rules() == LiveRules((), ())


@pytest.mark.parametrize(
    ("version", "program"),
    [("(nf_tables)", "iptables-nft-save"), ("(legacy)", "iptables-legacy-save")],
)
def test_a_program_without_backend_in_its_name_says_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, version: str, program: str
) -> None:
    script = f"""case "$1" in
--version) echo 'iptables-save v1.8.9 {version}';;
*) echo '{RULES}';;
esac"""
    put(place, monkeypatch, iptables_save=script)
    (place / "net" / "ip_tables_names").write_text("filter\n")
    plain_only = ("iptables-nft-save", "iptables-legacy-save")
    monkeypatch.setattr(
        module, "program", lambda name: None if name in plain_only else program_of(name)
    )
    monkeypatch.setattr(module, "why_no_library", lambda: "nothing else")
    found = live_rules()
    assert [dump.program for dump in found.dumps] == [program]
    assert len(found.missing) == 1


def test_parts_of_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MODULES", tmp_path / "modules")
    monkeypatch.setattr(module, "_SYMBOLS", tmp_path / "symbols")
    # A kernel without modules loads nothing, so that nothing can be loaded by asking.
    assert has_module("ctlint_absent", "nft_do_chain")
    (tmp_path / "modules").write_text("nf_tables 245760 0 - Live 0x0\n")
    assert has_module("nf_tables", "nft_do_chain")
    assert not has_module("nf_tables_more", "nft_do_chain")
    (tmp_path / "symbols").write_text("0000000000000000 T nft_do_chain\n")
    assert has_module("ctlint_absent", "nft_do_chain")
    assert not has_module("ctlint_absent", "do_chain")
