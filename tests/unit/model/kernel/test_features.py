# SPDX-License-Identifier: GPL-2.0-only
"""Features: their evidence is complete and consistent."""

from __future__ import annotations

import re

import pytest

from ctlint.model.kernel.features import Feature, Grade
from ctlint.model.kernel.profiles import all_profiles, profile
from tests.unit.model.kernel.kernel_facts import shared


@pytest.mark.parametrize("feature", Feature)
def test_every_feature_has_its_evidence(feature: Feature) -> None:
    assert feature.sentence.endswith(".")
    assert (feature.commit is None) == (feature.commit_verified is None)
    assert feature.commit is None or re.fullmatch(r"[0-9a-f]{8,12}", feature.commit)
    assert ".." in feature.bracket


@pytest.mark.parametrize("feature", Feature)
def test_backports_go_to_older_kernels_that_exist(feature: Feature) -> None:
    for backport in feature.backports:
        assert profile(backport.profile).name == backport.profile
        if feature.verified is not Grade.UNVERIFIED and backport.profile != "rhel8":
            assert feature in profile(backport.profile)


def test_a_sentence_belongs_to_one_feature() -> None:
    sentences = [feature.sentence for feature in Feature]
    assert len(set(sentences)) == len(sentences)


def test_commits_are_those_of_the_facts() -> None:
    text = shared("kernel-facts", "by-version.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\[[MU] ([0-9a-f]{8,12})", text))
    across = shared("kernel-facts", "across-kernels.md").read_text(encoding="utf-8")
    named |= set(re.findall(r"\b[0-9a-f]{12}\b", across))
    assert {feature.commit for feature in Feature if feature.commit} <= named


def test_grades_of_commits_are_those_of_the_facts() -> None:
    text = shared("kernel-facts", "by-version.md").read_text(encoding="utf-8")
    grades = {commit: grade for grade, commit in re.findall(r"\[([MU]) ([0-9a-f]{8,12})", text)}
    wanted = {"M": Grade.ARCHIVE, "U": Grade.UNVERIFIED}
    checked = 0
    for feature in Feature:
        if feature.commit in grades:
            assert feature.commit_verified is wanted[grades[feature.commit]], feature.name
            checked += 1
    assert checked >= 15


def test_features_appear_in_profiles_in_the_order_of_their_release() -> None:
    """A mainline line that lacks a change is older than its first release."""
    for kernel in all_profiles():
        if kernel.name.startswith("rhel"):
            continue
        for feature in Feature:
            if feature not in kernel:
                assert kernel.version < feature.since, (kernel.name, feature.name)
