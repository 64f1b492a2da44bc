package edgediff.demo

import android.content.res.Resources
import edgediff.EdgeDiffError
import java.text.NumberFormat

private const val MEGABYTE = 1e6

/** What to tell the user of an error: the library's sentence, or one for what went wrong with the app's files. */
fun Resources.sentence(error: Exception, places: Places): String = when (error) {
    is NoBaseProblem -> getString(R.string.no_base)
    is NoTaskProblem -> getString(R.string.no_task)
    is NoSpaceProblem -> getString(R.string.no_space, megabytes(error.needed), megabytes(error.free))
    is EdgeDiffError -> places.shorten(error.message.orEmpty())
    else -> getString(R.string.no_file, places.shorten(error.message ?: error.javaClass.simpleName))
}

private fun megabytes(bytes: Long): String =
    NumberFormat.getNumberInstance().apply { maximumFractionDigits = 0 }.format(bytes / MEGABYTE)
