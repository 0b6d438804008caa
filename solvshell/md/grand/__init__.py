"""Grand-canonical Monte Carlo: molecules come and go by nonequilibrium switching, or at once where that is enough."""
