package edgediff.format

import edgediff.FormatError
import edgediff.TruncatedError

private const val MAX_NUMBER_LENGTH = 6

/**
 * Whole numbers in base 128: seven bits a byte, lowest first, the highest bit set while more follow (LEB128).
 *
 * @throws TruncatedError the last number does not end.
 * @throws FormatError a number is longer than it need be, or than the format allows.
 */
internal fun decodeNumbers(data: ByteArray, section: String): LongArray {
    val numbers = LongArray(data.count { it >= 0 })
    var at = 0
    for (i in numbers.indices) {
        val start = at
        var number = 0L
        do {
            if (at - start == MAX_NUMBER_LENGTH) {
                throw FormatError("section $section has a number of more than $MAX_NUMBER_LENGTH bytes")
            }
            val byte = data[at]
            number = number or (byte.toLong() and 127 shl 7 * (at++ - start))
        } while (byte < 0)
        if (at - start > 1 && data[at - 1] == 0.toByte()) {
            throw FormatError("section $section has a number that is longer than it need be")
        }
        numbers[i] = number
    }
    if (at < data.size) throw TruncatedError("section $section ends within a number")
    return numbers
}
