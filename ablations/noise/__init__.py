"""What the noise of a score comes from: the seeds of training, and the dialogues of the test set."""
