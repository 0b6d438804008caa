"""The consoles of the commands: one goes silent where nobody listens any more, and ends no work by that."""

import os

from rich.console import Console


class LastingConsole(Console):
    """A console that outlives the terminal or pipe behind it."""

    def _check_buffer(self) -> None:  # here rich writes; of a terminal that is gone it knows nothing
        try:
            super()._check_buffer()
        except OSError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Write nothing more; what is left in the buffers goes nowhere."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


OUT = LastingConsole(highlight=False, soft_wrap=True)
ERR = LastingConsole(stderr=True, highlight=False, soft_wrap=True, markup=False)
