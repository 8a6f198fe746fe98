# SPDX-License-Identifier: GPL-2.0-only
"""The interactive view: knobs on the left, what they do on the right.

Changes are answered in a thread of their own (:mod:`ctlint.tui.answering`); an answer that comes
too late is not shown.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from ctlint.analysis.circumstances import FactError
from ctlint.analysis.whatif import Question
from ctlint.report.escape import visible
from ctlint.report.whatif_words import command_line
from ctlint.tui.answering import Answered, Answering, Failed, Request
from ctlint.tui.desk import Desk
from ctlint.tui.knobs import Knob, knobs, turned
from ctlint.tui.panes import Pane

NARROW: Final = 60
"""Below so many cells knobs and pane do not stand side by side."""

_PATIENCE: Final = 0.5
"""Seconds for which the end of the view waits for an answer."""

LEAST_WIDTH: Final = 16
"""Below so many cells nothing is answered."""

KNOBS_WIDTH: Final = 31

_KEYS: Final = "←→ turn  Enter type  1-5 pane  jk scroll  e export  r reset  ? help  q quit"
_FEW_KEYS: Final = "←→ ⏎ v 1-5 jk e r ? q"
_HELP: Final = """\
up, down      choose what to change
left, right   change it by a step
Enter         type a value; Esc leaves it
Backspace     back to the host's value
1 2 3 4 5     answer, ladder, sockets,
              findings, plot
v             knobs or pane (narrow)
j, k          scroll the pane
e             the command that asks this
r             everything as it was
q             quit

* is changed; > differs from the host
"""


class Words(ModalScreen[None]):
    """A text over the view, until Esc, Enter, q."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("escape,enter,space,q,e", "close", show=False),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._words = text

    def compose(self) -> ComposeResult:
        """The text."""
        with VerticalScroll(id="words"):
            yield Static(Text(self._words), markup=False)

    def action_scroll(self, lines: int) -> None:
        """Scrolls the text."""
        self.query_one("#words", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_close(self) -> None:
        """Ends it."""
        self.dismiss()


class KnobList(OptionList):
    """The knobs, a line each. Where there is no room for any, textual's own paging fails."""

    def action_page_up(self) -> None:
        """A page up."""
        self._page(-1)

    def action_page_down(self) -> None:
        """A page down."""
        self._page(1)

    def _page(self, direction: int) -> None:
        rows = max(self.size.height, 1)
        place = (self.highlighted or 0) + direction * rows
        self.highlighted = min(max(place, 0), self.option_count - 1)


class WhatIfApp(App[None]):
    """The view of one host. ``paths``, ``sysctls`` and ``sets`` are its files, for the command line
    that asks the same; ``exported`` are those that were asked for. ``fault`` is an error of our
    own that ended the view.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #body { height: 1fr; }
    #knobs { width: 31; height: 1fr; border: none; padding: 0; }
    #pane { width: 1fr; height: 1fr; padding: 0 0 0 1; }
    #names, #status, #keys { height: 1; }
    #entry { dock: bottom; height: 1; border: none; padding: 0; display: none; }
    #entry.shown { display: block; }
    .narrow #knobs { width: 1fr; }
    .narrow #pane { display: none; }
    .narrow.reads #knobs { display: none; }
    .narrow.reads #pane { display: block; padding: 0; }
    Words { align: center middle; }
    #words { width: 90%; max-width: 76; height: 90%; border: solid; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,minus", "turn(False)", show=False),
        Binding("right,plus", "turn(True)", show=False),
        Binding("backspace", "restore", show=False),
        *(Binding(str(n + 1), f"pane({n})", show=False) for n in range(len(Pane))),
        Binding("v", "switch", show=False),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
        Binding("e", "export", show=False),
        Binding("r", "reset", show=False),
        Binding("question_mark,f1", "help", show=False),
        Binding("q,ctrl+c", "quit", show=False, priority=False),
        Binding("escape", "leave", show=False),
    ]

    def __init__(
        self,
        desk: Desk,
        question: Question,
        paths: Sequence[str],
        sysctls: Sequence[str] = (),
        sets: Sequence[str] = (),
    ) -> None:
        super().__init__(ansi_color=True)
        self.desk = desk
        self.question = question
        self.pane = Pane.ANSWER
        self.exported: list[str] = []
        self.fault: Exception | None = None
        self._first = question
        self._files = (paths, sysctls, sets)
        self._knobs = knobs()
        self._reads = False
        self._is_ready = False
        self._answering = Answering(desk, self.post_message)
        self.is_busy = False
        """Whether an answer is being worked out."""

    # ---- what is shown

    def compose(self) -> ComposeResult:
        """Knobs and pane, and three lines of words."""
        yield Static("", id="names", markup=False)
        with Horizontal(id="body"):
            yield KnobList(*(self._shown(knob) for knob in self._knobs), id="knobs")
            with VerticalScroll(id="pane", can_focus=False):
                yield Static("", id="text", markup=False)
        yield Static("looking at the rules …", id="status", markup=False)
        yield Static("", id="keys", markup=False)
        yield Input(id="entry", compact=True)

    def is_answering(self) -> bool:
        """Whether an answer is still being worked out, that nobody waits for any more."""
        if self._answering.is_alive():
            self._answering.join(_PATIENCE)
        return self._answering.is_alive()

    def on_unmount(self) -> None:
        """Nothing more will be asked."""
        self._answering.end()

    def on_mount(self) -> None:
        """The first answer."""
        # A thread that works holds the interpreter for so long while keys wait; usual are 5 ms.
        sys.setswitchinterval(0.001)
        self._is_ready = True
        self._answering.start()
        self.query_one("#knobs", OptionList).focus()
        self.query_one("#knobs", OptionList).highlighted = 0
        self._refresh_all()

    def on_resize(self, event: Resize) -> None:
        """Narrow terminals show knobs or pane."""
        self.screen.set_class(event.size.width < NARROW, "narrow")
        self._refresh_all()

    @property
    def knob(self) -> Knob:
        """The one that is chosen."""
        index = self.query_one("#knobs", OptionList).highlighted
        return self._knobs[index or 0]

    def _shown(self, knob: Knob) -> Text:
        settings = self.desk.settings(self.question)
        value = knob.shows(self.question, settings)
        host = knob.shows(self._first, self.desk.settings(self._first))
        mark = "*" if value != host else " "
        room = KNOBS_WIDTH - 4 - len(knob.name)
        return Text(f"{mark}{knob.name} {visible(value)[:room]:>{room}}")

    def _refresh_all(self) -> None:
        if not self._is_ready:
            return
        options = self.query_one("#knobs", OptionList)
        for index, knob in enumerate(self._knobs):
            options.replace_option_prompt_at_index(index, self._shown(knob))
        names = Text()
        for number, pane in enumerate(Pane):
            is_here = pane is self.pane
            name = f" {pane.value}" if is_here or self.size.width >= NARROW else ""
            names.append(f" {number + 1}{name} ", "reverse" if is_here else "")
        self.query_one("#names", Static).update(names)
        is_wide = self.size.width >= len(_KEYS)
        self.query_one("#keys", Static).update(Text(_KEYS if is_wide else _FEW_KEYS, "dim"))
        self.screen.set_class(self._reads, "reads")
        self._ask()

    def _ask(self) -> None:
        if self.size.width < LEAST_WIDTH:
            self.query_one("#text", Static).update("")
            return
        scroll = self.query_one("#pane", VerticalScroll)
        is_narrow = self.size.width < NARROW
        width = self.size.width - (0 if is_narrow else KNOBS_WIDTH + 1) - 2
        height = scroll.size.height or self.size.height - 3
        request = Request(self.question, self.pane, self.knob.sysctl, max(width, 1), max(height, 1))
        self.is_busy = True
        self._answering.ask(request)

    def on_answered(self, message: Answered) -> None:
        """An answer is there, unless another question has been asked since."""
        if message.request is not self._answering.wanted:
            return
        self.is_busy = False
        self.query_one("#status", Static).update(message.status)
        self.query_one("#text", Static).update(message.text)

    def on_failed(self, message: Failed) -> None:
        """There will be no answer."""
        self._end(message.error)

    def _end(self, error: Exception) -> None:
        self.fault = self.fault or error
        self.exit(return_code=3)

    def _handle_exception(self, error: Exception) -> None:
        """Textual would print a traceback; whoever ran the view says what happened."""
        self._end(error)

    def _say(self, words: str) -> None:
        self.query_one("#status", Static).update(Text(visible(words), "bold red"))

    # ---- keys

    def action_turn(self, up: bool) -> None:
        """The chosen knob by a step."""
        settings = self.desk.settings(self.question)
        self._take(lambda: turned(self.knob, self.question, settings, up=up))

    def action_restore(self) -> None:
        """The chosen knob as it was."""
        knob = self.knob
        if knob.sysctl is not None:
            self._take(lambda: knob.takes(self.question, ""))
        else:
            was = knob.shows(self._first, self.desk.settings(self._first))
            self._take(lambda: knob.takes(self.question, was))

    def _take(self, change: Callable[[], Question]) -> None:
        try:
            self.question = change()
        except FactError as error:
            self._say(str(error))
            return
        self._refresh_all()

    def action_pane(self, number: int) -> None:
        """Another pane."""
        self.pane = list(Pane)[number]
        self._reads = True
        self.query_one("#pane", VerticalScroll).scroll_home(animate=False)
        self._refresh_all()

    def action_switch(self) -> None:
        """Knobs or pane, where they do not stand side by side."""
        self._reads = not self._reads
        self.query_one("#knobs", OptionList).focus()
        self._refresh_all()

    def action_scroll(self, lines: int) -> None:
        """The pane."""
        self.query_one("#pane", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_export(self) -> None:
        """The command line that asks the same; printed again when the view ends."""
        words = command_line(self.question, *self._files)
        line = shlex.join(words)
        if line not in self.exported:
            self.exported.append(line)
        self.push_screen(Words(visible(line)))

    def action_reset(self) -> None:
        """Everything as it was."""
        self.question = self._first
        self._refresh_all()

    def action_help(self) -> None:
        """The keys."""
        self.push_screen(Words(_HELP))

    def action_leave(self) -> None:
        """From typing, or from the pane, to the knobs."""
        self._close_entry()
        self._reads = False
        self._refresh_all()

    # ---- typing

    def on_option_list_option_highlighted(self) -> None:
        """The plot follows the chosen knob."""
        if self.pane is Pane.PLOT:
            self._ask()

    def on_option_list_option_selected(self) -> None:
        """A value is typed."""
        entry = self.query_one("#entry", Input)
        knob = self.knob
        entry.value = knob.shows(self.question, self.desk.settings(self.question))
        entry.placeholder = knob.name
        entry.add_class("shown")
        entry.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """What was typed is taken, or what is wrong with it is said."""
        knob, text = self.knob, event.value.strip()
        self._close_entry()
        self._take(lambda: knob.takes(self.question, text))

    def _close_entry(self) -> None:
        self.query_one("#entry", Input).remove_class("shown")
        self.query_one("#knobs", OptionList).focus()
