"""The commands. Each one reads its arguments, calls the package and says what came out; exit status as in `main`."""

import argparse
import math
import shlex
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solvshell import __version__
from solvshell.console import LastingConsole
from solvshell.errors import Interrupted, InvalidInput, WorkFailed

if TYPE_CHECKING:
    from solvshell.box import Box
    from solvshell.run import Run

_OUT = LastingConsole(highlight=False, soft_wrap=True)
_ERR = LastingConsole(stderr=True, highlight=False, soft_wrap=True, markup=False)


def _say(line: str) -> None:
    _OUT.print(line, markup=False)


def _demo(arguments: argparse.Namespace) -> None:
    from solvshell.demo import run_demo
    from solvshell.progress import progress_on

    page = run_demo(
        arguments.out,
        protocol=arguments.protocol,
        platform=arguments.platform,
        progress=lambda: progress_on(_OUT),
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


def _build(arguments: argparse.Namespace) -> None:
    from solvshell.box import Box
    from solvshell.build import build_box, build_replicas
    from solvshell.folders import replicas_of
    from solvshell.recipe import load_recipe

    recipe = load_recipe(arguments.recipe)
    if arguments.polymer_fraction is not None:
        recipe = recipe.with_polymer_fraction(arguments.polymer_fraction)
    how = {key: getattr(arguments, key) for key in ("seed", "n_salt", "n_molecules")}
    if arguments.replicas is not None:
        workers = 1 if arguments.workers is None else arguments.workers
        boxes = build_replicas(recipe, arguments.replicas, arguments.out, workers=workers, console=_OUT, **how)
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


def _run(arguments: argparse.Namespace) -> None:
    from solvshell.engine import choose_platform
    from solvshell.folders import boxes_of, open_runs
    from solvshell.md import run_all, simulate
    from solvshell.progress import progress_on
    from solvshell.protocol import load_protocols

    if arguments.at_once is not None and arguments.at_once < 1:
        raise InvalidInput(f"--at-once: at least 1, got {arguments.at_once}")
    choose_platform(arguments.platform)  # a platform that does not work here must not leave a folder behind
    protocols = load_protocols(arguments.protocol)
    if arguments.at_once is not None and len(protocols) == len(boxes_of(arguments.box)) == 1:
        raise InvalidInput(f"--at-once: is for several runs; {arguments.box} is one box, at one temperature")
    runs = open_runs(arguments.out, arguments.box, protocols, arguments.seed)
    if all(run.is_done for run in runs):
        _say(f"{arguments.out}: done already")
        return
    if [run.path for run in runs] == [arguments.out]:
        simulate(runs[0], arguments.platform, progress_on(_OUT))
    else:
        run_all(runs, platform=arguments.platform, at_once=arguments.at_once, console=_OUT)
    _say(f"done: {arguments.out}; next: solvshell analyze {shlex.quote(str(arguments.out))}")


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
    return given | {"verbose": _OUT.is_terminal}


def _write_species(path: Path, foreign: dict[str, Any]) -> None:
    from solvshell.analysis.reading.frames import as_universe
    from solvshell.analysis.reading.recognize import known_species, species_yaml
    from solvshell.files import write_atomically

    found, _ = known_species(as_universe(**{key: value for key, value in foreign.items() if key != "species"}))
    write_atomically(path, species_yaml(found))
    _say(f"species: {path}")


def _refuse_pass(arguments: argparse.Namespace, run: "Run") -> None:
    """Refuse the options for the pass over a trajectory, which a run that ends in windows does not get."""
    options = ("start", "stop", "step", "r_max", "energy_frames", "workers")
    given = [option for option in options if getattr(arguments, option) is not None]
    given += ["no_energies"] if arguments.no_energies else []
    if given:
        names = ", ".join(f"--{option.replace('_', '-')}" for option in given)
        raise InvalidInput(f"{names}: of no use to {run.path}, which ends in windows: all of their records are taken")


def _analyze_windows(run: "Run", out: Path) -> None:
    from solvshell.free_energy.of_run import analyze_windows

    for line in analyze_windows(run, out):
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
            _ERR.print(f"  failed: {error}")
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
    if any(run.protocol.windows is not None for run in runs_of(folder)):
        if arguments.out is not None:
            raise InvalidInput(f"--out: {folder} holds runs that end in windows; each has its own tables")
        for run in runs_of(folder):
            _refuse_pass(arguments, run)
        _in_turn(folder, lambda run: _analyze_windows(run, run.analysis_path))
        return
    found = analyze_runs(folder, arguments.out, say=_say, **settings)
    for line in found.headline():
        _say(line)
    _say(f"joined tables: {arguments.out or folder / 'analysis'}")
    if found.failed:
        raise WorkFailed("; ".join(f"{name}: {reason}" for name, reason in found.failed.items()))


def _analyze(arguments: argparse.Namespace) -> None:
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
        if run.protocol.windows is not None:
            _refuse_pass(arguments, run)
            _analyze_windows(run, out)
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


def _binding(arguments: argparse.Namespace) -> None:
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
            console=_OUT,
        )
        _say(found.headline())
        _say(f"tables: {arguments.out or run.path / 'binding'}")

    _refuse_out(arguments, [arguments.run], "binding")
    _in_turn(arguments.run, work)


def _infrared(arguments: argparse.Namespace) -> None:
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
            console=_OUT,
        )
        for line in found.headline():
            _say(line)
        _say(f"tables: {found.directory}")

    _refuse_out(arguments, arguments.run, "infrared")
    for path in arguments.run:
        _in_turn(path, work)


def _report(arguments: argparse.Namespace) -> None:
    from solvshell.report import write_report

    write_report(arguments.run, arguments.out)
    _say(f"the page: {arguments.out.resolve()}")


def _compare(arguments: argparse.Namespace) -> None:
    from solvshell.comparison import summary_lines, write_comparison

    found = write_comparison(arguments.system, arguments.out)
    for line in summary_lines(found):
        _say(line)
    _say(f"the page: {(arguments.out / 'index.html').resolve()}")


def _export(arguments: argparse.Namespace) -> None:
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


def _spatial(arguments: argparse.Namespace) -> None:
    from solvshell.analysis.spatial.by_name import spatial_of_run
    from solvshell.analysis.spatial.density import check_path, write_spatial

    check_path(arguments.out)
    settings = {key: getattr(arguments, key) for key in ("r_max", "spacing", "fit_atoms", "step")}
    given = {key: value for key, value in settings.items() if value is not None}

    def work(run: "Run") -> None:
        found = spatial_of_run(run, arguments.around, arguments.of, verbose=_OUT.is_terminal, **given)
        inside = "-".join(run.path.relative_to(arguments.run).parts)
        out = arguments.out.with_stem(f"{arguments.out.stem}-{inside}") if inside else arguments.out
        write_spatial(found, out)
        highest = found.density.grid.max()
        _say(
            f"  {found.n_molecules} {arguments.around} in {found.n_frames} frames; "
            f"highest: {highest:.3g} times the bulk"
        )
        _say(f"spatial distribution: {out}")

    _in_turn(arguments.run, work)


def _verify(arguments: argparse.Namespace) -> None:
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


def _doctor(arguments: argparse.Namespace) -> None:
    from solvshell.doctor import examine

    for line in examine(0.0 if arguments.no_speed else 5.0):
        _say(line)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does; a simulation takes both and saves first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="solvshell",
        description="Li+ solvation in battery electrolytes: recipe -> box -> run -> tables -> page.",
        epilog="Exit status: 0 done; 1 the work failed; 2 the request was wrong; 3 stopped, the same command goes on.",
    )
    parser.add_argument("--version", action="version", version=f"solvshell {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: object, summary: str, example: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=f"Example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(function=function)
        return added

    demo = command(
        "demo",
        _demo,
        "the whole pipeline on LB-003 with and without polymer, minutes on two CPU cores",
        "solvshell demo",
    )
    demo.add_argument("--out", type=Path, default=Path("solvshell-demo"), help="folder (default: %(default)s)")
    demo.add_argument("--protocol", default="demo", help="name or path of a protocol (default: %(default)s)")
    demo.add_argument("--platform", help="OpenMM platform; the fastest that works if left out")

    build = command(
        "build",
        _build,
        "pack a recipe into a box, or into several",
        "solvshell build lb003 --n-salt 50 --seed 1 --out box\n"
        "  solvshell build lb003 --n-salt 50 --replicas 8 --workers 4 --out boxes    # then: solvshell run boxes ...",
    )
    build.add_argument("recipe", help="path of a recipe, or name of a shipped one such as lb003")
    build.add_argument(
        "--out", type=Path, required=True, help="folder of the box; must not exist. Of replicas: those there are kept"
    )
    build.add_argument("--n-salt", type=int, help="formula units of salt; scales the whole recipe")
    build.add_argument("--n-molecules", type=int, help="molecules of a salt-free recipe")
    build.add_argument(
        "--polymer-fraction",
        type=float,
        metavar="W",
        help="mass fraction of polymer with its counter-ions, such as 0.1; 0 leaves the polymer out",
    )
    build.add_argument("--seed", type=int, default=0, help="of the packing (default: %(default)s)")
    build.add_argument(
        "--replicas",
        type=int,
        metavar="K",
        help="boxes, each packed by itself, in replica-00 ... inside --out; more of them can be added later",
    )
    build.add_argument("--workers", type=int, metavar="N", help="replicas built at once (default: 1)")

    run = command(
        "run",
        _run,
        "run a box with a protocol; the same command resumes it",
        "solvshell run box --protocol standard --out run\n"
        "  solvshell run boxes --protocol standard --out runs    # all replicas in boxes, several at once\n"
        "  solvshell run boxes --protocol temperatures --out series    # at each temperature\n"
        "  solvshell run box --protocol umbrella-quick --out pull    # then: solvshell analyze pull",
    )
    run.add_argument("box", type=Path, help="folder of a box, or of boxes replica-00, replica-01, ...")
    run.add_argument(
        "--protocol",
        required=True,
        help="path of a protocol, or a shipped one: quick, demo, survey, standard, long, anneal, gel, network; "
        "dynamics for physical times, temperatures for a series; for free energies umbrella, desolvation, decouple; "
        "for a CPU the last five with -quick, as in umbrella-quick",
    )
    run.add_argument("--out", type=Path, required=True, help="folder of the run; resumed if it exists")
    run.add_argument("--platform", help="CUDA, HIP, OpenCL, CPU or Reference; the fastest that works if left out")
    run.add_argument("--seed", type=int, help="of velocities, thermostat and barostat (default: 0)")
    run.add_argument(
        "--at-once",
        type=int,
        metavar="N",
        help="of several runs, how many go at once (default: as many as there are cores; 4 on each GPU, 8 with MPS)",
    )

    analyze = command(
        "analyze",
        _analyze,
        "measure the solvation in a run, or in anybody's trajectory",
        "solvshell analyze run\n"
        "  solvshell analyze runs    # replicas, or temperatures: each of them, then all together in runs/analysis\n"
        "  solvshell analyze run --start 500 --step 2 --workers 4 --out every-second\n"
        "  solvshell analyze --topology topol.tpr --trajectory traj.xtc --out tables\n"
        "  solvshell analyze --topology conf.gro --trajectory traj.xtc --species species.yaml --out tables\n"
        "  solvshell analyze --topology conf.gro --trajectory traj.xtc --system system.xml --out tables",
    )
    analyze.add_argument("run", type=Path, nargs="?", metavar="RUN", help="folder of a run, or of several")
    analyze.add_argument("--topology", type=Path, help="any topology that MDAnalysis reads, or mmCIF")
    analyze.add_argument("--trajectory", type=Path, help="any trajectory that MDAnalysis reads")
    analyze.add_argument("--species", type=Path, help="YAML: centers, partners; shipped species are found if left out")
    analyze.add_argument("--allow-unknown", action="store_true", help="leave out molecules of no shipped species")
    analyze.add_argument("--write-species", type=Path, metavar="FILE", help="write the species found, to go on from")
    analyze.add_argument("--timestep-ps", type=float, metavar="PS", help="time between frames, where the file has none")
    analyze.add_argument(
        "--cell-angstrom",
        type=float,
        nargs="+",
        metavar="L",
        help="3 lengths, or 3 lengths and 3 angles in degrees, where the file has no unit cell",
    )
    analyze.add_argument(
        "--temperature-k", type=float, metavar="K", help="for free energies in kJ/mol; a trajectory does not say it"
    )
    analyze.add_argument(
        "--system",
        type=Path,
        metavar="XML",
        help="serialized openmm.System of the trajectory, for interaction energies; a RUN has its own",
    )
    analyze.add_argument("--no-energies", action="store_true", help="leave out the interaction energies")
    analyze.add_argument(
        "--energy-frames", type=int, metavar="N", help="frames that the energies use at most (default: 1000)"
    )
    analyze.add_argument("--start", type=int, metavar="N", help="first frame, counted from 0; -N counts from the end")
    analyze.add_argument("--stop", type=int, metavar="N", help="the frame before which to stop")
    analyze.add_argument("--step", type=int, metavar="N", help="every Nth frame")
    analyze.add_argument(
        "--r-max", type=float, metavar="A", help="end of g(r) in Å (default: half the box, at most 12)"
    )
    analyze.add_argument("--workers", type=int, metavar="N", help="processes that read the trajectory (default: 1)")
    analyze.add_argument("--out", type=Path, help="folder of the tables (default: RUN/analysis)")

    binding = command(
        "binding",
        _binding,
        "how strongly shells cut from a run, and pairs, are bound, and what each molecule costs to take away",
        "solvshell binding run\n"
        "  solvshell binding run --method ff gfn2 --phase gas continuum --relax --workers 8\n"
        "  solvshell binding run --method dft --n-compositions 1",
    )
    binding.add_argument("run", type=Path, metavar="RUN", help="folder of a run, or of several; analyzed first")
    binding.add_argument(
        "--method",
        nargs="+",
        default=["ff"],
        metavar="NAME",
        help="ff (the box's own), gfn2, dft (pairs and small clusters); default: ff",
    )
    binding.add_argument(
        "--phase", nargs="+", default=["gas"], metavar="NAME", help="gas, continuum (gfn2 and dft); default: gas"
    )
    binding.add_argument("--relax", action="store_true", help="minima too: of clusters, remainders and molecules")
    binding.add_argument(
        "--dielectric", type=float, metavar="E", help="constant of the continuum (default: of the mixture of solvents)"
    )
    binding.add_argument("--n-compositions", type=int, default=8, metavar="N", help="most frequent (default: 8)")
    binding.add_argument("--per-composition", type=int, default=1, metavar="N", help="clusters of each (default: 1)")
    binding.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    binding.add_argument("--cache", type=Path, help="folder of finished calculations (default: the user's cache)")
    binding.add_argument("--out", type=Path, help="folder of the tables (default: RUN/binding)")

    infrared = command(
        "infrared",
        _infrared,
        "how the C=O stretch of carbonates shifts at Li+ and beside a polycation, by GFN2-xTB on clusters of a run",
        "solvshell infrared lb003/run lb003_pota-no3/run --species DMC EC --workers 8",
    )
    infrared.add_argument("run", type=Path, nargs="+", metavar="RUN", help="folder of a run, or of several")
    infrared.add_argument("--species", nargs="+", default=[], metavar="NAME", help="carbonates (default: all)")
    infrared.add_argument(
        "--clusters", type=int, default=10, metavar="N", help="of each class and species (default: 10)"
    )
    infrared.add_argument(
        "--dielectric", type=float, metavar="E", help="constant of the continuum (default: of the mixture of solvents)"
    )
    infrared.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    infrared.add_argument("--cache", type=Path, help="folder of finished calculations (default: the user's cache)")
    infrared.add_argument("--out", type=Path, help="folder of the tables of one RUN (default: RUN/infrared)")

    report = command("report", _report, "one page from analyzed runs", "solvshell report run --out report.html")
    report.add_argument("run", type=Path, nargs="+", metavar="RUN", help="analyzed folder of a run, or of several")
    report.add_argument("--out", type=Path, required=True, help="HTML file")

    compare = command(
        "compare",
        _compare,
        "what differs between analyzed runs, with errors; the first is the reference",
        "solvshell compare lb003/run lb003_pota-no3/run --out comparison",
    )
    compare.add_argument(
        "system",
        type=Path,
        nargs="+",
        metavar="SYSTEM",
        help="folder of an analyzed run, or of such folders replica-00, replica-01, ... of different boxes",
    )
    compare.add_argument("--out", type=Path, required=True, help="folder of the page, the figures and the tables")

    export = command(
        "export",
        _export,
        "the same model for another engine",
        "solvshell export box --format gromacs --out gromacs",
    )
    export.add_argument("box", type=Path, metavar="BOX", help="folder of a box, of a run, or of replica boxes")
    export.add_argument("--format", metavar="{gromacs,amber,lammps}", required=True, help="the engine to write for")
    export.add_argument("--out", type=Path, required=True, help="folder of the files; must not exist")

    spatial = command(
        "spatial",
        _spatial,
        "where a species stands around a molecule, as a density in space",
        "solvshell spatial run --around EC --of Li --out li-around-ec.cube",
    )
    spatial.add_argument(
        "run", type=Path, metavar="RUN", help="folder of a run, or of several: each gets a file of its own"
    )
    spatial.add_argument("--around", required=True, metavar="PARTNER", help="the molecule in whose frame one looks")
    spatial.add_argument(
        "--of", required=True, metavar="NAME", help="a center (Li), the sites of a partner (EC), or one (EC.ester_o)"
    )
    spatial.add_argument("--r-max", type=float, metavar="A", help="radius in Å (default: 8, less in a small box)")
    spatial.add_argument("--spacing", type=float, metavar="A", help="edge of a voxel in Å (default: 0.25)")
    spatial.add_argument("--fit-atoms", metavar="SELECTION", help="atoms to superpose (default: all heavy ones)")
    spatial.add_argument("--step", type=int, metavar="N", help="every Nth frame")
    spatial.add_argument("--out", type=Path, required=True, metavar="FILE", help=".cube or .dx")

    verify = command(
        "verify",
        _verify,
        "whether a folder is still what its records say, and how to make it again",
        "solvshell verify run\n  solvshell verify run --remake",
    )
    verify.add_argument("folder", type=Path, metavar="RUN", help="folder of a run, a box, several of either, or tables")
    verify.add_argument("--remake", action="store_true", help="print the commands that make it again; check nothing")

    doctor = command("doctor", _doctor, "what this machine has, and what to install next", "solvshell doctor")
    doctor.add_argument("--no-speed", action="store_true", help="leave out the speed check of five seconds")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0 done; 1 the work failed; 2 the request was wrong; 3 stopped by a signal, resumable by the same command.
    """
    arguments = _parser().parse_args(argv)
    try:
        with _sigterm_interrupts():
            arguments.function(arguments)
    except InvalidInput as error:
        _ERR.print(f"error: {error}")
        return 2
    except WorkFailed as error:
        _ERR.print(f"failed: {error}")
        return 1
    except OSError as error:
        _ERR.print(f"failed: {error.filename or 'a file'}: {error.strerror or error}")
        return 1
    except (Interrupted, KeyboardInterrupt) as error:
        resumable = arguments.function in (_run, _demo, _binding, _infrared) or bool(vars(arguments).get("replicas"))
        _ERR.print(f"{str(error) or 'stopped'}" + "; the same command goes on from here" * resumable)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
