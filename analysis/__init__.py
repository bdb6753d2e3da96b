"""What is concluded from a study, from the store alone. Imports of ours: ``ablations.record`` and nothing else."""
