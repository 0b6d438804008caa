"""The command line: which commands there are, what they take, and their exit status."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from solvshell import __version__, commands
from solvshell.console import ERR
from solvshell.errors import Interrupted, InvalidInput, WorkFailed


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


_held: list[set[int | signal.Signals]] = []


def _hold_sigterm() -> None:
    """Keep SIGTERM back while a process is forked."""
    if signal.getsignal(signal.SIGTERM) is signal.default_int_handler:
        _held.append(signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}))


def _let_sigterm_go() -> None:
    if _held:
        signal.pthread_sigmask(signal.SIG_SETMASK, _held.pop())


def _end_at_sigterm() -> None:
    """Let a forked worker of an analysis end at SIGTERM as processes do: as Ctrl-C it may miss it while it waits."""
    if _held:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _let_sigterm_go()


os.register_at_fork(before=_hold_sigterm, after_in_parent=_let_sigterm_go, after_in_child=_end_at_sigterm)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="solvshell",
        description="Li+ solvation in battery electrolytes: recipe -> box -> run -> tables -> page.",
        epilog="Exit status: 0 done; 1 the work failed; 2 the request was wrong; 3 stopped, the same command goes on.",
    )
    parser.add_argument("--version", action="version", version=f"solvshell {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: object, summary: str, example: str) -> argparse.ArgumentParser:
        added = subparsers.add_parser(
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
        commands.demo,
        "the whole pipeline on LB-003 with and without polymer, minutes on two CPU cores",
        "solvshell demo",
    )
    demo.add_argument("--out", type=Path, default=Path("solvshell-demo"), help="folder (default: %(default)s)")
    demo.add_argument("--protocol", default="demo", help="name or path of a protocol (default: %(default)s)")
    demo.add_argument("--platform", help="OpenMM platform; the fastest that works if left out")

    build = command(
        "build",
        commands.build,
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
    build.add_argument(
        "--ion-charge-scale", type=float, metavar="Q", help="factor on the charges of ions instead of the recipe's own"
    )
    build.add_argument("--seed", type=int, default=0, help="of the packing (default: %(default)s)")
    build.add_argument(
        "--replicas",
        type=int,
        metavar="K",
        help="boxes, each packed by itself, in replica-00 ... inside --out; more of them can be added later",
    )
    build.add_argument(
        "--replica", type=int, metavar="I", help="that one of them alone, from 0 on: for campaigns, one job each"
    )
    build.add_argument("--workers", type=int, metavar="N", help="replicas built at once (default: 1)")

    run = command(
        "run",
        commands.run,
        "run a box with a protocol; the same command resumes it",
        "solvshell run box --protocol standard --out run\n"
        "  solvshell run boxes --protocol standard --out runs    # all replicas in boxes, several at once\n"
        "  solvshell run boxes --protocol temperatures --out series    # at each temperature\n"
        "  solvshell run box --protocol umbrella-quick --out pull    # then: solvshell analyze pull\n"
        "  solvshell run box --protocol grand-canonical --reservoir reservoir.yaml --out open",
    )
    run.add_argument("box", type=Path, help="folder of a box, or of boxes replica-00, replica-01, ...")
    run.add_argument(
        "--protocol",
        required=True,
        help="path of a protocol, or a shipped one: quick, demo, survey, standard, long, anneal, gel, network; "
        "dynamics for physical times, temperatures for a series; for free energies umbrella, desolvation, decouple; "
        "with a reservoir grand-canonical; for a CPU the last six with -quick, as in umbrella-quick",
    )
    run.add_argument("--out", type=Path, required=True, help="folder of the run; resumed if it exists")
    run.add_argument("--platform", help="CUDA, HIP, OpenCL, CPU or Reference; the fastest that works if left out")
    run.add_argument("--seed", type=int, help="of velocities, thermostat and barostat (default: 0)")
    run.add_argument(
        "--temperature",
        metavar="T",
        help="such as '333.15 K': of all stages that have the temperature of the last one, instead of it",
    )
    run.add_argument(
        "--stop-before-production",
        action="store_true",
        help="equilibrate only; the same command without it goes on",
    )
    run.add_argument(
        "--reservoir",
        type=Path,
        metavar="FILE",
        help="what a grand-canonical stage exchanges molecules with, from 'solvshell reservoir' or by hand",
    )
    run.add_argument(
        "--at-once",
        type=int,
        metavar="N",
        help="of several runs, how many go at once (default: as many as there are cores; 4 on each GPU, 8 with MPS)",
    )

    reservoir = command(
        "reservoir",
        commands.reservoir,
        "chemical potentials of the solvents of a bulk, for grand-canonical runs; the same command resumes it",
        "solvshell reservoir lb003 --n-salt 50 --replicas 3 --out reservoir.yaml\n"
        "  solvshell reservoir dmc --n-molecules 85 --protocol decouple-solvent-quick --out dmc.yaml    # for a CPU\n"
        "  solvshell reservoir runs/EC runs/DMC --out reservoir.yaml    # from runs of decouple that are there\n"
        "  solvshell run box --protocol grand-canonical --reservoir reservoir.yaml --out run",
    )
    reservoir.add_argument(
        "source", nargs="+", metavar="RECIPE", help="a recipe of the bulk; or folders of finished runs of decouple"
    )
    reservoir.add_argument("--out", type=Path, required=True, metavar="FILE", help="YAML; must not exist")
    reservoir.add_argument(
        "--open", nargs="+", default=[], metavar="NAME", help="solvents (default: all of the recipe)"
    )
    reservoir.add_argument(
        "--protocol", help="path or name of a protocol that ends in decouple (default: decouple-solvent, for a GPU)"
    )
    reservoir.add_argument("--n-salt", type=int, help="formula units of salt; scales the whole recipe")
    reservoir.add_argument("--n-molecules", type=int, help="molecules of a salt-free recipe")
    reservoir.add_argument(
        "--replicas", type=int, metavar="K", help="boxes (default: 1); from three on errors are those between them"
    )
    reservoir.add_argument(
        "--work", type=Path, metavar="DIR", help="folder of boxes and runs (default: FILE-runs beside FILE)"
    )
    reservoir.add_argument("--platform", help="OpenMM platform; the fastest that works if left out")
    reservoir.add_argument("--seed", type=int, help="of packing and runs (default: 0)")
    reservoir.add_argument("--at-once", type=int, metavar="N", help="runs at once, as of 'solvshell run'")

    analyze = command(
        "analyze",
        commands.analyze,
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
        commands.binding,
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
        commands.infrared,
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

    report = command("report", commands.report, "one page from analyzed runs", "solvshell report run --out report.html")
    report.add_argument("run", type=Path, nargs="+", metavar="RUN", help="analyzed folder of a run, or of several")
    report.add_argument("--out", type=Path, required=True, help="HTML file")

    compare = command(
        "compare",
        commands.compare,
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
        commands.export,
        "the same model for another engine",
        "solvshell export box --format gromacs --out gromacs",
    )
    export.add_argument("box", type=Path, metavar="BOX", help="folder of a box, of a run, or of replica boxes")
    export.add_argument("--format", metavar="{gromacs,amber,lammps}", required=True, help="the engine to write for")
    export.add_argument("--out", type=Path, required=True, help="folder of the files; must not exist")

    spatial = command(
        "spatial",
        commands.spatial,
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
        commands.verify,
        "whether a folder is still what its records say, and how to make it again",
        "solvshell verify run\n  solvshell verify run --remake",
    )
    verify.add_argument("folder", type=Path, metavar="RUN", help="folder of a run, a box, several of either, or tables")
    verify.add_argument("--remake", action="store_true", help="print the commands that make it again; check nothing")

    doctor = command("doctor", commands.doctor, "what this machine has, and what to install next", "solvshell doctor")
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
        ERR.print(f"error: {error}")
        return 2
    except WorkFailed as error:
        ERR.print(f"failed: {error}")
        return 1
    except OSError as error:
        ERR.print(f"failed: {error.filename or 'a file'}: {error.strerror or error}")
        return 1
    except (Interrupted, KeyboardInterrupt) as error:
        resumable = arguments.function in commands.RESUMABLE or bool(vars(arguments).get("replicas"))
        ERR.print(f"{str(error) or 'stopped'}" + "; the same command goes on from here" * resumable)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
