"""The page: what a run or a study found, as one file that needs nothing else."""
