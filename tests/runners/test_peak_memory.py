"""The peak that a run notes is its own."""

import subprocess
import sys

PEAK = """
from runners.peak_memory import peak_memory
before = peak_memory()
held = bytearray(100_000_000)
print(before, peak_memory())
"""


def test_what_a_program_holds_counts_and_what_its_parent_held_does_not() -> None:
    held = bytearray(500_000_000)
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before < len(held) // 2
    assert 90_000_000 < after - before < 150_000_000
