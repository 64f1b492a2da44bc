package edgediff.format

import edgediff.FormatError
import edgediff.TruncatedError

private const val MAX_NUMBER_BYTES = 1 shl 20
private const val LENGTHS_BYTES = 8

/**
 * Section INDX: the indices of each of the [tensors], flat and strictly increasing.
 *
 * @throws FormatError of the kind that says what is wrong.
 */
internal fun decodePositions(data: ByteArray, tensors: List<TensorEntry>): List<LongArray> {
    if (data.size < LENGTHS_BYTES) {
        throw TruncatedError("section INDX has ${data.size} bytes, its first fields alone have $LENGTHS_BYTES")
    }
    val numberBytes = littleEndian(data).getInt(0).toLong() and 0xFFFFFFFFL
    val quotientBytes = littleEndian(data).getInt(4).toLong() and 0xFFFFFFFFL
    if (LENGTHS_BYTES + numberBytes + quotientBytes > data.size) {
        throw TruncatedError(
            "section INDX has ${data.size} bytes, its numbers claim $numberBytes, its quotients $quotientBytes",
        )
    }
    val quotientsAt = LENGTHS_BYTES + numberBytes.toInt()
    val remaindersAt = quotientsAt + quotientBytes.toInt()
    val numbers = decodeNumbers(inflate(data, LENGTHS_BYTES, quotientsAt, MAX_NUMBER_BYTES, "INDX"), "INDX")
    val classes = readClasses(numbers, tensors)
    val reader = SetReader(data, quotientsAt, remaindersAt, classes.flatMap { it.sets })
    return classes.zip(tensors) { of, entry -> indices(of, entry.nnz, reader) }
}

/** The indices of the next tensor. */
private fun indices(classes: Classes, nnz: Int, reader: SetReader): LongArray {
    if (classes.blocks.size == 1) return reader.members(classes.blocks.single())
    val rows = lines(classes.rows, reader)
    val columns = lines(classes.columns, reader)
    val indices = LongArray(nnz)
    var filled = 0
    var rowsBefore = 0L
    var block = 0
    for (height in classes.rows.sizes) {
        var columnsBefore = 0L
        for (width in classes.columns.sizes) {
            for (member in reader.members(classes.blocks[block++])) {
                val row = rows.at(rowsBefore + member / width)
                val column = columns.at(columnsBefore + member % width)
                indices[filled++] = row * classes.columns.length + column
            }
            columnsBefore += width
        }
        rowsBefore += height
    }
    indices.sort()
    return indices
}

/** The rows or columns of a matrix class after class, each class ascending. */
private class Lines(private val order: IntArray?) {
    fun at(place: Long): Long = if (order == null) place else order[place.toInt()].toLong()
}

private fun lines(axis: Axis, reader: SetReader): Lines {
    if (axis.sets.isEmpty()) return Lines(null) // one class may be longer than any array
    val order = IntArray(axis.length.toInt())
    val left = IntArray(order.size) { it }
    var leftCount = left.size
    var filled = 0
    for (set in axis.sets) {
        val members = reader.members(set)
        var next = 0
        var kept = 0
        for (i in 0 until leftCount) {
            if (next < members.size && members[next] == i.toLong()) {
                order[filled++] = left[i]
                next++
            } else {
                left[kept++] = left[i]
            }
        }
        leftCount = kept
    }
    left.copyInto(order, filled, 0, leftCount)
    return Lines(order)
}
