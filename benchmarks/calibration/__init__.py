"""Are the statistics right? False positives, coverage and power, by simulation.

python -m benchmarks.calibration [cells|factors|sources|choice ...]
"""
