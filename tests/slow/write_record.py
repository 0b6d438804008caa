"""Turn the JUnit XML of a test run into a page, and fail unless every test ran and passed.

python write_record.py JUNIT.xml PAGE.md
"""

import platform
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def _said_by(*command: str) -> str:
    """Return what a program prints, or nothing where it cannot run."""
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _commit() -> str:
    # The record itself is written by every run, and is no change of what was tested.
    changed = _said_by("git", "status", "--porcelain", "--", ".", ":!docs/results")
    return (_said_by("git", "rev-parse", "HEAD") or "unknown") + (" with uncommitted changes" if changed else "")


def _outcome(case: ET.Element) -> tuple[str, str]:
    """Return what became of a test, and the first line of why, without paths of this machine."""
    for kind, outcome in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
        if (found := case.find(kind)) is not None:
            lines = (found.get("message") or "").strip().splitlines() or [""]
            why = re.sub(r"(?<![\w.])/[\w./+-]*/", "", lines[0].replace(f"{ROOT}/", ""))
            is_expected = found.get("type") == "pytest.xfail"
            return "expected failure" if is_expected else outcome, why[:200].replace("|", r"\|")
    return "passed", ""


def main(junit: Path, page: Path) -> int:
    """Write the page; return 0 if tests ran and all passed, else 1."""
    rows, bad = [], 0
    for case in ET.parse(junit).getroot().iter("testcase"):
        outcome, why = _outcome(case)
        bad += outcome not in ("passed", "expected failure")
        name = f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")
        rows.append(f"| `{name}` | {outcome} | {float(case.get('time', 0)):.1f} | {why} |")
    verdict = f"{bad} of {len(rows)} failed or were skipped" if bad else f"all {len(rows)} passed"
    gromacs = re.search(r"GROMACS version:\s*(\S+)", _said_by("gmx", "--version"))
    lines = [
        "# Slow tests",
        "",
        "Written by `.ci/slow`; a test that is skipped counts as failed.",
        "",
        f"- commit: {_commit()}",
        f"- date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"- with: Python {platform.python_version()}, OpenMM {version('openmm')}, MDAnalysis {version('MDAnalysis')}, "
        f"GROMACS {gromacs[1] if gromacs else 'missing'}",
        f"- result: **{verdict if rows else 'no tests ran'}**",
        "",
        "| test | outcome | seconds | why |",
        "|---|---|---:|---|",
        *rows,
    ]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(f"{page}: {verdict if rows else 'no tests ran'}")
    return 0 if rows and not bad else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
