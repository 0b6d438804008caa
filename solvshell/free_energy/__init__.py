"""Free energies from runs made of windows: by umbrella sampling and by decoupling."""

from solvshell.free_energy.decoupling import Decoupling, decoupling_of_run
from solvshell.free_energy.transfer import Transfer, transfer_free_energy

__all__ = ["Decoupling", "Transfer", "decoupling_of_run", "transfer_free_energy"]
