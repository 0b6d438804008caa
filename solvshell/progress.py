"""What a person sees of long work: a bar with speed and remaining time, or plain lines where there is no terminal."""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text


class Silent(AbstractContextManager["Silent"]):
    """Shows nothing; the interface of the others."""

    def note(self, text: str) -> None:
        """Show one line."""

    def start(self, name: str, total_ps: float, done_ps: float = 0.0) -> None:
        """Begin a stage of a given length."""

    def update(self, done_ps: float, ns_per_day: float) -> None:
        """Say how far the stage is and how fast it goes."""

    def tell(self, words: str) -> None:
        """Say what is to stand beside that, from now on."""

    def __exit__(self, *_: object) -> None:
        return None


class _BarsAndWords(Progress):
    """Progress bars, and below them a line."""

    words = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        """Yield what is drawn."""
        yield self.make_tasks_table(self.tasks)
        if self.words:
            yield Text(f"  {self.words}")


class Bar(Silent):
    """A progress bar for each stage."""

    def __init__(self, console: Console) -> None:
        self._progress = _BarsAndWords(
            TextColumn("  {task.description:<14}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.1f} of {task.total:g} ps"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self._task: TaskID | None = None

    def note(self, text: str) -> None:  # noqa: D102
        self._progress.console.print(text, highlight=False, markup=False)

    def start(self, name: str, total_ps: float, done_ps: float = 0.0) -> None:  # noqa: D102
        self._task = self._progress.add_task(name, total=total_ps, completed=int(done_ps), speed="")
        self._progress.words = ""

    def update(self, done_ps: float, ns_per_day: float) -> None:  # noqa: D102
        if self._task is not None:
            self._progress.update(self._task, completed=done_ps, speed=f"{ns_per_day:.3g} ns/day")

    def tell(self, words: str) -> None:  # noqa: D102
        self._progress.words = words

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


class Lines(Silent):
    """A line for each tenth of a stage: for log files."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name, self._total, self._next, self._words = "", 1.0, 0.0, ""

    def note(self, text: str) -> None:  # noqa: D102
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def start(self, name: str, total_ps: float, done_ps: float = 0.0) -> None:  # noqa: D102
        self._name, self._total, self._words = name, total_ps, ""
        self._next = done_ps + total_ps / 10

    def update(self, done_ps: float, ns_per_day: float) -> None:  # noqa: D102
        if done_ps >= min(self._next, self._total) - 1e-9:
            left_s = (self._total - done_ps) / 1000 / max(ns_per_day, 1e-9) * 86400
            self.note(
                f"  {self._name}: {done_ps:.1f} of {self._total:g} ps, {ns_per_day:.3g} ns/day, {left_s:.0f} s left"
                f"{'; ' * bool(self._words)}{self._words}"
            )
            self._next = done_ps + self._total / 10

    def tell(self, words: str) -> None:  # noqa: D102
        self._words = words


def progress_on(console: Console) -> Silent:
    """Return a bar on a terminal and plain lines elsewhere."""
    return Bar(console) if console.is_terminal else Lines(console)


class Tally(AbstractContextManager["Tally"]):
    """Counts finished pieces of work: a bar with the remaining time on a terminal, a line for each tenth elsewhere.

    Parameters
    ----------
    console
        Nothing is shown without one.
    """

    def __init__(self, name: str, total: int, console: Console | None = None) -> None:
        self._name, self._total, self._console = name, total, console
        self._done, self._start = 0, time.monotonic()
        self._bar: Progress | None = None
        if console is not None and console.is_terminal:
            columns = (TextColumn("  {task.description}"), BarColumn(bar_width=30))
            counted = TextColumn("{task.completed:g} of {task.total:g}")
            self._bar = Progress(*columns, counted, TimeRemainingColumn(compact=True), console=console)
            self._task = self._bar.add_task(name, total=total)

    def advance(self) -> None:
        """Count one more."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)
        elif self._console is not None and 10 * self._done // self._total > 10 * (self._done - 1) // self._total:
            left_s = (time.monotonic() - self._start) / self._done * (self._total - self._done)
            line = f"  {self._name}: {self._done} of {self._total}, {left_s:.0f} s left"
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _left(ps: float, ns_per_day: float) -> str:
    """Return how long a number of ps takes, as hours, minutes and seconds."""
    if ns_per_day <= 0:
        return "-:--:--"
    return str(timedelta(seconds=round(ps / 1000 / ns_per_day * 86400)))


class Together(AbstractContextManager["Together"]):
    """Many runs at once: a bar for each that runs and one for all; where there is no terminal, a line for each 20th.

    Parameters
    ----------
    totals
        How many ps each run has to go, by its name.
    console
        Nothing is shown without one.
    """

    def __init__(self, totals: Mapping[str, float], console: Console | None = None) -> None:
        self._totals, self._console = dict(totals), console
        self._done = dict.fromkeys(totals, 0.0)
        self._speeds: dict[str, float] = {}
        self._n_ended, self._next = 0, 0.05
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        if console is not None and console.is_terminal:
            columns = (TextColumn("  {task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[text]}"))
            self._bars = Progress(*columns, console=console)
            self._all = self._bars.add_task("all", total=self._total, text="")

    @property
    def _total(self) -> float:
        return sum(self._totals.values())

    def say(self, text: str) -> None:
        """Show one line."""
        console = self._console if self._bars is None else self._bars.console
        if console is not None:
            console.print(text, highlight=False, markup=False, soft_wrap=True)

    def note(self, name: str, text: str) -> None:
        """Show one line of a run."""
        self.say(f"  {name}: {text.strip()}")

    def update(self, name: str, stage: str, done_ps: float, ns_per_day: float) -> None:
        """Say where a run is, in ps from its beginning, and how fast it goes."""
        self._done[name], self._speeds[name] = done_ps, ns_per_day
        if self._bars is not None:
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=self._totals[name], text="")
            left = _left(self._totals[name] - done_ps, ns_per_day)
            text = f"{stage}  {done_ps:.4g} of {self._totals[name]:g} ps  {ns_per_day:.3g} ns/day  {left}"
            self._bars.update(self._tasks[name], completed=done_ps, text=text)
        self._show_all()

    def end(self, name: str, is_done: bool) -> None:
        """Say that a run has ended."""
        self._n_ended += 1
        self._speeds.pop(name, None)
        if is_done:
            self._done[name] = self._totals[name]
        if self._bars is not None and name in self._tasks:
            self._bars.remove_task(self._tasks.pop(name))
        self._show_all()

    def _show_all(self) -> None:
        done, speed = sum(self._done.values()), sum(self._speeds.values())
        text = f"{self._n_ended} of {len(self._totals)} ended"
        if self._speeds:
            left = _left(self._total - done, speed)
            text += f", {len(self._speeds)} running, {speed:.3g} ns/day together, {left} left"
        if self._bars is not None:
            self._bars.update(self._all, completed=done, text=text)
        elif done >= self._next * self._total and self._speeds:
            self._next = done / self._total + 0.05
            self.say(f"  {100 * done / self._total:.0f} % of {self._total / 1000:.4g} ns: {text}")

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()
