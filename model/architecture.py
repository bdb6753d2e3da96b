"""Sizes of the network.

They stand apart from the modules that they build so that a matrix is read, checked and planned without importing
torch. Defaults fit the embedded data.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from model.base import Config

Dropout = Annotated[float, Field(ge=0, lt=1, description="part of the units that is dropped")]


class FusionSizes(Config):
    """Width of the projections that attend (P), of the hidden layers (F) and of each of the two latents (L)."""

    projection: Annotated[PositiveInt, Field(description="width of the projections that attend")] = 32
    hidden: Annotated[PositiveInt, Field(description="width of the hidden layers")] = 64
    latent: Annotated[PositiveInt, Field(description="width of each of the two latents")] = 32


class AutoFusion(FusionSizes):
    """Fusion by two autoencoders."""

    gated: ClassVar[bool] = False

    kind: Literal["auto_fusion"] = "auto_fusion"


class Hierarchical(FusionSizes):
    """Fusion with gates, whose regularisation is a term of the loss."""

    gated: ClassVar[bool] = True

    kind: Literal["hierarchical"] = "hierarchical"


Fusion = AutoFusion | Hierarchical


class Transformer(Config):
    """Transformer encoder over the utterances of a dialogue; its width is that of the fusion (2 L)."""

    kind: Literal["transformer"] = "transformer"
    layers: Annotated[PositiveInt, Field(description="number of layers")] = 1
    heads: Annotated[PositiveInt, Field(description="heads of the attention; they divide 2 fusion.latent")] = 4
    feed_forward: Annotated[PositiveInt, Field(description="width of the feed-forward layers")] = 128
    dropout: Dropout = 0.3


class RecurrentSizes(Config):
    """Bidirectional over the utterances of a dialogue; ``hidden`` in each direction, dropout between layers."""

    layers: Annotated[PositiveInt, Field(description="number of layers")] = 2
    hidden: Annotated[PositiveInt, Field(description="width of each direction")] = 32
    dropout: Dropout = 0.3


class LSTM(RecurrentSizes):
    """Long short-term memory."""

    kind: Literal["lstm"] = "lstm"


class GRU(RecurrentSizes):
    """Gated recurrent units."""

    kind: Literal["gru"] = "gru"


class NoContext(Config):
    """Each utterance by itself; what is around it enters through the graph alone."""

    kind: Literal["none"] = "none"


Context = Transformer | LSTM | GRU | NoContext


class Graph(Config):
    """Window of neighbours, width of the relational convolution (H) and heads (K) of the transformer convolution."""

    past: Annotated[NonNegativeInt, Field(description="utterances before that are neighbours")] = 2
    future: Annotated[NonNegativeInt, Field(description="utterances after that are neighbours")] = 2
    hidden: Annotated[PositiveInt, Field(description="width of the relational convolution")] = 32
    heads: Annotated[PositiveInt, Field(description="heads of the transformer convolution")] = 4


class Architecture(Config):
    """The network from fusion to classifier. ``dropout`` is that of the classifier."""

    fusion: Annotated[Fusion, Field(discriminator="kind")] = AutoFusion()
    context: Annotated[Context, Field(discriminator="kind")] = Transformer()
    graph: Graph = Graph()
    dropout: Annotated[Dropout, Field(description="of the classifier")] = 0.3

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "Architecture":
        width = 2 * self.fusion.latent
        heads = self.context.heads if self.context.kind == "transformer" else 1
        if width % heads:
            raise ValueError(f"context.heads ({heads}) must divide the fused width 2 * fusion.latent ({width})")
        return self
