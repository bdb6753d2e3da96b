"""How parameters follow their gradients. Each is PyTorch's, of the same name."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from model.base import Config

# Where a gradient is 0 but for rounding (of a bias before batch norm, say), PyTorch's 1e-8 makes steps of full length
# out of the noise, and two ways to add the same numbers soon give two networks. Scores do not change with it.
EPSILON = 1e-5

Decay = Annotated[NonNegativeFloat, Field(description="weight decay")]
Epsilon = Annotated[PositiveFloat, Field(description="added to the root of the second moment")]


class _Optimiser(Config):
    name: ClassVar[str]

    def settings(self) -> dict[str, Any]:
        """Arguments of the class ``name`` of ``torch.optim``, without the learning rate."""
        return self.model_dump(exclude={"kind"})


class AdamW(_Optimiser):
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter, ICLR 2019)."""

    name: ClassVar[str] = "AdamW"
    kind: Literal["adamw"] = "adamw"
    weight_decay: Decay = 1e-2
    eps: Epsilon = EPSILON


class Adam(_Optimiser):
    """Adam (Kingma and Ba, ICLR 2015); its weight decay is added to the gradient."""

    name: ClassVar[str] = "Adam"
    kind: Literal["adam"] = "adam"
    weight_decay: Decay = 0.0
    eps: Epsilon = EPSILON


class SGD(_Optimiser):
    """Stochastic gradient descent with momentum; its weight decay is added to the gradient."""

    name: ClassVar[str] = "SGD"
    kind: Literal["sgd"] = "sgd"
    weight_decay: Decay = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1, description="part of the last step that is kept")] = 0.9


Optimiser = Annotated[AdamW | Adam | SGD, Field(discriminator="kind")]
