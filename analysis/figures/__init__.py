"""Figures. Each file computes a frame, then draws it."""
