import numpy as np
import pandas as pd
import pytest

from solvshell.infrared.clusters import FREE, LITHIUM, POLYMER, Candidate, Cluster
from solvshell.infrared.shifts import cluster_table, shift_table
from solvshell.infrared.stretch import LEFT, NOT_CONVERGED, OK, Stretch


def table(rows):
    """(class, species, status, wavenumber) of each cluster."""
    clusters = [
        Cluster(Candidate(kind, species, 3, 7, 8), ("C", "O"), np.zeros((2, 3)), (0, 1), (0, 1), None, (species,))
        for kind, species, *_ in rows
    ]
    stretches = [Stretch(status, np.zeros((2, 3)), wavenumber, 0.9) for *_, status, wavenumber in rows]
    return cluster_table(clusters, stretches)


def test_shifts_are_of_means_with_the_error_of_both():
    rows = [(FREE, "EC", OK, w) for w in (1800.0, 1804.0, 1802.0)]
    rows += [(LITHIUM, "EC", OK, w) for w in (1770.0, 1780.0)]
    rows += [(LITHIUM, "EC", NOT_CONVERGED, None), (LITHIUM, "EC", LEFT, 900.0)]
    (found,) = shift_table(table(rows)).to_dict("records")
    assert found["class"] == LITHIUM
    assert found["shift_per_cm"] == pytest.approx(-27.0)
    assert found["stderr_per_cm"] == pytest.approx(np.sqrt(4 / 3 + 50 / 2))
    assert (found["n"], found["n_free"], found["n_left_out"]) == (2, 3, 2)


def test_a_class_without_enough_clusters_has_no_error_and_one_without_any_no_number():
    rows = [(FREE, "DMC", OK, 1750.0), (FREE, "DMC", OK, 1752.0), (LITHIUM, "DMC", OK, 1720.0)]
    rows += [(POLYMER, "DMC", NOT_CONVERGED, None), (LITHIUM, "EC", OK, 1770.0)]
    found = shift_table(table(rows)).set_index(["species", "class"])
    assert found.loc[("DMC", LITHIUM), "shift_per_cm"] == pytest.approx(-31.0)
    assert np.isnan(found.loc[("DMC", LITHIUM), "stderr_per_cm"])
    assert found.loc[("DMC", POLYMER), ["n", "n_free", "n_left_out"]].tolist() == [0, 2, 1]
    assert np.isnan(found.loc[("DMC", POLYMER), "shift_per_cm"])
    assert np.isnan(found.loc[("EC", LITHIUM), "shift_per_cm"])  # no free EC


def test_a_cluster_that_is_not_ok_keeps_its_row_and_no_wavenumber():
    found = table([(FREE, "EC", OK, 1800.0), (LITHIUM, "EC", LEFT, 900.0), (LITHIUM, "EC", OK, 1780.0)])
    assert found["status"].tolist() == [OK, LEFT, OK]
    assert found["wavenumber_harmonic_gfn2"].isna().tolist() == [False, True, False]
    assert found["file"].tolist() == [
        "clusters/free-EC-01.xyz",
        "clusters/lithium-EC-01.xyz",
        "clusters/lithium-EC-02.xyz",
    ]
    assert isinstance(found, pd.DataFrame)
