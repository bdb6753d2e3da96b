"""Runs packs one after the other in this process: for tests, for a debugger, for one small study."""

import contextlib
from collections.abc import Iterable
from typing import Self

from ablations.record import RunRecord
from runners.checkpoints import OFF, Checkpoints, Interrupted
from runners.executors import Exploration, Message, Report, bayes
from runners.machine import gpus
from runners.planner import Pack


class InProcess:
    """The executor without processes."""

    jobs = 1
    starting = ""
    stopping = False

    def __init__(self, checkpoints: Checkpoints = OFF) -> None:
        """With the checkpoints that runs keep."""
        self.checkpoints = checkpoints

    @property
    def gpu(self) -> bool:
        """Whether this machine has one."""
        return gpus() > 0

    def __enter__(self) -> Self:
        """Nothing to make ready."""
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to give back."""

    def stop(self) -> None:
        """Propose no more points."""
        self.stopping = True

    def hurry(self) -> None:
        """A run that keeps checkpoints looks for the request after each epoch."""
        self.checkpoints.request_stop()

    def run(self, packs: Iterable[Pack], report: Report) -> None:
        """Run all packs."""
        with contextlib.suppress(Interrupted):
            for pack in packs:
                self._run(pack, report)

    def explore(self, exploration: Exploration, report: Report) -> None:
        """Propose points and run their packs; after an interruption, the same points as without."""
        with contextlib.suppress(Interrupted):
            self._explore(exploration, report)

    def _explore(self, exploration: Exploration, report: Report) -> None:
        import optuna

        space = exploration.space
        distributions = bayes.distributions(space)
        study = optuna.create_study(direction="maximize", sampler=bayes.sampler(0))
        for point, score in exploration.known:
            params = bayes.encode(space, point)
            study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=score))
        for number in range(len(exploration.known), len(exploration.known) + exploration.trials):
            if self.stopping:
                break
            study.sampler = bayes.sampler(number)
            trial = study.ask(distributions)
            records = self._run(exploration.pack(bayes.decode(space, trial.params)), report)
            study.tell(trial, exploration.score(records))

    def _run(self, pack: Pack, report: Report) -> list[RunRecord]:
        from runners.trial import run_pack

        records = []

        def pass_on(message: Message) -> None:
            report(pack.run(message.run_key), message)
            if isinstance(message, RunRecord):
                records.append(message)

        run_pack(pack, 1.0, pass_on, self.checkpoints)
        return records
