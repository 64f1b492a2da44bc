package edgediff.format

import edgediff.ChecksumError
import edgediff.FormatError
import edgediff.LimitError
import edgediff.TruncatedError
import edgediff.VersionError
import edgediff.diff.Diff
import edgediff.diff.TensorDiff
import java.io.File
import java.io.IOException
import java.io.RandomAccessFile

/**
 * The diff in the bytes of a `.dpf` file (`docs/format.md`).
 *
 * @throws FormatError the bytes break a rule of the format; the kind and the text say which. A [LimitError] too if the
 *   format allows the diff, but there is no memory for it.
 */
fun loads(bytes: ByteArray): Diff = withinMemory {
    val sections = splitSections(bytes)
    val meta = decodeMetadata(sections.getValue("META"), "PROD" in sections)
    val values = decodeValues(sections.getValue("VALS"), meta.nnz) // first: it bounds what positions may take
    val positions = decodePositions(sections.getValue("INDX"), meta.tensors)
    var start = 0
    val tensors = meta.tensors.zip(positions) { entry, indices ->
        TensorDiff(entry.name, entry.shape, indices, values.slice(start, entry.nnz).also { start += entry.nnz })
    }
    val products = sections["PROD"]?.let { decodeProducts(it, meta.products) }.orEmpty()
    val head = decodeHead(sections.getValue("HEAD"), meta.task.outputs, meta.base.width)
    Diff(meta.base, meta.task, tensors, head, meta.provenance, values.levels, products)
}

/**
 * The diff in [file].
 *
 * @throws FormatError the file is missing or breaks a rule of the format; the text names the file.
 */
fun readDpf(file: File): Diff = reading(file) { opened ->
    checkSize(opened.length())
    loads(ByteArray(opened.length().toInt()).also(opened::readFully))
}

/** Some kilobytes can hold 2^26 entries, as many as the format allows and more than most phones have memory for. */
private inline fun <T> withinMemory(read: () -> T): T = try {
    read()
} catch (error: OutOfMemoryError) {
    throw LimitError("the diff needs more memory than there is", error)
}

/** Opens [file] for [read]; any error names it. */
internal fun <T> reading(file: File, read: (RandomAccessFile) -> T): T = try {
    withinMemory { RandomAccessFile(file, "r").use(read) }
} catch (error: IOException) {
    throw FormatError("cannot read $file: ${error.message ?: "it ends too early"}", error)
} catch (error: FormatError) {
    val message = "$file: ${error.message}"
    throw when (error) {
        is VersionError -> VersionError(message, error)
        is TruncatedError -> TruncatedError(message, error)
        is ChecksumError -> ChecksumError(message, error)
        is LimitError -> LimitError(message, error)
        else -> FormatError(message, error)
    }
}
