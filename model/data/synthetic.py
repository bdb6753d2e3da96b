"""Synthetic conversations with a known ground truth, the embedded default."""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat

from model.base import Config, distinct
from model.data.dataset import Dataset

EMOTIONS = ("neutral", "frustration", "anger", "sadness", "happiness", "excitement")
PRIOR = np.array([0.34, 0.21, 0.16, 0.14, 0.09, 0.06])
# Valence and arousal of each emotion on the circumplex (Russell 1980), in the order of EMOTIONS.
VALENCE = np.array([0.0, -0.7, -0.8, -0.9, 0.9, 0.7])
AROUSAL = np.array([-0.1, 0.3, 0.9, -0.8, 0.1, 0.9])
STAY, CATCH = 0.55, 0.15

Modality = Literal["audio", "text", "visual"]
Features = Annotated[tuple[Modality, ...], Field(min_length=1), AfterValidator(distinct)]


class Synthetic(Config):
    """Dialogues of 2 or 3 speakers whose emotions persist, seen through three noisy modalities.

    Ground truth:

    * An utterance's emotion is with probability .55 that of its speaker's last utterance (inertia), with .15 that of
      the utterance before (contagion), else drawn from an imbalanced prior (34 % to 6 %). So the neighbours carry
      information that the utterance alone does not: context and graph must help.
    * ``text`` carries the emotion's identity; ``audio`` arousal only, ``visual`` valence only. So text alone is
      best, and audio and visual each add to it and to one another.
    * Each utterance also has 3 latent factors that all modalities share and that say nothing of the emotion: what the
      reconstruction can compress without loss.
    * The noise is Student t with 3 degrees of freedom (heavy tails), half of the columns are noise alone, and columns
      are on different scales.

    ``features`` chooses modalities, ``signal`` scales the emotion against the noise; ``seed`` draws the data set (it
    is no training seed).
    """

    kind: Literal["synthetic"] = "synthetic"
    features: Features = ("audio", "text", "visual")
    dialogues: Annotated[int, Field(ge=3, le=100_000)] = 120
    signal: PositiveFloat = 0.8
    seed: NonNegativeInt = 0

    def identity(self) -> dict[str, Any]:
        """What identifies the data in a cell."""
        return self.model_dump(mode="json")

    def load(self) -> Dataset:
        """Generate the data set: 60 % of the dialogues train, 15 % dev, 25 % test, at least one each."""
        rng = np.random.default_rng([self.seed, 20231206])
        length = rng.integers(6, 19, self.dialogues)
        turns = [_dialogue(rng, int(n)) for n in length]
        label = np.concatenate([emotion for emotion, _ in turns])
        held_out = max(1, round(0.15 * self.dialogues)), max(1, round(0.25 * self.dialogues))
        split = np.repeat([0, 1, 2], [self.dialogues - sum(held_out), *held_out])
        return Dataset(
            name="synthetic",
            features=self._features(rng, label),
            label=label,
            length=length.astype(np.int64),
            speaker=np.concatenate([speaker for _, speaker in turns]),
            split=np.repeat(split, length).astype(np.int64),
            label_names=EMOTIONS,
        )

    def _features(self, rng: np.random.Generator, label: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        shared = rng.normal(size=(len(label), 3))
        carried = {
            "audio": (AROUSAL[label, None], 16),
            "text": (np.eye(len(EMOTIONS))[label], 32),
            "visual": (VALENCE[label, None], 24),
        }
        drawn = {key: self._modality(rng, signal, shared, width) for key, (signal, width) in carried.items()}
        return {key: drawn[key] for key in self.features}

    def _modality(
        self, rng: np.random.Generator, signal: NDArray[Any], shared: NDArray[np.float64], width: int
    ) -> NDArray[np.float32]:
        informative = width // 2
        noise = 0.6 * rng.standard_t(3, size=(len(signal), width))
        emotion = self.signal * signal @ rng.normal(size=(signal.shape[1], informative)) / signal.shape[1] ** 0.25
        noise[:, :informative] += emotion + 0.7 * shared @ rng.normal(size=(3, informative))
        return np.asarray(noise * rng.lognormal(sigma=0.7, size=width), dtype=np.float32)


def _dialogue(rng: np.random.Generator, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Emotion and speaker of each utterance of one dialogue."""
    speakers = int(rng.choice([2, 3], p=[0.7, 0.3]))
    emotion, speaker = np.zeros(length, np.int64), np.zeros(length, np.int64)
    mood: dict[int, int] = {}
    for i in range(length):
        speaker[i] = rng.integers(speakers)
        fresh, draw = int(rng.choice(len(PRIOR), p=PRIOR)), rng.random()
        if draw < STAY:
            emotion[i] = mood.get(int(speaker[i]), fresh)
        elif draw < STAY + CATCH and i:
            emotion[i] = emotion[i - 1]
        else:
            emotion[i] = fresh
        mood[int(speaker[i])] = int(emotion[i])
    return emotion, speaker
