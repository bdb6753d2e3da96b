"""Fusion by two autoencoders."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.architecture import AutoFusion as Config
from model.fusion.parts import Attended, Autoencoder, Fused


class AutoFusion(nn.Module):
    """Global fusion of the raw features and interactive fusion of attended projections (Li et al. 2023, section 3.2).

    The global latent compresses the concatenated features (N, sum d_m), the interactive one the attended projections
    (N, M P). The target of the interactive reconstruction is learned too; as in the published code the gradient flows
    through it.
    """

    def __init__(self, widths: Sequence[int], config: Config) -> None:
        super().__init__()
        self.attended = Attended(widths, config.projection)
        self.global_ = Autoencoder(widths, config)
        self.inter = Autoencoder([config.projection] * len(widths), config)

    def forward(self, features: Tensor) -> Fused:
        """Fuse.

        Args:
            features: (N, D) features of the modalities, concatenated in the order of ``widths``.

        Returns:
            (N, 2L) vectors, and the reconstructions ``reconstruction_global`` and ``reconstruction_inter``.
        """
        global_latent, global_ = self.global_(features)
        inter_latent, inter = self.inter(self.attended(features))
        vector = torch.cat([global_latent, inter_latent], -1)
        return Fused(vector, {"reconstruction_global": global_, "reconstruction_inter": inter})
