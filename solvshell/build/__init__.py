"""Recipe -> Box."""

from solvshell.build.assemble import build_box
from solvshell.build.replicas import build_replicas

__all__ = ["build_box", "build_replicas"]
