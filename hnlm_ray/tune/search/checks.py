"""What a search would do in silence other than it was asked to: refused before anything runs."""

from __future__ import annotations

from hnlm_ray.base.errors import InputError
from hnlm_ray.config import Config, TuneConfig
from hnlm_ray.methods.known import RunMethods


def check_search(config: Config) -> None:
    """Raise InputError where TPE would choose no trial, a stopping rule could end none, or a change changes nothing."""
    settings, epochs = config.tune, config.cf.epochs
    _build_all(settings)
    if settings.search == "tpe" and settings.startup_trials >= settings.trials:
        raise InputError(
            f"tune.search is tpe, and it would choose none of the {settings.trials} trials of a method: the first "
            f"{settings.startup_trials} are random (tune.startup_trials); raise tune.trials above that, or lower it"
        )
    if settings.stopping != "none" and settings.grace_epochs >= epochs:
        raise InputError(
            f"tune.stopping is {settings.stopping}, and it could end no trial: each gets {settings.grace_epochs} "
            f"epochs first (tune.grace_epochs) and has {epochs} in all (cf.epochs); lower the first below the second"
        )


def _build_all(settings: TuneConfig) -> None:
    """Put together what `tune.spaces` holds and no method extends, so that a misspelt name is no method unheard of."""
    methods, spaces = RunMethods.of(settings), settings.spaces
    for name in sorted(spaces.keys() - {given.extends for given in spaces.values()}):
        methods[name]
