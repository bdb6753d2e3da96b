"""A multi-loss classifier of scikit-learn's digits."""
