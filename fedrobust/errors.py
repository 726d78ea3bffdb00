"""
Exceptions that fedrobust raises on purpose.

* FedRobustError
  + ConfigError            (also a ValueError)   the scenario cannot be run as written
    - UnknownComponent                           nothing has that name
  + DataError              (also a ValueError)   a data set cannot be read or split as asked
  + AggregationError                             a rule cannot aggregate what it was given
    - TooManyMalicious                           the rule needs more honest clients
  + ResultsError                                 a results folder cannot be read or resumed

A malformed reply of a client is not an error: it is dropped, counted and reported.
"""


class FedRobustError(Exception):
    """Base class of every error fedrobust raises on purpose."""


class ConfigError(FedRobustError, ValueError):
    """The scenario cannot be run as written."""


class UnknownComponent(ConfigError):
    """No strategy, attack, fault, data set, partition or model has the name that was asked for."""


class DataError(FedRobustError, ValueError):
    """A data set cannot be read, or cannot be split as asked."""


class AggregationError(FedRobustError):
    """A rule cannot aggregate the updates it was given."""


class TooManyMalicious(AggregationError):
    """The rule needs more honest clients than the round offers."""


class ResultsError(FedRobustError):
    """A results folder cannot be read, exported or resumed."""
