"""Analyzed replicas of a system -> one set of tables, with errors from how replicas differ."""
