# SPDX-License-Identifier: GPL-2.0-only
"""What can go wrong in the lab that is no fault of the scenario's."""

from __future__ import annotations


class LabUnavailable(Exception):  # noqa: N818 (named for what is wrong)
    """This machine cannot play scenarios; the message says why."""


class LabError(Exception):
    """The lab could not find out what the kernel did, so it gives no answer."""


class LabStalled(LabError):  # noqa: N818 (named for what is wrong)
    """So much real time went by in the middle of a packet that timers cannot be told apart."""


class CannotLoadError(LabError):
    """The real restore refuses the rule set on this machine."""
