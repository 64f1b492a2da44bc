"""Every error that edgediff raises on purpose.

```
EdgeDiffError
├── SettingError          an argument outside its range
├── TaskError             a task definition that cannot be used
├── DataError             a labelled file that cannot be read, or a row that does not fit the task
├── ModelError            a model that cannot serve as a base
├── BundleError           a base bundle that is missing, damaged or of another version
├── BaseMismatchError     a diff made for another base
├── RunError              a RUN folder that cannot be read, resumed or created
├── TrainingError         training that cannot go on
├── StoppedError          training that was asked to stop and can be resumed
├── OutputError           a result that cannot be written
├── MissingExtraError     a command whose optional packages are not installed
└── FormatError           a `.dpf` file that breaks the format's rules
    ├── VersionError      ... of a version or with a section this reader does not know
    ├── TruncatedError    ... that ends too early, or goes on too long
    ├── ChecksumError     ... whose bytes are not those that were written
    └── LimitError        ... that asks for more than the format allows
```

A message is one sentence: the thing, what was found, what was expected.
"""


class EdgeDiffError(Exception):
    """The root of all errors raised on purpose; its text is one sentence for the user."""


class SettingError(EdgeDiffError, ValueError):
    """An argument outside its range."""


class TaskError(EdgeDiffError, ValueError):
    """A task definition that cannot be used."""


class DataError(EdgeDiffError, ValueError):
    """A labelled file that cannot be read, or a row that does not fit the task."""


class ModelError(EdgeDiffError):
    """A model that cannot serve as a base."""


class BundleError(EdgeDiffError):
    """A base bundle that is missing, damaged or of another version."""


class BaseMismatchError(EdgeDiffError):
    """A diff made for another base."""


class RunError(EdgeDiffError):
    """A RUN folder that cannot be read, resumed or created."""


class TrainingError(EdgeDiffError):
    """Training that cannot go on."""


class StoppedError(EdgeDiffError):
    """Training that was asked to stop, and can be resumed."""


class OutputError(EdgeDiffError):
    """A result that cannot be written."""


class MissingExtraError(EdgeDiffError, ImportError):
    """A command whose optional packages are not installed."""


class FormatError(EdgeDiffError, ValueError):
    """A `.dpf` file that breaks the format's rules."""


class VersionError(FormatError):
    """A `.dpf` file of a version, or with a section, that this reader does not know."""


class TruncatedError(FormatError):
    """A `.dpf` file that ends too early or goes on too long."""


class ChecksumError(FormatError):
    """A `.dpf` file whose bytes are not those that were written."""


class LimitError(FormatError):
    """A `.dpf` file that asks for more than the format allows."""
