"""Levels of density-functional theory."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """A density functional, its dispersion correction, basis and grid.

    PBE0 because neither a cation without valence electrons nor a small anion forgives much self-interaction; D4 because
    its coefficients know charges (in D3 an isolated Li⁺ carries the large C6 of the Li atom); diffuse functions
    because of the anions.
    """

    functional: str = "pbe0"
    dispersion: str | None = "d4"
    basis: str = "def2-tzvpd"
    grid: int = 3

    def __str__(self) -> str:
        name = f"{self.functional.upper()}{'-' + self.dispersion.upper() if self.dispersion else ''}"
        return f"{name}/{self.basis.upper().replace('DEF', 'def')}"


#: of Li⁺ with one molecule
PAIR_LEVEL = Level()
#: of Li⁺ with its shell; atoms that do not matter much get `COARSE_BASIS`
CLUSTER_LEVEL = Level(grid=2)
#: of one molecule alone
MOLECULE_LEVEL = Level(basis="def2-tzvp")
#: of minima whose energy is taken at another level
GEOMETRY_LEVEL = Level(basis="def2-svp")
#: of atoms that do not matter much: see `dft_energy`
COARSE_BASIS = "def2-svp"
