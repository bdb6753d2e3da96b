"""In which precision a run computes."""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager

import torch

from model.configuration import Precision


def dtype(precision: Precision) -> torch.dtype:
    """Of parameters, data and the loss: double for ``fp64``, else single."""
    return torch.float64 if precision == "fp64" else torch.float32


@contextlib.contextmanager
def products(precision: Precision) -> Iterator[None]:
    """Matrix products of single numbers are made of TF32 (10 bits of mantissa) with ``tf32``, else in full."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """With ``bf16`` the forward pass multiplies in bfloat16 where PyTorch holds that to be safe."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
