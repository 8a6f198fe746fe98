# SPDX-License-Identifier: GPL-2.0-only
"""URIs and names (RFC 3986, RFC 8089)."""

from __future__ import annotations

import pytest

from ctlint.lsp.names import is_path, name_of, uri_of


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///etc/iptables/rules.v4", "/etc/iptables/rules.v4"),
        ("FILE:///a/b", "/a/b"),
        ("file://localhost/a", "/a"),
        ("file:///a%20b%23c%3f/%C3%A9", "/a b#c?/é"),
        ("file:///a/../b/./c//d", "/b/c/d"),
        ("file:////a", "/a"),
        ("file:///%ff", "/\udcff"),
        ("file:/a", "/a"),
        ("untitled:Untitled-1", "untitled:Untitled-1"),
        ("file://server/share/x", "file://server/share/x"),
        ("file:relative", "file:relative"),
        ("file:///a%00b", "file:///a%00b"),
        ("git:/a/rules.v4?ref", "git:/a/rules.v4?ref"),
        ("http://[", "http://["),
        ("", ""),
    ],
)
def test_names(uri: str, name: str) -> None:
    assert name_of(uri) == name
    assert is_path(name) == name.startswith("/")


@pytest.mark.parametrize("name", ["/a/rules.v4", "/a b/é#?%", "/\udcff", "untitled:x"])
def test_a_uri_means_its_name(name: str) -> None:
    assert name_of(uri_of(name)) == name
    assert uri_of(name).isascii()
