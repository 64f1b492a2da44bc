package edgediff.demo

import java.io.IOException

/** What can go wrong with the app's own files; the screen has a sentence for each. */
sealed class Problem(message: String, cause: Throwable? = null) : IOException(message, cause)

/** There is no base: neither unpacked nor pushed. */
class NoBaseProblem : Problem("no base")

/** [needed] bytes are to be unpacked, and [free] are left. */
class NoSpaceProblem(val needed: Long, val free: Long) : Problem("no space")

/** A task is asked for what needs at least one. */
class NoTaskProblem : Problem("no task")
