"""What people look at: sample grids, curves, the report of a run."""
