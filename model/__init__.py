"""What is trained: data, network, losses, training. Imports nothing of the other packages."""
