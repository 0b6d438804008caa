"""Interaction energies: of the centers with every molecule, pair by pair."""
