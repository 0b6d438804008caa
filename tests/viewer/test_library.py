import hashlib
import json
from pathlib import Path

import solvshell.viewer
from solvshell.viewer import three_dmol_source

FOLDER = Path(solvshell.viewer.__file__).parent / "3dmol"


def test_the_library_is_the_published_file_that_its_record_tells() -> None:
    record = json.loads((FOLDER / "record.json").read_text())
    script = (FOLDER / "3Dmol-min.js").read_bytes()
    assert hashlib.sha256(script).hexdigest() == record["sha256"]
    assert record["version"] in record["source"]
    assert record["license"] == "BSD-3-Clause"


def test_the_licences_go_wherever_the_script_goes() -> None:
    source = three_dmol_source()
    assert source.startswith("/*!")
    comment, _, script = source.partition("\n*/\n")
    assert "Copyright (c) 2014, University of Pittsburgh and contributors" in comment
    bundled = ("iobuffer", "mmtf-javascript", "msgpack-js", "netcdfjs", "pako", "upng-js", "zlib")
    for name in ("GLmol", "Three.js", "jQuery", *bundled):
        assert name in comment
    assert script == (FOLDER / "3Dmol-min.js").read_text(encoding="utf-8")


def test_nothing_in_it_ends_a_script_element() -> None:
    assert "</script" not in three_dmol_source().lower()
    assert "<!--" not in three_dmol_source()
