"""The tables that `analyze` writes: file and header line. Scripts and workflows depend on them."""

_ENERGIES = (
    "lj_kj_mol,coulomb_kj_mol,total_kj_mol,stderr_kj_mol,lj_stderr_kj_mol,coulomb_stderr_kj_mol,n_independent,"
    "full_coulomb_kj_mol,full_total_kj_mol,full_stderr_kj_mol,charge_scale"
)
COLUMNS = {
    "rdf": "center,partner,site,r_angstrom,g,g_stderr,n,n_stderr",
    "peaks": "center,partner,site,peak_angstrom,ci95_low,ci95_high,first_minimum_angstrom,cutoff_angstrom,"
    "cutoff_source,status",
    "coordination": "center,partner,site,cn_atoms_mean,cn_atoms_stderr,cn_molecules_mean,cn_molecules_stderr,"
    "cutoff_angstrom,n_independent",
    "shells": "center,composition,fraction,stderr,n,example_frame",
    "speciation": "center,state,fraction,stderr",
    "residence": "center,partner,site,method,time_ps,stderr_ps",
    "residence_decays": "center,partner,site,time_ps,continuous,continuous_stderr,intermittent,intermittent_stderr",
    "exchange": "center,leaving,entering,n,rate_per_ns,ci95_low,ci95_high",
    "clusters": "composition,n_centers,n_anions,mean_per_frame,mean_per_frame_stderr,fraction_of_centers,"
    "fraction_of_centers_stderr,fraction_of_anions,fraction_of_anions_stderr,n,n_independent,example_frame",
    "population": "n_centers,n_anions,mean_per_frame,mean_per_frame_stderr,probability,probability_stderr",
    "denticity": "center,partner,n_atoms,fraction,stderr,mean_per_center,mean_per_center_stderr,n,n_independent",
    "bridging": "partner,n_centers,fraction,stderr,n,n_independent",
    "angles": "center,partner,site,angle_degrees,density,stderr",
    "coordination_free_energy": "center,partner,n,probability,probability_stderr,free_energy_kt,free_energy_kt_stderr,"
    "free_energy_kj_mol,free_energy_kj_mol_stderr,n_independent",
    "potential_of_mean_force": "center,partner,site,r_angstrom,w_kt,w_kt_stderr,w_kj_mol,w_kj_mol_stderr,"
    "n_independent,enough_counts",
    "barriers": "center,partner,site,quantity,r_angstrom,r_angstrom_stderr,w_kt,w_kt_stderr,w_kj_mol,w_kj_mol_stderr,"
    "at_least_kt,at_least_kj_mol,n_independent,status",
    "exchange_free_energy": "center,leaves,enters,shell,gives,concentrations,leaves_mol_l,enters_mol_l,delta_g_kt,"
    "delta_g_kt_stderr,delta_g_kj_mol,delta_g_kj_mol_stderr,statistical_kt,intrinsic_kt,intrinsic_kj_mol,"
    "n_independent,status",
    "convergence": "quantity,center,partner,site,value,stderr,wanted,n_independent,run_ps,needed_ps,status",
    "running_means": "center,time_ps,mean,stderr,low,high,n_independent",
    "energies": f"center,partner,quantity,region,coulomb,{_ENERGIES}",
    "energy_sums": f"center,region,coulomb,own_images_kj_mol,{_ENERGIES}",
    "energy_distribution": "center,partner,energy_kj_mol,density,stderr,n",
    "energy_distance": "center,partner,r_angstrom,n,lj_kj_mol,bare_kj_mol,ewald_kj_mol,stderr_kj_mol",
    "energy_shells": "center,composition,partner,n,lj_kj_mol,coulomb_kj_mol,total_kj_mol,stderr_kj_mol,n_independent",
    "energy_units": f"center,partner,per,region,coulomb,divisor,{_ENERGIES}",
}
