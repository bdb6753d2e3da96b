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
STAY, CATCH, BLEND = 0.55, 0.15, 0.5

Modality = Literal["audio", "text", "visual"]
Features = Annotated[
    tuple[Modality, ...], Field(min_length=1, description="modalities, any of the three"), AfterValidator(distinct)
]


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

    With ``multi_label`` an utterance has any number of the five emotions other than neutral: its own, and with
    probability .5 also that of the utterance before; the features carry the mean of the two.

    ``features`` chooses modalities, ``signal`` scales the emotion against the noise; ``seed`` draws the data set (it
    is no training seed).
    """

    kind: Literal["synthetic"] = "synthetic"
    features: Features = ("audio", "text", "visual")
    multi_label: Annotated[bool, Field(description="any number of labels an utterance")] = False
    dialogues: Annotated[int, Field(ge=3, le=100_000, description="number of dialogues")] = 120
    signal: Annotated[PositiveFloat, Field(description="scale of the emotion against the noise")] = 0.8
    seed: Annotated[NonNegativeInt, Field(description="draws the data set; it is no training seed")] = 0

    def identity(self) -> dict[str, Any]:
        """What identifies the data in a cell."""
        return self.model_dump(mode="json")

    def load(self) -> Dataset:
        """Generate the data set: 60 % of the dialogues train, 15 % dev, 25 % test, at least one each."""
        rng = np.random.default_rng([self.seed, 20231206])
        length = rng.integers(6, 19, self.dialogues)
        turns = [_dialogue(rng, int(n)) for n in length]
        emotion = np.concatenate([emotion for emotion, _ in turns])
        mixture = np.eye(len(EMOTIONS))[emotion]
        if self.multi_label:
            mixture = _blended(mixture, length, np.random.default_rng([self.seed, 20181101]))
        held_out = max(1, round(0.15 * self.dialogues)), max(1, round(0.25 * self.dialogues))
        split = np.repeat([0, 1, 2], [self.dialogues - sum(held_out), *held_out])
        return Dataset(
            name="synthetic",
            features=self._features(rng, mixture),
            label=(mixture[:, 1:] > 0).astype(np.int64) if self.multi_label else emotion,
            length=length.astype(np.int64),
            speaker=np.concatenate([speaker for _, speaker in turns]),
            split=np.repeat(split, length).astype(np.int64),
            label_names=EMOTIONS[1:] if self.multi_label else EMOTIONS,
        )

    def _features(self, rng: np.random.Generator, mixture: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
        shared = rng.normal(size=(len(mixture), 3))
        carried = {
            "audio": (mixture @ AROUSAL[:, None], 16),
            "text": (mixture, 32),
            "visual": (mixture @ VALENCE[:, None], 24),
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


def _blended(mixture: NDArray[np.float64], length: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """(N, 6) emotions of which some linger into the next utterance of the dialogue; rows sum to 1."""
    before = np.roll(mixture, 1, axis=0)
    lingers = rng.random(len(mixture)) < BLEND
    lingers[np.cumsum(length)[:-1]] = lingers[0] = False
    return np.where(lingers[:, None], (mixture + before) / 2, mixture)


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
