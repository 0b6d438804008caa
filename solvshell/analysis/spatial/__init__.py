"""Where neighbors stand around a molecule, as a density in space."""
