"""The fusion's attention against the softmax over the outer product written out: forward and backward, published size.

python -m benchmarks.fusion
"""

import torch
from torch import Tensor

from benchmarks.timing import SIZES, UTTERANCES, WIDTHS, medians
from model.fusion.auto_fusion import AutoFusion
from model.fusion.parts import Attended


class Explicit(Attended):
    """The same with the P x P matrix of each utterance and modality."""

    def attend(self, x: Tensor) -> Tensor:
        """(N, M, P) to (N, M, P)."""
        b = self.query(x.new_ones(x.size(-1)))
        weight = torch.softmax(b[:, None] * x.unsqueeze(-2), -1)
        return (weight @ x.unsqueeze(-1)).squeeze(-1)


def main() -> None:
    """Print medians and ratio."""
    torch.manual_seed(0)
    fused, explicit = (AutoFusion(WIDTHS, SIZES) for _ in range(2))
    explicit.attended = Explicit(WIDTHS, SIZES.projection)
    explicit.load_state_dict(fused.state_dict())
    features = torch.randn(UTTERANCES, sum(WIDTHS))
    torch.testing.assert_close(fused(features).vector, explicit(features).vector, rtol=1e-4, atol=1e-5)
    a, b = medians(
        lambda: torch.autograd.backward(fused(features).vector.sum()),
        lambda: torch.autograd.backward(explicit(features).vector.sum()),
    )
    print(
        f"fusion of {UTTERANCES} utterances, forward and backward: {a:.3f} s; "
        f"softmax written out {b:.3f} s; {b / a:.1f}x"
    )


if __name__ == "__main__":
    main()
