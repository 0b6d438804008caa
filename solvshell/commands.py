"""What each command does: it reads its arguments, calls the package and says what came out."""

import argparse
import math
import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solvshell.console import ERR, OUT
from solvshell.errors import InvalidInput, WorkFailed

if TYPE_CHECKING:
    from solvshell.box import Box
    from solvshell.protocol import Protocol
    from solvshell.reservoir import Reservoir
    from solvshell.run import Run


def _say(line: str) -> None:
    OUT.print(line, markup=False)


def demo(arguments: argparse.Namespace) -> None:
    """Run the whole pipeline on shipped inputs."""
    from solvshell.demo import run_demo
    from solvshell.progress import progress_on

    page = run_demo(
        arguments.out,
        protocol=arguments.protocol,
        platform=arguments.platform,
        progress=lambda: progress_on(OUT),
        say=_say,
    )
    _say(f"the page: {page.resolve()}")


def _describe(box: "Box") -> None:
    """Say what is in a box that was built."""
    from solvshell.box import describe_polymer

    _say(f"{box.recipe.title}")
    for name, count in box.counts.items():
        _say(f"  {name:<6} {count:>7}   rounding {100 * box.provenance['rounding'][name]:+.2f} %")
    if box.recipe.composition.salt is not None:
        cation = box.recipe.composition.salt.cation
        _say(f"  {box.molality(cation):.3f} mol {cation} per kg of solvents")
    if not any(entry.center for entry in box.recipe.entries.values()):
        _say("  no simple cation: it can be run, but analyze has nothing to center on")
    for line in describe_polymer(box):
        _say(f"  {line}")
    side = box.volume_nm3 ** (1 / 3)
    _say(f"  {box.n_atoms} atoms in {side:.3f} nm at {box.density_g_cm3:.3f} g/cm3 as packed")


def _refuse_beside(arguments: argparse.Namespace, option: str, others: Sequence[str]) -> None:
    """Refuse options that do not belong beside another one."""
    for other in others:
        if getattr(arguments, other) is not None:
            raise InvalidInput(f"--{other}: does not belong beside --{option}, which is one box")


def build(arguments: argparse.Namespace) -> None:
    """Build a box, or replicas."""
    from solvshell.box import Box
    from solvshell.build import build_box, build_replicas
    from solvshell.folders import replicas_of
    from solvshell.recipe import load_recipe

    recipe = load_recipe(arguments.recipe)
    if arguments.polymer_fraction is not None:
        recipe = recipe.with_polymer_fraction(arguments.polymer_fraction)
    if arguments.ion_charge_scale is not None:
        recipe = recipe.with_ion_charge_scale(arguments.ion_charge_scale)
    how = {key: getattr(arguments, key) for key in ("seed", "n_salt", "n_molecules")}
    if arguments.replica is not None:
        _refuse_beside(arguments, "replica", ("replicas", "workers"))
        (path,) = build_replicas(recipe, 1, arguments.out, first=arguments.replica, console=OUT, **how)
        _describe(Box.load(path))
        _say(f"the box: {path}")
        return
    if arguments.replicas is not None:
        workers = 1 if arguments.workers is None else arguments.workers
        boxes = build_replicas(recipe, arguments.replicas, arguments.out, workers=workers, console=OUT, **how)
        _describe(Box.load(boxes[0]))
        _say(f"{len(boxes)} replicas, each with its own packing: {boxes[0]} ... {boxes[-1].name}")
        if more := [box.name for box in replicas_of(arguments.out) if box not in boxes]:
            _say(f"there are more in {arguments.out}, which 'solvshell run' takes too: {', '.join(more)}")
        return
    if arguments.workers is not None:
        raise InvalidInput("--workers: is for --replicas; one box is built by one process")
    if arguments.out.exists():
        raise InvalidInput(f"--out: {arguments.out} exists; give another folder, or remove this one")
    box = build_box(recipe, say=_say, **how)
    box.save(arguments.out)
    _describe(box)
    _say(f"the box: {arguments.out}")


def _at_temperature(protocols: Mapping[str | None, "Protocol"], text: str) -> "Protocol":
    """Return a protocol at a temperature that was given as text."""
    from solvshell.units import parse

    if len(protocols) > 1:
        raise InvalidInput("--temperature: the protocol is a series of temperatures, and has its own")
    try:
        kelvin = parse(text, "temperature")
    except ValueError as error:
        raise InvalidInput(f"--temperature: {error}") from None
    if kelvin <= 0:
        raise InvalidInput(f"--temperature: above 0 K, got {text}")
    (protocol,) = protocols.values()
    return protocol.at_temperature(kelvin)


def run(arguments: argparse.Namespace) -> None:
    """Run a box, or several."""
    from solvshell.engine import choose_platform
    from solvshell.folders import boxes_of, open_runs
    from solvshell.md import run_all, simulate
    from solvshell.md.gpu_places import see_one_gpu
    from solvshell.progress import progress_on
    from solvshell.protocol import load_protocols

    if arguments.at_once is not None and arguments.at_once < 1:
        raise InvalidInput(f"--at-once: at least 1, got {arguments.at_once}")
    protocols = load_protocols(arguments.protocol, arguments.reservoir)
    if arguments.temperature is not None:
        protocols = {None: _at_temperature(protocols, arguments.temperature)}
    if arguments.at_once is not None and len(protocols) == len(boxes_of(arguments.box)) == 1:
        raise InvalidInput(f"--at-once: is for several runs; {arguments.box} is one box, at one temperature")
    is_alone = boxes_of(arguments.box) == [arguments.box] and len(protocols) == 1
    if arguments.stop_before_production and not is_alone:
        raise InvalidInput("--stop-before-production: is for one box at one temperature")
    if is_alone:
        see_one_gpu(arguments.platform, os.environ)  # before a platform looks at its devices
    choose_platform(arguments.platform)  # one that does not work here must not leave a folder behind
    runs = open_runs(arguments.out, arguments.box, protocols, arguments.seed)
    if all(run.is_done for run in runs):
        _say(f"{arguments.out}: done already")
        return
    if arguments.stop_before_production:
        simulate(runs[0], arguments.platform, progress_on(OUT), stop_before_production=True)
        _say(f"equilibrated: {arguments.out}; the same command without --stop-before-production goes on")
        return
    if is_alone:
        simulate(runs[0], arguments.platform, progress_on(OUT))
    else:
        run_all(runs, platform=arguments.platform, at_once=arguments.at_once, console=OUT)
    _say(f"done: {arguments.out}; next: solvshell analyze {shlex.quote(str(arguments.out))}")


def _refuse_of_recipes(arguments: argparse.Namespace) -> None:
    """Refuse the options that say how runs are made, where they are there."""
    for option in ("open", "protocol", "n_salt", "n_molecules", "replicas", "work", "platform", "seed", "at_once"):
        if getattr(arguments, option) not in (None, []):
            raise InvalidInput(f"--{option.replace('_', '-')}: is for a recipe; the runs are there")


def _reservoir_of(arguments: argparse.Namespace) -> "Reservoir":
    """Return the reservoir of runs that are there, or of a recipe."""
    from solvshell.folders import runs_of
    from solvshell.free_energy.reservoirs import reservoir_of_runs
    from solvshell.make_reservoir import PROTOCOL, make_reservoir
    from solvshell.recipe import load_recipe

    folders = [Path(source) for source in arguments.source]
    if folders[0].is_dir():
        _refuse_of_recipes(arguments)
        return reservoir_of_runs([run for folder in folders for run in runs_of(folder)])
    if len(folders) > 1:
        raise InvalidInput(f"RECIPE: one recipe, or folders of runs, got {', '.join(arguments.source)}")
    return make_reservoir(
        load_recipe(arguments.source[0]),
        arguments.work or arguments.out.with_name(f"{arguments.out.stem}-runs"),
        open_species=arguments.open,
        protocol=PROTOCOL if arguments.protocol is None else arguments.protocol,
        n_salt=arguments.n_salt,
        n_molecules=arguments.n_molecules,
        replicas=1 if arguments.replicas is None else arguments.replicas,
        seed=arguments.seed or 0,
        platform=arguments.platform,
        at_once=arguments.at_once,
        console=OUT,
    )


def reservoir(arguments: argparse.Namespace) -> None:
    """Measure the chemical potentials of a bulk."""
    from solvshell.files import to_yaml, write_atomically
    from solvshell.free_energy.reservoirs import reservoir_lines

    if arguments.out.exists():
        raise InvalidInput(f"--out: {arguments.out} exists; give another file, or remove this one")
    if not arguments.out.parent.is_dir():
        raise InvalidInput(f"--out: {arguments.out.parent} is no folder")
    found = _reservoir_of(arguments)
    write_atomically(arguments.out, to_yaml(found))
    for line in reservoir_lines(found):
        _say(line)
    shown = shlex.quote(str(arguments.out))
    _say(f"done: {arguments.out}; next: solvshell run BOX --protocol grand-canonical --reservoir {shown} --out RUN")


def _foreign(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `analyze_trajectory` takes, of the options for a trajectory that is no run of ours."""
    from solvshell.files import read_yaml, validate
    from solvshell.species import FrameSettings, SpeciesFile

    missing = [f"--{key}" for key in ("topology", "trajectory", "out") if getattr(arguments, key) is None]
    if missing:
        raise InvalidInput(f"{', '.join(missing)}: missing; give a RUN, or all of --topology --trajectory --out")
    if arguments.species is not None and (arguments.allow_unknown or arguments.write_species):
        option = "--allow-unknown" if arguments.allow_unknown else "--write-species"
        raise InvalidInput(f"{option}: is for species that are to be found; --species states them")
    frames = {key: getattr(arguments, key) for key in ("timestep_ps", "cell_angstrom")}
    return {
        "topology": arguments.topology,
        "trajectory": arguments.trajectory,
        "species": None if arguments.species is None else read_yaml(arguments.species, SpeciesFile),
        **validate(FrameSettings, frames, "options").model_dump(),
    }


def _pass(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `analyze` takes, of the options for the one pass over a trajectory of either kind."""
    for option in ("step", "workers", "energy_frames"):
        number = getattr(arguments, option)
        if number is not None and number < 1:
            raise InvalidInput(f"--{option.replace('_', '-')}: at least 1, got {number}")
    if arguments.temperature_k is not None and not 0 < arguments.temperature_k < math.inf:
        raise InvalidInput(f"--temperature-k: above 0, got {arguments.temperature_k:g}")
    settings = {key: getattr(arguments, key) for key in ("start", "stop", "step", "r_max", "energy_frames")}
    given = {key: value for key, value in settings.items() if value is not None}
    given["energies"] = not arguments.no_energies
    if (arguments.workers or 1) > 1:  # MDAnalysis has no progress bar for many
        return given | {"backend": "multiprocessing", "n_workers": arguments.workers}
    return given | {"verbose": OUT.is_terminal}


def _write_species(path: Path, foreign: dict[str, Any]) -> None:
    from solvshell.analysis.reading.frames import as_universe
    from solvshell.analysis.reading.recognize import known_species, species_yaml
    from solvshell.files import write_atomically

    found, _ = known_species(as_universe(**{key: value for key, value in foreign.items() if key != "species"}))
    write_atomically(path, species_yaml(found))
    _say(f"species: {path}")


def _refuse_pass(arguments: argparse.Namespace, run: "Run") -> None:
    """Refuse the options for the pass over a trajectory, which a run without shells to count does not get."""
    options = ("start", "stop", "step", "r_max", "energy_frames", "workers")
    given = [option for option in options if getattr(arguments, option) is not None]
    given += ["no_energies"] if arguments.no_energies else []
    if given:
        names = ", ".join(f"--{option.replace('_', '-')}" for option in given)
        why = "has no cation to center on: all of its moves are taken"
        if run.protocol.windows is not None:
            why = "ends in windows: all of their records are taken"
        raise InvalidInput(f"{names}: of no use to {run.path}, which {why}")


def _has_no_shells(run: "Run") -> bool:
    """Return whether a run offers something else than first shells: a free energy, or how many molecules there are."""
    from solvshell.analysis.grand_canonical.of_run import is_alone

    return run.protocol.windows is not None or is_alone(run)


def _analyze_without_shells(run: "Run", out: Path) -> None:
    from solvshell.analysis.grand_canonical.lines import grand_canonical_lines
    from solvshell.analysis.grand_canonical.of_run import write_grand_canonical
    from solvshell.free_energy.of_run import analyze_windows

    if run.protocol.windows is not None:
        lines: Iterable[str] = analyze_windows(run, out)
    else:
        lines = grand_canonical_lines(write_grand_canonical(run, out)["grand_canonical"])
    for line in lines:
        _say(line)
    _say(f"tables: {out}")


def _in_turn(path: Path, work: Callable[["Run"], None]) -> None:
    """Do something with a run, or with each finished one of a folder: one that fails does not stop the others."""
    from solvshell.folders import runs_of

    runs = runs_of(path)
    if [run.path for run in runs] == [path]:
        work(runs[0])
        return
    unfinished = [run for run in runs if not run.is_done]
    for run in unfinished:
        _say(f"left out: {run.path} is not finished")
    finished = [run for run in runs if run.is_done]
    if not finished:
        raise InvalidInput(f"{path}: none of its {len(runs)} runs is finished; 'solvshell run' goes on with them")
    failed: dict[Path, Exception] = {}
    for run in finished:
        _say(f"{run.path}:")
        try:
            work(run)
        except (InvalidInput, WorkFailed) as error:
            failed[run.path] = error
            ERR.print(f"  failed: {error}")
    first = next(iter(failed.values()), None)
    if len(failed) == len(finished) and isinstance(first, InvalidInput):
        raise first
    if failed:
        raise WorkFailed(f"{len(failed)} of {len(finished)} runs: {', '.join(map(str, failed))}")


def _analyze_folder(arguments: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Analyze each run of a folder, then all of them together."""
    from solvshell.folders import runs_of
    from solvshell.joined import analyze_runs

    folder = arguments.run
    if any(_has_no_shells(run) for run in runs_of(folder)):
        if arguments.out is not None:
            raise InvalidInput(f"--out: {folder} holds runs without shells to count; each has its own tables")
        for run in runs_of(folder):
            _refuse_pass(arguments, run)
        _in_turn(folder, lambda run: _analyze_without_shells(run, run.analysis_path))
        return
    found = analyze_runs(folder, arguments.out, say=_say, **settings)
    for line in found.headline():
        _say(line)
    _say(f"joined tables: {arguments.out or folder / 'analysis'}")
    if found.failed:
        raise WorkFailed("; ".join(f"{name}: {reason}" for name, reason in found.failed.items()))


def analyze(arguments: argparse.Namespace) -> None:
    """Measure a run, several, or a trajectory of anybody."""
    from solvshell.analysis import analyze_run, analyze_trajectory, headline
    from solvshell.folders import is_folder_of_several
    from solvshell.run import Run

    settings = _pass(arguments)
    if arguments.run is not None:
        options = (
            "topology",
            "trajectory",
            "species",
            "timestep_ps",
            "cell_angstrom",
            "temperature_k",
            "allow_unknown",
            "write_species",
            "system",
        )
        if any(getattr(arguments, option) for option in options):
            raise InvalidInput("give either a RUN or --topology and --trajectory with their options, not both")
        if is_folder_of_several(arguments.run):
            _analyze_folder(arguments, settings)
            return
        run = Run.load(arguments.run)
        out = arguments.out or run.analysis_path
        if _has_no_shells(run):
            _refuse_pass(arguments, run)
            _analyze_without_shells(run, out)
            return
        analysis = analyze_run(run, out, **settings)
    else:
        foreign = _foreign(arguments)
        out = arguments.out
        if arguments.write_species is not None:
            _write_species(arguments.write_species, foreign)
        settings |= {key: getattr(arguments, key) for key in ("system", "temperature_k", "allow_unknown")}
        analysis = analyze_trajectory(**foreign, directory=out, **settings)
        for key in ("species", "left_out", "bonds", "elements", "time_step", "cell"):
            if key in analysis.summary["source"]:
                _say(f"  {key.replace('_', ' ')}: {analysis.summary['source'][key]}")
    for line in headline(analysis.summary):
        _say(line)
    _say(f"tables: {out}")


def _refuse_out(arguments: argparse.Namespace, paths: Sequence[Path], own: str) -> None:
    """Refuse one folder for the tables of several runs."""
    from solvshell.folders import is_folder_of_several

    if arguments.out is not None and (len(paths) > 1 or is_folder_of_several(paths[0])):
        raise InvalidInput(f"--out: for one RUN; each of several has its own tables, in RUN/{own}")


def binding(arguments: argparse.Namespace) -> None:
    """Compute binding energies of clusters of a run."""
    from solvshell.binding import binding_of_run

    def work(run: "Run") -> None:
        found = binding_of_run(
            run,
            arguments.method,
            arguments.out,
            phases=arguments.phase,
            relax=arguments.relax,
            dielectric=arguments.dielectric,
            workers=arguments.workers,
            cache=arguments.cache,
            n_compositions=arguments.n_compositions,
            per_composition=arguments.per_composition,
            console=OUT,
        )
        _say(found.headline())
        _say(f"tables: {arguments.out or run.path / 'binding'}")

    _refuse_out(arguments, [arguments.run], "binding")
    _in_turn(arguments.run, work)


def infrared(arguments: argparse.Namespace) -> None:
    """Compute shifts of the C=O stretch."""
    from solvshell.infrared import measure_infrared

    def work(run: "Run") -> None:
        found = measure_infrared(
            run,
            directory=arguments.out,
            species=tuple(arguments.species) or None,
            wanted=arguments.clusters,
            dielectric=arguments.dielectric,
            workers=arguments.workers,
            cache=arguments.cache,
            console=OUT,
        )
        for line in found.headline():
            _say(line)
        _say(f"tables: {found.directory}")

    _refuse_out(arguments, arguments.run, "infrared")
    for path in arguments.run:
        _in_turn(path, work)


def report(arguments: argparse.Namespace) -> None:
    """Write a page."""
    from solvshell.report import write_report

    write_report(arguments.run, arguments.out)
    _say(f"the page: {arguments.out.resolve()}")


def compare(arguments: argparse.Namespace) -> None:
    """Compare systems."""
    from solvshell.comparison import summary_lines, write_comparison

    found = write_comparison(arguments.system, arguments.out)
    for line in summary_lines(found):
        _say(line)
    _say(f"the page: {(arguments.out / 'index.html').resolve()}")


def export(arguments: argparse.Namespace) -> None:
    """Write a box for another engine."""
    from solvshell.box import Box
    from solvshell.export import FORMATS, export_box
    from solvshell.folders import boxes_of, is_folder_of_several, replicas_of, runs_of
    from solvshell.run import Run

    path, out = arguments.box, arguments.out
    if is_folder_of_several(path) and not any((one / "topology.cif").is_file() for one in replicas_of(path)):
        one = runs_of(path)[0].path
        raise InvalidInput(f"{path}: holds several runs; give one of them, such as {one}, or the boxes they began with")
    if (path / "protocol.yaml").is_file():
        boxes = {out: Run.load(path).box}
        _say(f"{path}: is a run; its box is taken, as it was before the run")
    elif is_folder_of_several(path):
        boxes = {out / box.name: Box.load(box) for box in boxes_of(path)}
    else:
        boxes = {out: Box.load(path)}
    for folder, box in boxes.items():
        for file in export_box(box, arguments.format, folder):
            _say(f"  {file}")
        _say(f"run it: cd {folder} && {FORMATS[arguments.format].command}")


def spatial(arguments: argparse.Namespace) -> None:
    """Write densities in space."""
    from solvshell.analysis.spatial.by_name import spatial_of_run
    from solvshell.analysis.spatial.density import check_path, write_spatial

    check_path(arguments.out)
    settings = {key: getattr(arguments, key) for key in ("r_max", "spacing", "fit_atoms", "step")}
    given = {key: value for key, value in settings.items() if value is not None}

    def work(run: "Run") -> None:
        found = spatial_of_run(run, arguments.around, arguments.of, verbose=OUT.is_terminal, **given)
        inside = "-".join(run.path.relative_to(arguments.run).parts)
        out = arguments.out.with_stem(f"{arguments.out.stem}-{inside}") if inside else arguments.out
        write_spatial(found, out)
        highest = found.density.grid.max()
        _say(
            f"  {found.n_molecules:g} {arguments.around} in {found.n_frames} frames; "
            f"highest: {highest:.3g} times the bulk"
        )
        _say(f"spatial distribution: {out}")

    _in_turn(arguments.run, work)


def verify(arguments: argparse.Namespace) -> None:
    """Check a folder against its records, or tell how to make it again."""
    from solvshell.verify import remake_commands, verify

    if arguments.remake:
        for line in remake_commands(arguments.folder):
            _say(line)
        return
    found = []
    for one in verify(arguments.folder):
        found.append(one)
        _say(f"{one.verdict:<12}  {one.path}{': ' * bool(one.words)}{one.words}")
    counts = Counter(one.verdict for one in found)
    _say(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    if bad := [str(one.path) for one in found if one.is_bad]:
        raise WorkFailed(f"{arguments.folder}: not as recorded: {', '.join(dict.fromkeys(bad))}")


def doctor(arguments: argparse.Namespace) -> None:
    """Say what this machine has."""
    from solvshell.doctor import examine

    for line in examine(0.0 if arguments.no_speed else 5.0):
        _say(line)


#: those that go on where they were stopped; so does `build` with replicas
RESUMABLE = (run, reservoir, demo, binding, infrared)
