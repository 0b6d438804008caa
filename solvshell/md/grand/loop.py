"""A grand-canonical stage while it advances: ordinary dynamics, and between its steps molecules come and go."""

import time

import openmm

from solvshell.engine import Snapshot
from solvshell.errors import Interrupted
from solvshell.grand_canonical import GrandCanonical
from solvshell.md.grand.exchange import Exchange
from solvshell.md.grand.records import MoveTally, move_row, occupancy_row
from solvshell.md.session import Session
from solvshell.md.stage import StageLoop
from solvshell.occupancy import MOVE_COLUMNS, occupancy_columns

#: s; words about moves are put together no more often
_SECONDS_BETWEEN_WORDS = 1.0


class ExchangeLoop(StageLoop):
    """The loop of a stage in which molecules come and go.

    A move is tried at the first step at which it is due, before anything of that step is written; a checkpoint lies
    after it or, where a signal came in the midst of it, before it.
    """

    def __init__(self, session: Session, stage: GrandCanonical) -> None:
        self._open = Exchange(session, stage)
        super().__init__(session, stage)
        self._files = session.run.occupancy_path.name, session.run.moves_path.name
        for name, columns in zip(self._files, (occupancy_columns(stage.species), MOVE_COLUMNS), strict=True):
            session.outputs.begin(name, (",".join(columns) + "\n").encode())
        self._tally, self._told = MoveTally(session.run.moves_path, stage.temperature), -_SECONDS_BETWEEN_WORDS

    def _start(self) -> openmm.Context:
        return self._open.start()

    # -- what comes and goes

    @property
    def _n_due(self) -> int:
        return self._step // self.grid.move

    def _make_room(self) -> None:
        """Go on in a larger context where the next insertion would find no idle molecule."""
        while (species := self._open.lacks_room) is not None:
            self._context = self._open.enlarge(species)
            self._factor = 1  # its time step is the whole one

    def _exchange(self) -> None:
        while self._open.n_attempts < self._n_due:
            self._make_room()
            try:
                attempt = self._open.attempt(self._session.stop)
            except Interrupted:
                if self._session.has_moved_on:
                    self._look()
                    self._save()
                where = f"{self._step * self._timestep:g} ps of stage {self._stage.name}"
                raise Interrupted(f"stopped at {where}, within a move, which will be made anew") from None
            number = self._open.n_attempts
            self._session.outputs.row(self._files[1], move_row(number, self._step * self._timestep, attempt))
            self._tally.add(attempt)
        self._tell()

    def _tell(self) -> None:
        if (now := time.monotonic()) - self._told >= _SECONDS_BETWEEN_WORDS:
            self._told = now
            self._session.progress.tell(self._tally.words(self._open.occupancy))

    # -- what is written

    @property
    def _mass(self) -> float:
        return self._open.real.mass(self._open.occupancy)

    def _look(self) -> Snapshot:
        now = self._open.real.snapshot(self._open.occupancy)
        self._watch.check(now)
        return now

    def _write_frame(self, now: Snapshot) -> None:
        super()._write_frame(now)
        occupancy = self._open.occupancy
        pressure = self._open.real.pressure_bar(occupancy)
        row = occupancy_row(self._step * self._timestep, now.volume_nm3, pressure, occupancy)
        self._session.outputs.row(self._files[0], row)

    # -- the end

    def _to_the_end(self) -> None:
        if self._open.n_attempts < self._n_due:
            self._end_step()
        super()._to_the_end()

    def _finish(self) -> None:
        self._session.progress.note(f"  {self._stage.name}: {self._tally.words(self._open.occupancy)}")
        super()._finish()
