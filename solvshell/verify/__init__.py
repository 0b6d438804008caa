"""Whether a folder is still what its records say, and how to make it again. Nothing is written."""

from solvshell.verify.recorded import Finding
from solvshell.verify.remake import remake_commands
from solvshell.verify.verify import verify

__all__ = ["Finding", "remake_commands", "verify"]
