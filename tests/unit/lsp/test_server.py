# SPDX-License-Identifier: GPL-2.0-only
"""The real server, driven over its standard streams as an editor does."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import REPOSITORY
from tests.unit.lsp.client import MARKDOWN, Client, serving
from tests.unit.lsp.edits import applied
from tests.unit.source.folders import write

pytestmark = pytest.mark.slow

EXAMPLE = REPOSITORY / "examples/fin-wait-1"
DROP = "-A OUTPUT -m state --state INVALID -j DROP"
"""The rule of the example that CT101 is about: its page says what it flags."""

BARE: Mapping[str, Any] = {}
"""An editor that can do nothing but what all can."""


@pytest.fixture
def fresh() -> Iterator[Client]:
    """A client whose server nobody has talked to."""
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def _modern() -> Iterator[Client]:
    with serving() as found:
        found.begin()
        yield found
        assert found.end() == 0


@pytest.fixture
def client(_modern: Client) -> Iterator[Client]:
    """A modern client that has begun; no document is open."""
    yield _modern
    _modern.reset()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A copy of the example, below a folder whose configuration is its own."""
    (tmp_path / ".git").mkdir()
    return Path(shutil.copytree(EXAMPLE, tmp_path / "host"))


def codes(diagnostics: list[dict[str, Any]]) -> set[str]:
    """The rules that diagnostics come from."""
    return {each["code"] for each in diagnostics if "code" in each}


def at(diagnostics: list[dict[str, Any]], code: str) -> dict[str, Any]:
    """The one diagnostic of a rule."""
    (found,) = [each for each in diagnostics if each.get("code") == code]
    return found


def stretch(line: int, start: int, end: int) -> dict[str, Any]:
    """A range within a line."""
    return {
        "start": {"line": line, "character": start},
        "end": {"line": line, "character": end},
    }


def line_of(text: str, rule: str) -> int:
    """The number of a line, from 0."""
    return text.split("\n").index(rule)


# Diagnostics


def test_what_the_server_can_do(fresh: Client) -> None:
    abilities = fresh.begin()
    assert abilities["positionEncoding"] == "utf-16"
    assert abilities["hoverProvider"]
    assert abilities["codeActionProvider"]["codeActionKinds"] == [
        "quickfix",
        "source.fixAll.ctlint",
    ]
    assert "completionProvider" not in abilities
    assert fresh.end() == 0


def test_the_example(client: Client, host: Path) -> None:
    rules = host / "iptables-save"
    uri = client.open(rules)
    found = at(client.diagnostics(uri), "CT101")
    line = line_of(rules.read_text(), DROP)
    assert found["range"] == stretch(line, 0, len(DROP))
    assert found["severity"] == 1
    assert found["source"] == "ctlint"
    page = Path(found["codeDescription"]["href"].removeprefix("file://"))
    assert page.read_text() == (REPOSITORY / "docs/rules/CT101.md").read_text()
    # The settings of the host have findings of their own, though they are not open.
    settings = (host / "sysctl").as_uri()
    (warning,) = client.wait(lambda: client.published(settings))[-1]["diagnostics"]
    assert (warning["code"], warning["severity"]) == ("CT202", 2)


def test_what_is_closed_leaves_nothing_behind(client: Client, host: Path) -> None:
    uri = client.open(host / "iptables-save")
    settings = (host / "sysctl").as_uri()
    assert client.diagnostics(uri)
    assert client.wait(lambda: client.published(settings))[-1]["diagnostics"]
    client.close(uri)
    client.wait(lambda: not client.published(uri)[-1]["diagnostics"])
    client.wait(lambda: not client.published(settings)[-1]["diagnostics"])


def test_a_change_makes_findings_go(client: Client, host: Path) -> None:
    rules = host / "iptables-save"
    uri = client.open(rules)
    assert "CT101" in codes(client.diagnostics(uri))
    client.change(uri, rules.read_text().replace(DROP, DROP.replace("DROP", "ACCEPT")))
    assert "CT101" not in codes(client.diagnostics(uri))
    assert client.published(uri)[-1]["version"] == 2


def test_an_error_of_the_text(client: Client, host: Path) -> None:
    text = (host / "iptables-save").read_text()
    uri = client.open(host / "iptables-save", text.replace(DROP, f"  {DROP} --whatt"))
    (found,) = client.diagnostics(uri)
    assert found["severity"] == 1
    assert "code" not in found
    assert "--whatt" in found["message"]
    word = len(f"  {DROP} ")
    assert found["range"] == stretch(line_of(text, DROP), word, word + len("--whatt"))
    client.change(uri, text)
    assert "CT101" in codes(client.diagnostics(uri))


@pytest.mark.parametrize(
    ("encoding", "width"),
    [("utf-8", (2, 4, 3)), ("utf-16", (1, 2, 1)), ("utf-32", (1, 1, 1))],
)
def test_columns_behind_other_letters(
    fresh: Client, host: Path, encoding: str, width: tuple[int, int, int]
) -> None:
    """é, 𐀀 and € in a comment, by their widths in each encoding (RFC 3629, RFC 2781)."""
    abilities = {**MARKDOWN, "general": {"positionEncodings": [encoding, "utf-16"]}}
    assert fresh.begin(abilities)["positionEncoding"] == encoding
    rule = '-A OUTPUT -m comment --comment "é𐀀€" -m state --state INVALID -j DROP'
    text = (host / "iptables-save").read_text()
    uri = fresh.open(host / "iptables-save", text.replace(DROP, rule))
    line = line_of(text, DROP)
    end = len(rule) - 3 + sum(width)
    assert at(fresh.diagnostics(uri), "CT101")["range"] == stretch(line, 0, end)
    fresh.change(uri, text.replace(DROP, f"{rule} --whatt"))
    (found,) = fresh.diagnostics(uri)
    assert found["range"] == stretch(line, end + 1, end + 1 + len("--whatt"))


def test_settings_that_change_concern_the_rules(client: Client, host: Path) -> None:
    """CT101 is an error as entries are short-lived; with the default of five days a note."""
    rules = client.open(host / "iptables-save")
    assert at(client.diagnostics(rules), "CT101")["severity"] == 1
    settings = client.open(host / "sysctl")
    client.diagnostics(settings)
    client.told.clear()
    client.change(settings, "# nothing is set\n")
    client.diagnostics(settings)
    client.wait(lambda: client.published(rules))
    assert at(client.published(rules)[-1]["diagnostics"], "CT101")["severity"] == 3
    # What was not saved goes with its document.
    client.told.clear()
    client.close(settings)
    client.wait(lambda: client.published(rules))
    assert at(client.published(rules)[-1]["diagnostics"], "CT101")["severity"] == 1


def test_files_that_change_on_disk(fresh: Client, host: Path) -> None:
    fresh.begin()
    (watching,) = fresh.wait(
        lambda: [each for each in fresh.asked if each["method"] == "client/registerCapability"]
    )
    (registered,) = watching["params"]["registrations"]
    assert registered["method"] == "workspace/didChangeWatchedFiles"
    rules = fresh.open(host / "iptables-save")
    fresh.diagnostics(rules)
    fresh.told.clear()
    (host / "sysctl").write_text("")
    changed = {"changes": [{"uri": (host / "sysctl").as_uri(), "type": 2}]}
    fresh.notify("workspace/didChangeWatchedFiles", changed)
    assert at(fresh.diagnostics(rules), "CT101")["severity"] == 3


def test_a_configuration(client: Client, host: Path) -> None:
    rules = client.open(host / "iptables-save")
    client.diagnostics(rules)
    config = host.parent / "ctlint.toml"
    config.write_text("ignore = ['CT1']\n")
    uri = client.open(config)
    assert client.diagnostics(uri) == []
    client.told.clear()
    client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
    assert "CT101" not in codes(client.diagnostics(rules))
    client.change(uri, "ignor = ['CT1']\n")
    (problem,) = client.diagnostics(uri)
    assert "did you mean ignore?" in problem["message"]


def test_related_places_and_needless_rules(client: Client, tmp_path: Path) -> None:
    """CT414: a rule takes the packets of a later one (docs/rules/CT414.md)."""
    wide = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"
    narrow = "-A INPUT -s 10.0.0.1/32 -p tcp -m tcp --dport 22 -j DROP"
    write(tmp_path, {"ctlint.toml": "persona = 'pedantic'\n"})
    uri = client.open(tmp_path / "x.rules", f"*filter\n{wide}\n{narrow}\nCOMMIT\n")
    found = at(client.diagnostics(uri), "CT414")
    assert found["range"] == stretch(2, 0, len(narrow))
    assert found["tags"] == [1]  # Unnecessary
    (related,) = found["relatedInformation"]
    assert related["location"] == {"uri": uri, "range": stretch(1, 0, len(wide))}


def test_what_is_not_decided_is_shown_where_it_is_asked_for(client: Client, tmp_path: Path) -> None:
    rule = "-A INPUT -m limit --limit 1/sec"
    uri = client.open(tmp_path / "x.rules", f"*filter\n{rule} -j DROP\n{rule} -j ACCEPT\nCOMMIT\n")
    assert not [each for each in client.diagnostics(uri) if each["severity"] == 4]
    client.settings = {"undecided": True}
    client.notify("workspace/didChangeConfiguration", {"settings": None})
    client.wait(lambda: len(client.published(uri)) > 1)
    hints = [each for each in client.diagnostics(uri) if each["severity"] == 4]
    assert {each["range"]["start"]["line"] for each in hints} == {1, 2}
    # Who is pedantic sees them too.
    (tmp_path / "ctlint.toml").write_text("persona = 'pedantic'\n")
    client.told.clear()
    client.settings = {}
    client.notify("workspace/didChangeConfiguration", {"settings": None})
    client.wait(lambda: client.published(uri))
    assert not [each for each in client.diagnostics(uri) if each["severity"] == 4]
    client.told.clear()
    client.notify("workspace/didChangeWatchedFiles", {"changes": []})
    client.wait(lambda: client.published(uri))
    assert [each for each in client.diagnostics(uri) if each["severity"] == 4]
    client.notify("workspace/didChangeConfiguration", {"settings": {"ctlint": {"undecidd": 1}}})
    client.wait(lambda: any("'undecidd'" in line for line in client.log()))


# Hover


def test_hover(client: Client, host: Path) -> None:
    text = (host / "iptables-save").read_text()
    uri = client.open(host / "iptables-save")
    client.diagnostics(uri)
    said = client.hover(uri, line_of(text, DROP), 10)
    assert said.startswith("**error CT101** output-invalid-drop (filter/OUTPUT, rule 5)")
    for word in (
        "FIN,ACK from the client",
        "FIN_WAIT_1 for",
        "**help (client)**",
        "## Why it matters",
    ):
        assert word in said
    plain = next(n for n, line in enumerate(text.split("\n")) if "--dport 22" in line)
    assert "as ctlint reads it" in client.hover(uri, plain)
    assert client.hover(uri, text.count("\n") + 50) == ""
    settings = client.open(host / "sysctl")
    client.diagnostics(settings)
    assert "432000 s (5 d)" in client.hover(settings, 1)


def test_hover_waits_for_no_analysis(client: Client, host: Path) -> None:
    """While a question is answered that takes long, hover is quick."""
    many = "\n".join(
        f"-A INPUT -s 10.{n // 250}.{n % 250}.0/24 -p tcp -m tcp --dport {n} -j ACCEPT"
        for n in range(1, 4_000)
    )
    uri = client.open(host / "iptables-save", f"*filter\n:INPUT DROP [0:0]\n{many}\nCOMMIT\n")
    began = time.monotonic()
    assert "as ctlint reads it" in client.hover(uri, 2)
    took = time.monotonic() - began
    assert client.published(uri) == []
    assert took < 1


# Code actions


def _titles(actions: list[Any]) -> list[str]:
    return [each["title"] for each in actions]


def _edited(action: Any, uri: str, text: str) -> str:
    (change,) = action["edit"]["documentChanges"]
    assert change["textDocument"] == {"uri": uri, "version": 1}
    return applied(text, change["edits"])


@pytest.mark.parametrize("only", [["quickfix"], ["source.fixAll"], ["source.fixAll.ctlint"]])
def test_a_fix_makes_the_finding_go(client: Client, host: Path, only: list[str]) -> None:
    text = (host / "iptables-save").read_text()
    uri = client.open(host / "iptables-save")
    before = codes(client.diagnostics(uri))
    line = line_of(text, DROP)
    fix = client.actions(uri, line, only)[0]
    assert fix["kind"].startswith(only[0])
    if only == ["quickfix"]:
        assert fix["isPreferred"]
        assert at(fix["diagnostics"], "CT101")["range"]["start"]["line"] == line
    client.change(uri, _edited(fix, uri, text))
    after = codes(client.diagnostics(uri))
    assert "CT101" in before - after
    assert (host / "iptables-save").read_text() == text


def test_a_fix_of_another_file(client: Client, host: Path) -> None:
    """CT202 stands in the settings; its fix is another value there."""
    client.diagnostics(client.open(host / "iptables-save"))
    text = (host / "sysctl").read_text()
    uri = client.open(host / "sysctl")
    client.diagnostics(uri)
    fix = client.actions(uri, 1, ["quickfix"])[0]
    assert fix["title"].startswith("set net.netfilter.nf_conntrack_tcp_timeout_established to ")
    client.change(uri, _edited(fix, uri, text))
    assert "CT202" not in codes(client.diagnostics(uri))


@pytest.mark.parametrize("where", ["in the rule", "in a line above"])
def test_a_permission_hides_the_finding(client: Client, host: Path, where: str) -> None:
    text = (host / "iptables-save").read_text()
    uri = client.open(host / "iptables-save")
    client.diagnostics(uri)
    actions = client.actions(uri, line_of(text, DROP), ["quickfix"])
    (allow,) = [each for each in actions if each["title"] == f"allow CT101 here, {where}"]
    new = _edited(allow, uri, text)
    assert "ctlint: allow CT101 because TODO: say why" in new
    client.change(uri, new)
    assert "CT101" not in codes(client.diagnostics(uri))
    line = next(n for n, each in enumerate(new.split("\n")) if "ctlint: allow" in each)
    assert "hides error CT101, client" in client.hover(uri, line)


def test_the_page_of_a_rule(client: Client, host: Path) -> None:
    uri = client.open(host / "iptables-save")
    client.diagnostics(uri)
    line = line_of((host / "iptables-save").read_text(), DROP)
    (action,) = [each for each in client.actions(uri, line) if "page" in each["title"]]
    command = action["command"]
    params = {"command": command["command"], "arguments": command["arguments"]}
    client.request("workspace/executeCommand", params)
    (shown,) = client.wait(
        lambda: [each for each in client.asked if each["method"] == "window/showDocument"]
    )
    assert shown["params"]["uri"].endswith("/docs/rules/CT101.md")
    client.request("workspace/executeCommand", {**params, "arguments": ["../../x"]})
    assert len([each for each in client.asked if each["method"] == "window/showDocument"]) == 1


def test_no_actions_for_another_text(client: Client, host: Path) -> None:
    text = (host / "iptables-save").read_text()
    uri = client.open(host / "iptables-save")
    client.diagnostics(uri)
    client.change(uri, f"# new\n{text}")
    assert client.actions(uri, line_of(text, DROP)) == []


def test_an_editor_that_can_do_little(fresh: Client, host: Path) -> None:
    fresh.begin(BARE)
    text = (host / "iptables-save").read_text()
    uri = fresh.open(host / "iptables-save")
    fresh.diagnostics(uri)
    line = line_of(text, DROP)
    actions = fresh.actions(uri, line)
    assert not [title for title in _titles(actions) if "page" in title]
    (edits,) = actions[0]["edit"]["changes"].values()
    assert "--tcp-flags FIN FIN -j ACCEPT" in applied(text, edits)
    assert fresh.asked == []


# Odd clients


@pytest.mark.parametrize(
    "uri", ["untitled:Untitled-1", "vscode-notebook-cell:/a//b?x#y", "file://server/share/x"]
)
def test_documents_that_are_no_files(client: Client, uri: str) -> None:
    text = (EXAMPLE / "iptables-save").read_text()
    client.open(uri, text)
    assert at(client.diagnostics(uri), "CT101")["severity"] == 3
    fix = client.actions(uri, line_of(text, DROP), ["quickfix"])[0]
    client.change(uri, _edited(fix, uri, text))
    assert "CT101" not in codes(client.diagnostics(uri))
    client.close(uri)
    client.wait(lambda: not client.published(uri)[-1]["diagnostics"])


def test_uris_are_those_of_the_client(client: Client, tmp_path: Path) -> None:
    """A client may encode other characters than we do: it knows its own URI again."""
    folder = write(tmp_path / "a b(é)", {"x.rules": (EXAMPLE / "iptables-save").read_text()})
    uri = f"file://{tmp_path}/a%20b%28%c3%a9%29/x.rules"
    client.open(uri, (folder / "x.rules").read_text())
    assert client.diagnostics(uri)
    client.close(uri)
    client.wait(lambda: client.published(uri)[-1]["diagnostics"] == [])
    told = {each["params"].get("uri") for each in client.told}
    assert told - {None} == {uri}


def test_texts_that_are_no_unicode(client: Client, tmp_path: Path) -> None:
    rule = '-A OUTPUT -m comment --comment "\ud800\x1b[31m\u2028" -m state --state INVALID -j DROP'
    text = f"*filter\n:OUTPUT ACCEPT [0:0]\n{rule}\n-A OUTPUT -x\nCOMMIT\n"
    uri = client.open(tmp_path / "x.rules", text)
    assert {each["range"]["start"]["line"] for each in client.diagnostics(uri)} <= {2, 3}
    client.change(uri, text.replace("-A OUTPUT -x\n", "").replace("\x1b", ""))
    for found in client.diagnostics(uri):
        assert found["message"].isprintable() or "\n" in found["message"]
    client.hover(uri, 2)
    client.actions(uri, 2)


def test_files_of_others_are_left_alone(client: Client, tmp_path: Path) -> None:
    other = client.open(tmp_path / "nginx.conf", "server { }\n", "nginx")
    client.diagnostics(client.open(tmp_path / "x.rules", "*filter\nCOMMIT\n"))
    assert client.published(other) == []
    assert client.hover(other, 0) == ""
    assert client.actions(other, 0) == []


def test_nothing_is_written(fresh: Client, host: Path) -> None:
    def listing() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in sorted(host.parent.rglob("*"))
            if path.is_file()
        }

    before = listing()
    fresh.begin(rootUri=host.as_uri())
    uri = fresh.open(host / "iptables-save")
    fresh.diagnostics(uri)
    fresh.actions(uri, line_of((host / "iptables-save").read_text(), DROP))
    fresh.end()
    assert listing() == before


def test_what_prints_does_not_reach_the_client(tmp_path: Path, host: Path) -> None:
    """Modules that print as they are imported, in the server and in the process that looks."""
    noisy = (
        "import os, sys\n"
        "def hook(event, given):\n"
        "    if event == 'import' and given[0] in ('ctlint.lsp.features', 'ctlint.lint.ranking'):\n"
        "        print('noise', flush=True)\n"
        "        os.write(1, b'noise\\n')\n"
        "sys.addaudithook(hook)\n"
    )
    write(tmp_path / "modules", {"sitecustomize.py": noisy})
    with serving(tmp_path / "modules") as client:
        client.begin()
        assert codes(client.diagnostics(client.open(host / "iptables-save")))
        assert client.end() == 0
        assert client.process.stderr is not None
        assert client.process.stderr.read().count(b"noise") >= 4


def test_messages_that_make_no_sense(client: Client, host: Path) -> None:
    for method, params in (
        (
            "textDocument/didChange",
            {"textDocument": {"uri": "x", "version": 1}, "contentChanges": []},
        ),
        ("textDocument/didClose", {"textDocument": {"uri": "file:///never/opened"}}),
        ("textDocument/didSave", {"textDocument": {"uri": "file:///never/opened"}}),
        ("no/such", {}),
    ):
        client.notify(method, params)
    uri = client.open(host / "iptables-save")
    assert codes(client.diagnostics(uri))


def test_the_server_goes_with_its_client(fresh: Client) -> None:
    fresh.begin()
    process = fresh.process
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_at_a_signal(fresh: Client, host: Path, number: int) -> None:
    fresh.begin()
    fresh.diagnostics(fresh.open(host / "iptables-save"))
    children = Path(f"/proc/{fresh.process.pid}/task/{fresh.process.pid}/children")
    workers = [int(each) for each in children.read_text().split()]
    assert workers
    fresh.process.send_signal(number)
    assert fresh.process.wait(30) == 128 + number
    for worker in workers:
        for _ in range(100):
            if not Path(f"/proc/{worker}").exists():
                break
            time.sleep(0.1)
        assert not Path(f"/proc/{worker}").exists()


def test_a_worker_that_dies(client: Client, host: Path) -> None:
    text = (host / "iptables-save").read_text()
    uri = client.open(host / "iptables-save")
    client.diagnostics(uri)
    children = Path(f"/proc/{client.process.pid}/task/{client.process.pid}/children")
    for child in children.read_text().split():
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)
    client.change(uri, text)
    assert "CT101" in codes(client.diagnostics(uri))
