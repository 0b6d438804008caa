"""The ways in which a command can end early, apart from bugs."""


class InvalidInput(ValueError):
    """The request was wrong: the message names the field, what was given and what is allowed (exit status 2)."""


class WorkFailed(RuntimeError):
    """The request was right and the work failed: the message says where and what to do (exit status 1)."""


class Interrupted(Exception):
    """A signal came; all is saved and the same command goes on from here (exit status 3)."""
