"""Many runs at once are shown together: their speeds add up, and what remains is the time that all of them need."""

import io
import os
from collections.abc import Callable

import pytest
from rich.console import Console

from solvshell.console import LastingConsole
from solvshell.progress import Together, progress_on


def shown(is_terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=is_terminal, width=140, color_system=None), file


def test_lines_tell_the_sum_of_all() -> None:
    console, file = shown(is_terminal=False)
    with Together({"replica-00": 1000.0, "replica-01": 1000.0, "replica-02": 2000.0}, console) as together:
        together.note("replica-01", "  minimize: -3 kJ/mol")
        together.update("replica-00", "equilibration", 10, 30)  # below a 20th: no line
        together.update("replica-01", "production", 310, 10)
        together.end("replica-01", is_done=False)
        together.update("replica-00", "production", 700, 30)
        together.end("replica-00", is_done=True)
    assert file.getvalue().splitlines() == [
        "  replica-01: minimize: -3 kJ/mol",
        "  8 % of 4 ns: 0 of 3 ended, 2 running, 40 ns/day together, 2:12:29 left",  # 3.68 ns at 40 ns/day
        "  25 % of 4 ns: 1 of 3 ended, 1 running, 30 ns/day together, 2:23:31 left",
    ]


def test_a_terminal_has_a_bar_for_each_that_runs_and_one_for_all() -> None:
    console, file = shown(is_terminal=True)
    with Together({"replica-00": 1000.0, "replica-01": 1000.0}, console) as together:
        together.update("replica-00", "production", 400, 12)
        together.update("replica-01", "equilibration", 100, 8)
    last = file.getvalue()
    assert "production  400 of 1000 ps  12 ns/day  1:12:00" in last
    assert "equilibration  100 of 1000 ps  8 ns/day  2:42:00" in last
    assert "0 of 2 ended, 2 running, 20 ns/day together, 1:48:00 left" in last


def test_without_a_console_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with Together({"replica-00": 1.0}) as together:
        together.update("replica-00", "production", 1, 5)
        together.end("replica-00", is_done=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("connect", [os.openpty, os.pipe])
def test_a_terminal_or_pipe_that_is_closed_ends_no_work(connect: Callable[[], tuple[int, int]]) -> None:
    reader, writer = connect()
    with os.fdopen(writer, "w") as file:
        console = LastingConsole(file=file)
        assert console.is_terminal == (connect is os.openpty)
        with progress_on(console) as progress, Together({"replica-00": 1.0}, console) as together:
            os.close(reader)
            for done_ps in (5.0, 10.0):
                progress.note("going on")
                progress.start("production", 10.0)
                progress.update(done_ps, 40.0)
                together.update("replica-00", "production", done_ps / 10, 40.0)
        assert console.quiet


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_a_stage_tells_stands_with_how_far_it_is(is_terminal: bool) -> None:
    """Below the bar, or behind the remaining time; the next stage does not inherit it."""
    console, file = shown(is_terminal)
    with progress_on(console) as progress:
        progress.start("exchange", 100.0)
        progress.tell("38 EC; EC 3 of 40 accepted")
        progress.update(60.0, 10.0)
        progress.start("another", 100.0)
        progress.update(60.0, 10.0)
    before, _, last = file.getvalue().rpartition("another")
    assert "38 EC; EC 3 of 40 accepted" in before
    assert "EC" not in last
