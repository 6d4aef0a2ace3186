"""Everything that Headwater raises on purpose.

HeadwaterError
├── InputError             what was passed cannot be used; the message says what was expected and what came
│   ├── BatchError         the batches are empty or of a form that Headwater does not know
│   ├── ModelError         the model has nothing to train, or raised while it ran
│   ├── OptimizerError     the optimizer is neither an Optimizer nor a factory, or does not belong to the model
│   └── LossError          the loss is no scalar tensor, or does not depend on the parameters
│       └── NonFiniteLossError   the loss is NaN or infinite before any training step
├── NotMeasuredError       a live training has shown nothing yet
├── StoreError             a run cannot be written or read
├── UnknownCodeError       no rule has this code
├── RemedyError            a remedy matched nothing, or cannot change what it was given
├── PatchError             a change cannot be written into a file of the user's; the message says why
└── MissingDependencyError an optional package is needed; the message names the extra to install
"""


class HeadwaterError(Exception):
    """Base of every exception that Headwater raises on purpose."""


class InputError(HeadwaterError, ValueError):
    """Something that was passed cannot be used."""


class BatchError(InputError):
    """The batches are empty or of a form that Headwater does not know."""


class ModelError(InputError):
    """The model has nothing to train, or raised an exception while it ran."""


class OptimizerError(InputError):
    """The optimizer is neither an Optimizer nor a factory, or it does not belong to the model."""


class LossError(InputError):
    """The loss is no scalar tensor, or does not depend on any parameter."""


class NonFiniteLossError(LossError):
    """The loss is NaN or infinite before any training step."""


class UnknownCodeError(InputError):
    """No rule has this code."""


class RemedyError(HeadwaterError):
    """A remedy matched nothing, or cannot change what it was given; the message says what it looked for."""


class PatchError(HeadwaterError):
    """A change cannot be written into a file of the user's without a risk to it; the message says why."""


class NotMeasuredError(HeadwaterError):
    """A live training has shown nothing yet that a report could stand on."""


class StoreError(HeadwaterError):
    """A run cannot be written or read; the message names the file and says what to do."""


class MissingDependencyError(HeadwaterError, ImportError):
    """An optional package is needed; the message names the extra to install."""
