"""How recipes, protocols, boxes, runs and reservoirs look in Jupyter: facts, a small table, what to know of them.

Plain HTML without colors of its own, to be read on a light and on a dark page, and nothing is loaded from elsewhere.
Results have their tables in `solvshell.display_results`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from solvshell.box import Box, describe_polymer
from solvshell.errors import InvalidInput
from solvshell.files import read_yaml
from solvshell.protocol import Protocol
from solvshell.recipe import Recipe
from solvshell.reservoir import Reservoir
from solvshell.run import Run
from solvshell.stages import Dynamics, Minimize, Stage
from solvshell.units import kT_kj_mol

_LINE = "1px solid rgba(128,128,128,0.4)"
_TABLE = "border-collapse:collapse;margin:0.3em 0;font-size:0.92em"
_FAINT = "opacity:0.75;font-size:0.92em"
NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """A small table: the first `n_words` columns hold words, the others numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    n_words: int = 1

    def _row(self, tag: str, cells: Sequence[str]) -> str:
        sides = ["left" if place < self.n_words else "right" for place in range(len(cells))]
        styled = (
            f'<{tag} style="text-align:{side};padding:0.1em 0.9em 0.1em 0;border:0">{escape(cell)}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )
        return f"<tr>{''.join(styled)}</tr>"

    @property
    def html(self) -> str:
        """The table; nothing without rows."""
        if not self.rows:
            return ""
        caption = f'<div style="{_FAINT}">{escape(self.caption)}</div>' if self.caption else ""
        head, body = self._row("th", self.head), "".join(self._row("td", row) for row in self.rows)
        return f'{caption}<table style="{_TABLE}"><thead style="border-bottom:{_LINE}">{head}</thead>{body}</table>'


def card(title: str, facts: Iterable[str], *tables: Table, notes: Sequence[str] = (), of_notes: str = "Notes") -> str:
    """Return a piece of HTML: title, facts in one line, tables, and notes that open by a click."""
    line = " · ".join(escape(fact) for fact in facts if fact)
    parts = [f"<div><strong>{escape(title)}</strong></div>", f"<div>{line}</div>", *(table.html for table in tables)]
    if notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in notes)
        parts.append(
            f'<details style="{_FAINT}"><summary>{escape(of_notes)} ({len(notes)})</summary><ul>{items}</ul></details>'
        )
    return f'<div class="solvshell" style="line-height:1.45">{"".join(parts)}</div>'


def duration(ps: float) -> str:
    """Return a time with a unit that suits it."""
    return f"{ps / 1000:g} ns" if ps >= 1000 else f"{ps:g} ps"


def _amounts(recipe: Recipe) -> list[tuple[str, str, str]]:
    """Return species, role and amount as the recipe states it."""
    composition, rows = recipe.composition, []
    if salt := composition.salt:
        per = "" if salt.per is None else f" of {salt.per.replace('_', ' ')}"
        amount = f"{salt.molality:g} mol/kg of solvent" if salt.molarity is None else f"{salt.molarity:g} mol/L{per}"
        rows.append((f"{salt.cation} + {salt.anion}", "salt", amount))
    for additive in composition.additives:
        name = " + ".join(f"{n} {ion}" if n > 1 else ion for ion, n in additive.formula.items())
        share = additive.mass_fraction
        amount = f"{additive.per_salt} for each of the salt" if share is None else f"{100 * share:g} % by mass"
        rows.append((name, "additive", amount))
    if solvents := composition.solvents:
        total = sum(solvents.ratio.values())
        rows += [
            (name, "solvent", f"{100 * part / total:.3g} % by {solvents.basis}")
            for name, part in solvents.ratio.items()
        ]
    rows += [(name, recipe.entries[name].role, f"{n} molecules") for name, n in (composition.counts or {}).items()]
    if polymer := recipe.polymer:
        shape = "network" if polymer.is_network else f"chains of {polymer.chain_length} units"
        counter_ion = f" and {polymer.counter_ion}" if polymer.counter_ion else ""
        by_number = f"{polymer.units} units" if polymer.chains is None else f"{polymer.chains} chains"
        amount = by_number if polymer.mass_fraction is None else f"{100 * polymer.mass_fraction:g} % by mass"
        rows.append((f"{polymer.name}{counter_ion}", f"polymer, {shape}", amount))
    return rows


def recipe_html(recipe: Recipe) -> str:
    """Return what a recipe puts into a box."""
    size = next((f"{n} {what}" for n, what in ((recipe.n_salt, "salts"), (recipe.n_molecules, "molecules")) if n), "")
    model = recipe.force_field
    facts = (
        recipe.title,
        size,
        f"charges of ions × {model.ion_charge_scale:g}",
        f"cutoff {model.cutoff:g} nm",
        ", ".join(model.files),
    )
    return card(f"Recipe {recipe.name}", facts, Table(("species", "role", "amount"), _amounts(recipe), n_words=3))


def _of_stage(stage: Stage) -> tuple[str, ...]:
    """Return what is done, at what temperature and pressure, and how often a frame is written."""
    if isinstance(stage, Minimize):
        return "minimisation", NOTHING, NOTHING, NOTHING
    what = (
        stage.ensemble
        if isinstance(stage, Dynamics) or stage.kind == "grand_canonical"
        else f"{stage.kind}, {stage.n_windows} windows"
    )
    ramp = "" if stage.ramp_to is None else f" → {stage.ramp_to:g}"
    pressure = NOTHING if stage.pressure is None else f"{stage.pressure:g} bar"
    frames = NOTHING if stage.frame_interval is None else duration(stage.frame_interval)
    return what, f"{stage.temperature:g}{ramp} K", pressure, frames


def _length(stage: Stage) -> str:
    if isinstance(stage, Minimize):
        return NOTHING
    at_most = "≤ " if getattr(stage, "until", None) else ""
    return f"{at_most}{duration(stage.duration)}"


def _total(protocol: Protocol) -> str:
    is_fixed = all(getattr(stage, "until", None) is None for stage in protocol.stages)
    return f"{'' if is_fixed else 'up to '}{duration(_total_ps(protocol))}"


def _total_ps(protocol: Protocol) -> float:
    return sum(0.0 if isinstance(stage, Minimize) else stage.duration for stage in protocol.stages)


def protocol_html(protocol: Protocol) -> str:
    """Return the stages of a protocol."""
    facts = (
        protocol.title,
        f"{_total(protocol)} in steps of {1000 * protocol.timestep:g} fs",
        "bonds to H rigid" if protocol.constraints == "h_bonds" else "all bonds flexible",
        f"hydrogens of {protocol.hydrogen_mass:g} Da" if protocol.hydrogen_mass else "",
    )
    rows = [(stage.name, *_of_stage(stage)[:1], _length(stage), *_of_stage(stage)[1:]) for stage in protocol.stages]
    return card(
        f"Protocol {protocol.name}",
        facts,
        Table(("stage", "ensemble", "length", "T", "p", "a frame every"), rows, n_words=2),
    )


def box_html(box: Box) -> str:
    """Return what is in a box, and how large it is."""
    edges = " × ".join(f"{edge:.3f}" for edge in (sum(x * x for x in vector) ** 0.5 for vector in box.box_vectors))
    facts = (box.recipe.title, f"{box.n_atoms} atoms", f"{edges} nm", f"{box.density_g_cm3:.3f} g/cm³ as built")
    rows = [
        (name, entry.role, f"{box.counts[name]}", f"{box.molarity(name):.3g}")
        for name, entry in box.recipe.entries.items()
    ]
    table = Table(
        ("species", "role", "molecules", "mol/L"),
        rows,
        "of a polymer its repeat units" if box.recipe.polymer else "",
        2,
    )
    return card(f"Box {box.recipe.name}", facts, table, notes=describe_polymer(box), of_notes="The polymer")


@dataclass(frozen=True)
class Standing:
    """How far a run is: ps of the stages that have ended, by name, and of the present one; all of them if `is_done`."""

    is_done: bool
    finished: dict[str, float]
    present_ps: float = 0.0


def standing(run: Run) -> Standing:
    """Return how far a run is, by its newest checkpoint that can be read."""
    from solvshell.md.checkpoints import Unusable, numbered, read_checkpoint

    timestep = run.protocol.timestep
    if run.is_done:
        stages = json.loads((run.path / "done.json").read_text()).get("stages", [])  # earlier versions told none
        return Standing(True, {stage["name"]: stage["ps"] for stage in stages})
    for path in reversed(numbered(run.checkpoint_path)):
        try:
            found = read_checkpoint(path)
        except Unusable:
            continue
        finished = {stage.name: round(stage.steps * timestep, 9) for stage in found.finished}
        return Standing(False, finished, round(found.step * timestep, 9))
    return Standing(False, {})


def _rows_and_state(protocol: Protocol, at: Standing) -> tuple[list[tuple[str, ...]], str]:
    """Return stage by stage how far a run is, and the whole of it in words."""
    rows: list[tuple[str, ...]] = []
    present = None
    for stage in protocol.stages:
        far = NOTHING
        if stage.name in at.finished:
            far = "done" if isinstance(stage, Minimize) else f"done, {duration(at.finished[stage.name])}"
        elif present is None:
            present = stage.name
            far = f"at {duration(at.present_ps)}" if at.present_ps else NOTHING
        rows.append((stage.name, _of_stage(stage)[0], _length(stage), far))
    total, so_far = _total_ps(protocol), sum(at.finished.values()) + at.present_ps
    if at.is_done:
        return rows, "finished"
    if not at.finished and not at.present_ps:
        return rows, "not begun"
    share = f"{duration(so_far)} of {duration(total)} ({100 * so_far / total:.0f} %)"
    return rows, f"in {present}: {share} by its last checkpoint; simulate(run) goes on from there"


def run_html(run: Run) -> str:
    """Return how a run is made, and how far it is."""
    try:
        protocol, recipe = run.protocol, read_yaml(run.path / "box" / "recipe.yaml", Recipe)
        rows, state = _rows_and_state(protocol, standing(run))
        seed = run.provenance["seed"]
    except InvalidInput as error:  # said in place of a traceback: looking at a run is no reason to fail
        return card("Run", [str(run.path)], notes=[str(error)], of_notes="Cannot be read")
    analyzed = "analyzed" if (run.analysis_path / "summary.json").is_file() else ""
    facts = (recipe.title, f"protocol {protocol.name}", f"seed {seed}", state, analyzed)
    return card(f"Run {run.path.name}", facts, Table(("stage", "ensemble", "length", "how far"), rows, n_words=2))


def reservoir_html(reservoir: Reservoir) -> str:
    """Return the activities of a reservoir."""

    def said(value: float | None, error: float | None = None) -> str:
        if value is None:
            return NOTHING
        return f"{value:.2f}" if error is None else f"{value:.2f} ± {error:.2f}"

    rows = [
        (name, f"{one.activity:.4g}", said(one.beta_mu_error), f"{reservoir.fugacity_bar(name):.3g}",
         said(one.mu_ex, one.mu_ex_error), NOTHING if one.density is None else f"{one.density:.3f}",
         (one.status or NOTHING).replace("_", " "))
        for name, one in reservoir.species.items()
    ]  # fmt: skip
    facts = (
        f"{reservoir.temperature:g} K, kT = {kT_kj_mol(reservoir.temperature):.3f} kJ/mol",
        "" if reservoir.pressure is None else f"{reservoir.pressure:g} bar",
        "given by hand: nothing tells what model it belongs to" if reservoir.is_by_hand else "",
        ", ".join(f"{n} {name}" for name, n in reservoir.medium.items()),
    )
    head = ("species", "z / nm⁻³", "error of ln z", "fugacity / bar", "μ_ex / (kJ/mol)", "density / nm⁻³", "status")
    return card(f"Reservoir {reservoir.name}", facts, Table(head, rows))
