"""What a trajectory is read from: files, objects, and species found by their graph."""
