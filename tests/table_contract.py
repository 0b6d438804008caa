"""The tables that `analyze` writes: file and header line. Scripts and workflows depend on them."""

COLUMNS = {
    "rdf": "center,partner,site,r_angstrom,g,g_stderr,n",
    "peaks": "center,partner,site,peak_angstrom,ci95_low,ci95_high,first_minimum_angstrom,cutoff_angstrom,"
    "cutoff_source,status",
    "coordination": "center,partner,site,cn_atoms_mean,cn_atoms_stderr,cn_molecules_mean,cn_molecules_stderr,"
    "cutoff_angstrom,n_independent",
    "shells": "center,composition,fraction,stderr,n,example_frame",
    "speciation": "center,state,fraction,stderr",
    "residence": "center,partner,site,method,time_ps,stderr_ps",
}
