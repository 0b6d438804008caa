"""The parts of a page that are turned by hand: the box of a run and its typical shells."""

from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from solvshell import figures
from solvshell.analysis.presence import real_atoms
from solvshell.analysis.sources import open_production, whole_trajectory
from solvshell.analysis.typical.export import FOLDER
from solvshell.report_tables import typical_shells
from solvshell.shown import Shown
from solvshell.snapshot import Frame, frame_of, plot_snapshot
from solvshell.species import select_species
from solvshell.viewer import Scene, scene_of_frame, scene_of_shell

_PAIR = ["center", "partner", "site"]


@dataclass(frozen=True)
class Views:
    """What there is to look at: scenes of boxes and of shells, and a figure of the box; none of what is not there."""

    boxes: list[Scene]
    shells: list[Scene]
    picture: Figure | None


NO_VIEWS = Views([], [], None)


@dataclass(frozen=True)
class LastFrame:
    """The last frame of a run that its analysis has used, with the cutoffs and colors of the pairs counted there."""

    frame: Frame
    cutoffs: dict[tuple[str, str, str], float]
    colors: dict[str, str]

    def scene(self, title: str) -> Scene:
        """Return it as something to turn."""
        return scene_of_frame(self.frame, self.cutoffs, self.colors, title)


def last_frame(shown: Shown) -> LastFrame | None:
    """Return the last frame that was used, or None where there is no trajectory (any more)."""
    run, stop = shown.run, shown.summary["frames"].get("stop")
    if run is None or not run.trajectory_path.is_file():
        return None
    with whole_trajectory(run) as trajectory:
        universe, presence = open_production(run, trajectory)
        universe.trajectory[min(stop or len(universe.trajectory), len(universe.trajectory)) - 1]
        frame = frame_of(universe, select_species(run.box.recipe.entries), real_atoms(universe, presence).indices)
    coordination = shown.tables["coordination"]
    counted = shown.tables["peaks"].merge(coordination[_PAIR], on=_PAIR).dropna(subset=["cutoff_angstrom"])
    cutoffs = {(row.center, row.partner, row.site): row.cutoff_angstrom for row in counted.itertuples()}
    return LastFrame(frame, cutoffs, figures.partner_colors(coordination.partner))


def _shell_scenes(shown: Shown, partners: list[str]) -> list[Scene]:
    index = typical_shells(shown.folder, shown.summary)
    scenes = []
    for row in () if index is None else index.itertuples():
        scene = scene_of_shell(shown.folder / FOLDER / row.file, partners)
        scenes.append(replace(scene, title=f"{scene.title} ({100 * row.fraction:.0f} %)"))
    return scenes


def views_of(shown: Shown) -> Views:
    """Return what there is to look at in an analyzed run, or in a folder of tables, which knows no box."""
    partners = list(dict.fromkeys(shown.tables["coordination"].partner))
    shells = _shell_scenes(shown, partners)
    last = last_frame(shown)
    if last is None:
        return Views([], shells, None)
    ranked = list(shown.tables["shells"].sort_values("fraction", ascending=False).composition)
    picture = plot_snapshot(last.frame, last.cutoffs, ranked, last.colors, "The box")
    return Views([last.scene("the box")], shells, picture)
