"""The reference of the command line, from the parser of `solvshell.cli`."""

import argparse
from collections.abc import Iterator

from solvshell.cli import _parser


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (choices,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(choices.choices)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _written(action: argparse.Action) -> str:
    """Return how an argument is written, such as ``--n-salt N_SALT``."""
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        return metavar.upper()
    name = ", ".join(action.option_strings)
    if action.nargs == 0:
        return name
    return f"{name} {metavar} ..." if action.nargs in ("+", "*") else f"{name} {metavar}"


def _row(action: argparse.Action) -> str:
    needed = "**required**: " if action.required else ""
    help_text = (action.help or "") % {"default": action.default}
    return f"| `{_cell(_written(action))}` | {needed}{_cell(help_text)} |\n"


def _section(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    arguments = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    yield f"## solvshell {name}\n\n{parser.description}\n\n"
    if arguments:
        yield "| argument | meaning |\n| --- | --- |\n"
        yield from (_row(action) for action in arguments)
        yield "\n"
    lines = (parser.epilog or "").splitlines()[1:]  # the first says "Example:"
    yield "```bash\n" + "\n".join(line.strip() for line in lines) + "\n```\n\n"


def _exit_statuses(epilog: str) -> Iterator[str]:
    yield "| exit status | means |\n| --- | --- |\n"
    for part in epilog.removeprefix("Exit status: ").rstrip(".").split("; "):
        status, meaning = part.split(maxsplit=1)
        yield f"| {status} | {meaning} |\n"


def pages() -> dict[str, str]:
    """Return the page by its name in docs/."""
    parser = _parser()
    commands = _commands(parser)
    text = [
        "# Command line\n\n",
        f"{parser.description} `solvshell COMMAND --help` prints the same; `solvshell --version` the version.\n\n",
        *_exit_statuses(parser.epilog or ""),
        "\nErrors are one line, `FIELD: what was given, what is allowed`, on the standard error.\n\n",
    ]
    for name, command in commands.items():
        text.extend(_section(name, command))
    return {"reference/commands.md": "".join(text)}
