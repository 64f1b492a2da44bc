package edgediff.format

import edgediff.FormatError
import edgediff.LimitError
import edgediff.TruncatedError

private const val MAX_CLASSES = 24L
private const val MAX_CLASSED_AXIS = 1L shl 20

/** Rows and columns in classes, over all tensors: what a reader takes memory for beside the entries. */
private const val MAX_CLASSED_LINES = 1L shl 22

/** Rows or columns of a matrix, parted into classes of the given [sizes], each of which has a member. */
internal class Axis(val sizes: LongArray) {
    /** How many rows or columns. */
    val length: Long = sizes.sum()

    /** For each class but the last the set of its members among those of no earlier class. */
    val sets: List<NumberSet>

    init {
        var left = length
        sets = sizes.dropLast(1).map { size -> NumberSet(left, size.toInt()).also { left -= size } }
    }
}

/**
 * How one tensor's entries are divided into sets: sizes alone, which the numbers of INDX give.
 *
 * @property blocks the sets of changed entries where a class of rows and one of columns meet, row class by row class.
 */
internal class Classes(val rows: Axis, val columns: Axis, val blocks: List<NumberSet>) {
    /** All sets, in the order in which they are written. */
    val sets: List<NumberSet> get() = rows.sets + columns.sets + blocks
}

/**
 * The classes of all tensors.
 *
 * @throws FormatError of the kind that says what is wrong.
 */
internal fun readClasses(numbers: LongArray, tensors: List<TensorEntry>): List<Classes> {
    val reader = ClassReader(numbers)
    return tensors.mapIndexed(reader::next).also { reader.expectEnd() }
}

private class ClassReader(private val numbers: LongArray) {
    private var at = 0
    private var lines = 0L

    fun next(tensor: Int, entry: TensorEntry): Classes {
        val rowCount = entry.shape.first().takeIf { entry.shape.size > 1 } ?: 1L
        val columnCount = numel(entry.shape) / rowCount
        val (rowClasses, columnClasses) = take(2, tensor)
        checkCount(rowClasses, rowCount, tensor)
        checkCount(columnClasses, columnCount, tensor)
        val rows = axis(rowClasses, rowCount, tensor)
        val columns = axis(columnClasses, columnCount, tensor)
        return Classes(rows, columns, blocks(rows, columns, entry.nnz, tensor))
    }

    fun expectEnd() {
        if (at < numbers.size) {
            throw TruncatedError("section INDX has ${numbers.size - at} numbers after those of its last tensor")
        }
    }

    private fun checkCount(classes: Long, lines: Long, tensor: Int) {
        if (classes !in 1..minOf(MAX_CLASSES, lines) || classes > 1 && lines > MAX_CLASSED_AXIS) {
            throw FormatError("section INDX, tensor $tensor: $classes classes for an axis of $lines")
        }
        if (classes > 1) this.lines += lines
        if (this.lines > MAX_CLASSED_LINES) {
            throw LimitError("section INDX has ${this.lines} rows and columns in classes, at most $MAX_CLASSED_LINES")
        }
    }

    private fun axis(classes: Long, lines: Long, tensor: Int): Axis {
        val sizes = take(classes.toInt() - 1, tensor)
        val last = lines - sizes.sum()
        if (last < 1 || 0L in sizes) throw FormatError("section INDX, tensor $tensor: a class without a row or column")
        return Axis(sizes + last)
    }

    private fun blocks(rows: Axis, columns: Axis, nnz: Int, tensor: Int): List<NumberSet> {
        val counts = take(rows.sizes.size * columns.sizes.size, tensor)
        if (counts.sum() != nnz.toLong()) {
            throw FormatError("section INDX, tensor $tensor: its blocks hold ${counts.sum()} entries, META states $nnz")
        }
        return counts.mapIndexed { block, count ->
            val places = rows.sizes[block / columns.sizes.size] * columns.sizes[block % columns.sizes.size]
            if (count > places) {
                throw FormatError("section INDX, tensor $tensor: a block of $places places holds $count entries")
            }
            NumberSet(places, count.toInt())
        }
    }

    private fun take(count: Int, tensor: Int): LongArray {
        if (count > numbers.size - at) {
            throw TruncatedError("section INDX has ${numbers.size} numbers, tensor $tensor needs more")
        }
        return numbers.copyOfRange(at, at + count).also { at += count }
    }
}
