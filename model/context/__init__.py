"""Context of an utterance: what was said around it. A new kind is one new file, and its line below."""

from model import architecture
from model.context.no_context import NoContext
from model.context.recurrent import Recurrent
from model.context.transformer import Transformer


def build(width: int, out: int, config: architecture.Context) -> Transformer | Recurrent | NoContext:
    """The context encoder of a configuration: from the fused width to ``out``."""
    match config:
        case architecture.Transformer():
            return Transformer(width, out, config)
        case architecture.LSTM() | architecture.GRU():
            return Recurrent(width, out, config)
        case architecture.NoContext():
            return NoContext(width, out)
