"""Fusion with gates for the utterance and for the dialogue."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.architecture import Hierarchical as Config
from model.fusion.parts import Attended, Autoencoder, Fused, Reconstruction, decoder, encoder


class Hierarchical(nn.Module):
    """Interactive fusion as in ``AutoFusion``, and a global part that is gated twice.

    With the concatenated features x (D,) of an utterance, the learned global emotion state s (L,), and gates
    ``h(z) = hardtanh(z, 0, 1)``:

    * utterance gate: ``u = h(W_g x) * encode(x)``, which is the global half of the fused vector;
    * dialogue gate: temporal, forget and input gate ``t, f, i = h(W [u, s])`` and ``d = t (f s + i u)``, from which x
      is reconstructed. As in the published code d serves the reconstruction alone.

    The regularisation of an utterance is ``sum over t, f, i of mean_l (gate_l - 1/2)^2``: it keeps the gates from
    saturating.
    """

    def __init__(self, widths: Sequence[int], config: Config) -> None:
        super().__init__()
        self.widths, width, latent = widths, sum(widths), config.latent
        self.attended = Attended(widths, config.projection)
        self.inter = Autoencoder([config.projection] * len(widths), config)
        self.encode = encoder(width, config)
        self.decode = decoder(width, config)
        self.utterance_gate = nn.Linear(width, latent)
        self.temporal_gate = nn.Linear(2 * latent, latent)
        self.forget_gate = nn.Linear(2 * latent, latent)
        self.input_gate = nn.Linear(2 * latent, latent)
        self.state = nn.Parameter(torch.zeros(latent))

    def forward(self, features: Tensor) -> Fused:
        """(N, D) features to (N, 2L) vectors, their reconstructions and the regularisation of the gates (N,)."""
        inter_latent, inter = self.inter(self.attended(features))
        utterance = _open(self.utterance_gate(features)) * self.encode(features)
        both = torch.cat([utterance, self.state.expand_as(utterance)], -1)
        gates = [_open(gate(both)) for gate in (self.temporal_gate, self.forget_gate, self.input_gate)]
        temporal, forget, input_ = gates
        dialogue = temporal * (forget * self.state + input_ * utterance)
        reconstructions = {
            "reconstruction_global": Reconstruction(self.decode(dialogue), features, self.widths),
            "reconstruction_inter": inter,
        }
        regularisation = torch.stack([(gate - 0.5).square().mean(-1) for gate in gates]).sum(0)
        return Fused(torch.cat([utterance, inter_latent], -1), reconstructions, regularisation)


def _open(z: Tensor) -> Tensor:
    return F.hardtanh(z, 0.0, 1.0)
