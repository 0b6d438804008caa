"""The whole pipeline on shipped inputs, with and without polymer: recipe -> box -> run -> tables -> one page."""

from collections.abc import Callable
from pathlib import Path

from solvshell.box import Box
from solvshell.engine import choose_platform
from solvshell.errors import InvalidInput
from solvshell.files import write_atomically
from solvshell.progress import Silent
from solvshell.protocol import load_protocol
from solvshell.recipe import load_recipe
from solvshell.run import Run, open_run

#: recipe and number of formula units of salt; the second box holds one chain of four units and 16 nitrates
SYSTEMS = {"lb003": 8, "lb003_pota-no3": 8}
PROTOCOL = "demo"


def _box(recipe_name: str, n_salt: int, path: Path, say: Callable[[str], None]) -> Box:
    recipe = load_recipe(recipe_name)
    if path.exists():
        box = Box.load(path)
        if box.recipe != recipe.model_copy(update={"n_salt": n_salt}):
            raise InvalidInput(f"{path}: holds a box of another recipe ({box.recipe.name}); give another --out")
        return box
    from solvshell.build import build_box

    box = build_box(recipe, n_salt=n_salt, say=say)
    box.save(path)
    say(f"  {', '.join(f'{count} {name}' for name, count in box.counts.items())}: {box.n_atoms} atoms")
    return box


def run_demo(
    out: Path,
    *,
    protocol: str = PROTOCOL,
    platform: str | None = None,
    progress: Callable[[], Silent] = Silent,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Bring the demonstration to its end, from wherever it stands, and return the path of its page.

    Parameters
    ----------
    out : Path
        Gets ``<recipe>/box``, ``<recipe>/run`` (tables in ``run/analysis``), ``<recipe>/report.html``, the tables and
        figures of the comparison in ``comparison/``, and its page as ``report.html``.
    protocol : str
        Name or path of a protocol.
    platform : str, optional
        OpenMM platform; the fastest that works if left out.
    progress, say : callable
        Make a progress display; show a line.

    Raises
    ------
    InvalidInput, WorkFailed, Interrupted
        As the steps do.
    """
    from solvshell.analysis import analyze_run, headline
    from solvshell.comparison import summary_lines, write_comparison
    from solvshell.md import simulate
    from solvshell.report import write_report

    choose_platform(platform)
    how = load_protocol(protocol)
    runs: list[Run] = []
    for name, n_salt in SYSTEMS.items():
        say(f"{name}: build")
        _box(name, n_salt, out / name / "box", say)
        say(f"{name}: run")
        run = open_run(out / name / "run", out / name / "box", how)
        simulate(run, platform, progress())
        say(f"{name}: analyze")
        for line in headline(analyze_run(run).summary):
            say(line)
        write_report([run.path], out / name / "report.html")
        say(f"  its own page: {out / name / 'report.html'}")
        runs.append(run)
    say("compare")
    comparison = write_comparison([run.path for run in runs], out / "comparison")
    for line in summary_lines(comparison):
        say(line)
    page = out / "report.html"
    write_atomically(page, (out / "comparison" / "index.html").read_text(encoding="utf-8"))
    return page
