"""How the weights of the terms change during training. A new strategy is one new file, named in the union below."""

from typing import Annotated

from pydantic import Field

from model.weighting.aligned_mtl import AlignedMTL
from model.weighting.base import Strategy
from model.weighting.cagrad import CAGrad
from model.weighting.dwa import DWA
from model.weighting.fixed import Fixed
from model.weighting.gradient_balance import GradientBalance
from model.weighting.gradnorm import GradNorm
from model.weighting.imtl_g import IMTLG
from model.weighting.inverse_loss import InverseLoss
from model.weighting.mgda import MGDA
from model.weighting.pcgrad import PCGrad
from model.weighting.rlw import RLW
from model.weighting.uncertainty import Uncertainty
from model.weighting.upgrad import UPGrad

Weighting = Annotated[
    Fixed
    | InverseLoss
    | GradientBalance
    | Uncertainty
    | DWA
    | RLW
    | GradNorm
    | MGDA
    | PCGrad
    | CAGrad
    | UPGrad
    | IMTLG
    | AlignedMTL,
    Field(discriminator="kind"),
]

__all__ = ["Fixed", "Strategy", "Weighting"]
