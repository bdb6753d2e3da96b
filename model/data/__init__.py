"""Data sets. A new kind is one new file beside these, named in the union below."""

from typing import Annotated

from pydantic import Field

from model.data.dataset import DEV, TEST, TRAIN, Dataset
from model.data.joyful_pickle import JoyfulPickle
from model.data.mmgcn_pickle import MmgcnPickle
from model.data.npz import Npz
from model.data.synthetic import Synthetic

DataConfig = Annotated[Synthetic | Npz | JoyfulPickle | MmgcnPickle, Field(discriminator="kind")]

__all__ = ["DEV", "TEST", "TRAIN", "DataConfig", "Dataset", "JoyfulPickle", "MmgcnPickle", "Npz", "Synthetic"]
