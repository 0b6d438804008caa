"""Recipe -> Box."""

from solvshell.build.assemble import build_box

__all__ = ["build_box"]
