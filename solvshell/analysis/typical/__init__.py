"""Typical shells, cut out of a liquid for quantum chemistry."""
