package edgediff

/**
 * The root of all errors raised on purpose; the message is one sentence for the user: the thing, what was found,
 * what was expected.
 *
 * ```
 * EdgeDiffError
 * ├── SettingError          an argument outside its range
 * ├── TaskError             a task that is not there
 * ├── DataError             a text that does not fit the task
 * ├── BundleError           a base bundle that is missing, damaged or of another version
 * ├── BaseMismatchError     a diff made for another base
 * └── FormatError           a `.dpf` file that breaks the format's rules
 *     ├── VersionError      ... of a version or with a section this reader does not know
 *     ├── TruncatedError    ... that ends too early, or goes on too long
 *     ├── ChecksumError     ... whose bytes are not those that were written
 *     └── LimitError        ... that asks for more than the format allows
 * ```
 */
open class EdgeDiffError(message: String, cause: Throwable? = null) : Exception(message, cause)

/** An argument outside its range. */
class SettingError(message: String) : EdgeDiffError(message)

/** A task that is not there. */
class TaskError(message: String) : EdgeDiffError(message)

/** A text that does not fit the task. */
class DataError(message: String) : EdgeDiffError(message)

/** A base bundle that is missing, damaged or of another version, or that cannot be patched in place. */
open class BundleError(message: String, cause: Throwable? = null) : EdgeDiffError(message, cause)

/** A diff made for another base. */
class BaseMismatchError(message: String) : EdgeDiffError(message)

/** A `.dpf` file that breaks the format's rules. */
open class FormatError(message: String, cause: Throwable? = null) : EdgeDiffError(message, cause)

/** A `.dpf` file of a version, or with a section, that this reader does not know. */
class VersionError(message: String, cause: Throwable? = null) : FormatError(message, cause)

/** A `.dpf` file that ends too early or goes on too long. */
class TruncatedError(message: String, cause: Throwable? = null) : FormatError(message, cause)

/** A `.dpf` file whose bytes are not those that were written. */
class ChecksumError(message: String, cause: Throwable? = null) : FormatError(message, cause)

/** A `.dpf` file that asks for more than the format allows, or than there is memory for. */
class LimitError(message: String, cause: Throwable? = null) : FormatError(message, cause)
