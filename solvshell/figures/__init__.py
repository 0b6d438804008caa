"""Figures of one analysis.

`draw_...` functions take a table and Axes and draw into them, one idea each, as a notebook wants it; `plot_...` compose
them into the figures of a page. Matplotlib without pyplot, Okabe-Ito colors. No number is made here.
"""

from solvshell.figures.arrhenius import draw_against_temperature, draw_arrhenius, plot_temperatures
from solvshell.figures.bars import draw_clusters, draw_coordination, draw_denticity, draw_shells, draw_speciation
from solvshell.figures.convergence import draw_convergence, draw_running_means, quantity_name
from solvshell.figures.cut_clusters import (
    draw_cluster_energies,
    draw_infrared,
    plot_cluster_energies,
    plot_infrared,
)
from solvshell.figures.decays import draw_residence_decays
from solvshell.figures.energies import (
    draw_energies,
    draw_energy_distance,
    draw_energy_distribution,
    draw_energy_shells,
)
from solvshell.figures.energy_pages import plot_energies, plot_energy_shells
from solvshell.figures.exchange import draw_exchange_free_energy
from solvshell.figures.free_energy import draw_coordination_free_energy
from solvshell.figures.grand_canonical import (
    draw_acceptance,
    draw_molecule_numbers,
    draw_work_ratio,
    draw_works,
    plot_acceptance,
    plot_molecule_numbers,
    plot_works,
)
from solvshell.figures.names import SITE_NAMES, number, pair_name, shell_name
from solvshell.figures.pages import (
    plot_binding,
    plot_clusters,
    plot_convergence,
    plot_coordination,
    plot_exchange_free_energy,
    plot_free_energy,
    plot_log,
    plot_other_rdf,
    plot_potential_of_mean_force,
    plot_rdf,
    plot_residence,
    plot_running_means,
    plot_shells,
    plot_typical_shells,
)
from solvshell.figures.population import draw_population
from solvshell.figures.potential_of_mean_force import draw_potential_of_mean_force
from solvshell.figures.radial import draw_angles, draw_rdf, draw_running_coordination
from solvshell.figures.replicas import (
    draw_between_replicas,
    draw_replica_numbers,
    draw_replica_rdfs,
    plot_between_replicas,
    plot_replica_numbers,
    plot_replica_rdfs,
)
from solvshell.figures.style import (
    COLORS,
    LINES,
    SMOOTHING_BINS,
    STYLE,
    new_figure,
    partner_colors,
    save_figure,
    say_none,
)
from solvshell.figures.typical import draw_typical_shell
from solvshell.figures.windows import draw_decoupling, draw_umbrella, plot_decoupling, plot_umbrella

__all__ = [
    "COLORS",
    "LINES",
    "SITE_NAMES",
    "SMOOTHING_BINS",
    "STYLE",
    "draw_acceptance",
    "draw_against_temperature",
    "draw_angles",
    "draw_arrhenius",
    "draw_between_replicas",
    "draw_cluster_energies",
    "draw_clusters",
    "draw_convergence",
    "draw_coordination",
    "draw_coordination_free_energy",
    "draw_decoupling",
    "draw_denticity",
    "draw_energies",
    "draw_energy_distance",
    "draw_energy_distribution",
    "draw_energy_shells",
    "draw_exchange_free_energy",
    "draw_infrared",
    "draw_molecule_numbers",
    "draw_population",
    "draw_potential_of_mean_force",
    "draw_rdf",
    "draw_replica_numbers",
    "draw_replica_rdfs",
    "draw_residence_decays",
    "draw_running_coordination",
    "draw_running_means",
    "draw_shells",
    "draw_speciation",
    "draw_typical_shell",
    "draw_umbrella",
    "draw_work_ratio",
    "draw_works",
    "new_figure",
    "number",
    "pair_name",
    "partner_colors",
    "plot_acceptance",
    "plot_between_replicas",
    "plot_binding",
    "plot_cluster_energies",
    "plot_clusters",
    "plot_convergence",
    "plot_coordination",
    "plot_decoupling",
    "plot_energies",
    "plot_energy_shells",
    "plot_exchange_free_energy",
    "plot_free_energy",
    "plot_infrared",
    "plot_log",
    "plot_molecule_numbers",
    "plot_other_rdf",
    "plot_potential_of_mean_force",
    "plot_rdf",
    "plot_replica_numbers",
    "plot_replica_rdfs",
    "plot_residence",
    "plot_running_means",
    "plot_shells",
    "plot_temperatures",
    "plot_typical_shells",
    "plot_umbrella",
    "plot_works",
    "quantity_name",
    "save_figure",
    "say_none",
    "shell_name",
]
