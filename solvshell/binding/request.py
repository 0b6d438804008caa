"""What may be asked for: methods, phases and numbers, checked before anything is read."""

from collections.abc import Mapping, Sequence

from solvshell.binding.by_dft import Dft
from solvshell.binding.by_forcefield import ForceField
from solvshell.binding.by_gfn2 import Gfn2
from solvshell.binding.clusters import Cluster
from solvshell.binding.methods import CONTINUUM, GAS, Method
from solvshell.errors import InvalidInput
from solvshell.quantum.dielectric import check_dielectric
from solvshell.quantum.extra import needed

_METHODS: Mapping[str, tuple[Method, ...]] = {
    "ff": (ForceField(full_charges=False), ForceField(full_charges=True)),
    "gfn2": (Gfn2(),),
    "dft": (Dft(),),
}
METHODS = tuple(_METHODS)
PHASES = (GAS, CONTINUUM)
_MODULES = {
    "gfn2": ("tblite.interface", "geometric.optimize"),
    "dft": ("pyscf.dft", "pyscf.dispersion", "geometric.optimize"),
}


def _listed(field: str, given: Sequence[str], allowed: Sequence[str]) -> None:
    if wrong := [name for name in given if name not in allowed] or ([] if given else ["none"]):
        raise InvalidInput(f"{field}: {wrong[0]} (allowed: {', '.join(allowed)})")


def check_request(methods: Sequence[str], phases: Sequence[str], workers: int, dielectric: float | None = None) -> None:
    """Raise unless methods, phases and numbers are known and fit each other, and what they need is installed.

    Raises
    ------
    InvalidInput
        With the field, what was given and what is allowed.
    WorkFailed
        If the extra `qm` is missing.
    """
    _listed("method", methods, METHODS)
    _listed("phase", phases, PHASES)
    if workers < 1:
        raise InvalidInput(f"workers: {workers} (allowed: 1 or more)")
    if dielectric is not None:
        check_dielectric(dielectric)
        if CONTINUUM not in phases:
            raise InvalidInput(f"dielectric: {dielectric:g} is for a continuum (phases: {', '.join(phases)})")
    for name in methods:
        allowed = _METHODS[name][0].phases
        if not set(phases) & set(allowed):
            raise InvalidInput(f"phase: {', '.join(phases)} is not for method {name} (allowed: {', '.join(allowed)})")
        for module in _MODULES.get(name, ()):
            needed(module)


def chosen_methods(names: Sequence[str], clusters: Sequence[Cluster]) -> list[Method]:
    """Return the methods by name; the force field with scaled charges of ions, if they are, and with full ones.

    Raises
    ------
    InvalidInput
        If the force field is asked for and a cluster has none.
    """
    if "ff" in names and any(cluster.system is None and cluster.is_whole for cluster in clusters):
        raise InvalidInput("method: ff is for clusters that have a system (allowed for these: gfn2, dft)")
    methods = [method for name in METHODS if name in names for method in _METHODS[name]]
    if all(cluster.charge_scale == 1 for cluster in clusters):
        methods = [method for method in methods if method != ForceField(full_charges=False)]
    return methods
