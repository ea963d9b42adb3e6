"""The errors that perfgate raises on purpose. Each message names the field, the value and the remedy."""

from __future__ import annotations


class PerfgateError(Exception):
    """Something the user can mend; the command line prints the message alone and exits with 3."""


class InputError(PerfgateError):
    """A file or an argument is wrong: nothing was started."""


class TargetError(PerfgateError):
    """The store could not be started, reached, loaded, identified or stopped."""


class FleetError(PerfgateError):
    """An agent could not be reached, is taken, speaks another version, or was lost."""


class MeasurementError(PerfgateError):
    """The measurement broke off; what had been measured until then is kept."""


class CountsError(MeasurementError):
    """What the agents counted and what came in of it are not the same: the measurement says nothing."""


class StartError(MeasurementError):
    """The agents of a fleet started further apart than the policy allows."""


class HistoryError(PerfgateError):
    """The history could not be opened, read or written; runs and verdicts do not depend on it."""
