package edgediff.format

import edgediff.FormatError
import edgediff.TruncatedError

private const val MAX_LEVELS = 128
private const val LEVEL_BYTES = 2

/**
 * The content of section VALS.
 *
 * @property levels the magnitudes that all values have, ascending and above zero.
 * @property codes one for each changed entry of all tensors: below `levels.size` for a level, else for its negative.
 */
internal class Values(val levels: FloatArray, private val codes: ByteArray) {
    private val meanings = levels + FloatArray(levels.size) { -levels[it] }

    /** The [count] values from the one numbered [start]. */
    fun slice(start: Int, count: Int) = FloatArray(count) { meanings[codes[start + it].toInt() and 0xFF] }
}

/**
 * Section VALS of [count] changed entries.
 *
 * @throws FormatError of the kind that says what is wrong.
 */
internal fun decodeValues(data: ByteArray, count: Int): Values {
    val levelCount = if (data.isEmpty()) 1 else (data[0].toInt() and 0xFF) + 1
    val codesAt = 1 + LEVEL_BYTES * levelCount
    if (data.size < codesAt) throw TruncatedError("section VALS has ${data.size} bytes, too few for its levels")
    if (levelCount > MAX_LEVELS) throw FormatError("section VALS has $levelCount levels, at most $MAX_LEVELS")
    if (count > MAX_DEFLATE_RATIO.toLong() * data.size) {
        throw TruncatedError("section VALS has ${data.size} bytes, too few for $count entries")
    }
    val halves = littleEndian(data)
    val levels = FloatArray(levelCount) { halfToFloat(halves.getShort(1 + LEVEL_BYTES * it)) }
    if (!levels.last().isFinite() || !ascendsFromAboveZero(levels)) {
        throw FormatError("section VALS: the levels are not finite, above zero and strictly ascending")
    }
    val codes = inflate(data, codesAt, data.size, count, "VALS")
    if (codes.size != count) {
        throw TruncatedError("section VALS holds ${codes.size} codes, the tensors have $count entries")
    }
    for (code in codes) {
        if (code.toInt() and 0xFF >= 2 * levelCount) {
            throw FormatError("section VALS holds the code ${code.toInt() and 0xFF}, $levelCount levels have fewer")
        }
    }
    return Values(levels, codes)
}

/** False with a NaN, which is above nothing. */
private fun ascendsFromAboveZero(levels: FloatArray): Boolean {
    var before = 0f
    for (level in levels) {
        if (!(level > before)) return false
        before = level
    }
    return true
}

/** An IEEE 754 half-precision number, exactly. */
internal fun halfToFloat(half: Short): Float {
    val bits = half.toInt() and 0xFFFF
    val exponent = bits shr 10 and 31
    val fraction = bits and 1023
    val magnitude = when (exponent) {
        0 -> Math.scalb(fraction.toFloat(), -24)
        31 -> if (fraction == 0) Float.POSITIVE_INFINITY else Float.NaN
        else -> Math.scalb((1024 + fraction).toFloat(), exponent - 25)
    }
    return if (bits < 0x8000) magnitude else -magnitude
}
