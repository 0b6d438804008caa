"""Campaigns of a few lines, and Snakemake on them in this process, where a dry run costs a third of a second."""

import contextlib
import io
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from snakemake.cli import main

WORKFLOWS = Path(__file__).parents[1] / "workflows"
#: one replica of each of two systems, in the smallest boxes
SHEET = "system\treplicas\tn_salt\nlb003\t1\t7\nlb003_pota-no3\t1\t8\n"


@dataclass(frozen=True)
class Said:
    """What Snakemake said and how it ended."""

    status: int
    text: str

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs of each rule there are to do."""
        table = self.text.partition("Job stats:")[2].partition("\n\n")[0]
        return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.M)}

    @property
    def commands(self) -> list[str]:
        """The shell commands of the jobs, if they were printed."""
        return [" ".join(line.split()) for line in re.findall(r"^Shell command: (.*solvshell .*)$", self.text, re.M)]

    @property
    def refusal(self) -> str:
        """The line after that which says where in the workflow it stopped."""
        return self.text.partition("WorkflowError")[2].split("\n")[1]


def snakemake(folder: Path, *arguments: str, snakefile: Path = WORKFLOWS / "Snakefile") -> Said:
    """Run Snakemake in a folder, and leave this process as it was."""
    said, status = io.StringIO(), 0
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main(["--snakefile", str(snakefile), "--directory", str(folder), *arguments])
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Said(status, said.getvalue())


@dataclass(frozen=True)
class Campaign:
    """A folder with a sheet and a config."""

    folder: Path

    def write(self, sheet: str = SHEET, **config: Any) -> None:
        """Write both; the protocol is that of tests."""
        content = {"samples": "samples.tsv", "protocol": "quick", "platform": "CPU", "gpu": 0} | config
        (self.folder / "samples.tsv").write_text(sheet)
        (self.folder / "config.yaml").write_text(yaml.safe_dump(content))

    def snakemake(self, *arguments: str) -> Said:
        """Run Snakemake on it."""
        return snakemake(self.folder, "--configfile", str(self.folder / "config.yaml"), *arguments)

    def dry_run(self, *arguments: str) -> Said:
        """Return what would be done."""
        said = self.snakemake("--dry-run", "--printshellcmds", *arguments)
        assert said.status == 0, said.text
        return said
