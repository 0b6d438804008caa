"""Free energies from runs made of windows: by umbrella sampling and by decoupling."""
