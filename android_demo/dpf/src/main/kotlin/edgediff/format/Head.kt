package edgediff.format

import edgediff.FormatError
import edgediff.TruncatedError
import edgediff.diff.Head
import kotlin.math.abs

private const val MIN_EXPONENT = -126
private const val MAX_EXPONENT = 120
private const val BIAS_BYTES = 4

/** The largest code of a row that could as well have been written with the exponent below. */
private const val HALF_OF_LARGEST_CODE = 63

/**
 * The head of [rows] rows of [width] in section HEAD.
 *
 * @throws TruncatedError too few bytes.
 * @throws FormatError too many, a number out of range, or a row that is not written in the one way.
 */
internal fun decodeHead(data: ByteArray, rows: Int, width: Int): Head {
    val expected = rows * (1L + width + BIAS_BYTES)
    if (data.size != expected.toInt()) {
        val message = "section HEAD has ${data.size} bytes, $rows rows of $width need $expected"
        throw if (data.size < expected) TruncatedError(message) else FormatError(message)
    }
    val weight = FloatArray(rows * width)
    for (row in 0 until rows) decodeRow(data, data[row].toInt(), rows + row * width, width, weight, row * width)
    val numbers = littleEndian(data)
    val bias = FloatArray(rows) { numbers.getFloat(rows + rows * width + BIAS_BYTES * it) }
    if (!bias.all(Float::isFinite)) throw FormatError("section HEAD holds a bias that is not finite")
    return Head(weight, bias)
}

/** Puts the codes from [start] of [data], times 2^[exponent], into [weight] from [at]; exact, as none is subnormal. */
private fun decodeRow(data: ByteArray, exponent: Int, start: Int, width: Int, weight: FloatArray, at: Int) {
    if (exponent !in MIN_EXPONENT..MAX_EXPONENT) {
        throw FormatError("section HEAD holds the exponent $exponent, expected $MIN_EXPONENT to $MAX_EXPONENT")
    }
    val unit = Math.scalb(1f, exponent)
    var largest = 0
    for (column in 0 until width) {
        val code = data[start + column].toInt()
        largest = maxOf(largest, abs(code))
        weight[at + column] = code * unit
    }
    if (largest == 128) throw FormatError("section HEAD holds the code -128")
    val smallest = if (largest == 0) exponent == 0 else largest > HALF_OF_LARGEST_CODE || exponent == MIN_EXPONENT
    if (!smallest) throw FormatError("section HEAD has a row whose exponent is not the smallest that holds it")
}
