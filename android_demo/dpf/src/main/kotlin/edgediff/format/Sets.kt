package edgediff.format

import edgediff.FormatError
import edgediff.TruncatedError

private const val LARGEST_UNIVERSE = 1L shl 40

/**
 * How many of how many: all that is known of a set of whole numbers before its members are read.
 *
 * @property universe the members are from 0 to below it.
 * @property size how many members.
 */
internal class NumberSet(val universe: Long, val size: Int) {
    /** Whether the numbers that it lacks are written, because these are fewer. */
    val inverted: Boolean get() = 2L * size > universe

    /** How many numbers are written: m. */
    val written: Int get() = if (inverted) (universe - size).toInt() else size

    /**
     * The k of the Rice code: the largest with `133 * m * 2^k < 64 * (2 * universe - m)`, or 0.
     *
     * It makes a quotient of 0 about as likely as the golden ratio's 0.618, which is where the next k begins to be
     * the shorter one (Gallager, van Voorhis 1975).
     */
    val riceParameter: Int
        get() {
            val most = (64 * (2 * universe - written) - 1) / (133L * maxOf(written, 1)) // 2^k is at most this
            return if (most == 0L) 0 else 63 - java.lang.Long.numberOfLeadingZeros(most)
        }

    /** How many bits its quotients may take: a one for each, zeros up to its last place. */
    val mostQuotientBits: Long get() = if (written == 0) 0 else written + ((universe - written) shr riceParameter)
}

/**
 * Reads sets as Rice-coded gaps (Golomb 1966, Rice 1979), one after another.
 *
 * @param data holds the quotients from [quotientsAt] on, and the remainders from [remaindersAt] to its end.
 * @param sets all that will be read; nothing is taken from the streams that was not found to be there.
 * @throws FormatError of the kind that says what is wrong with the streams.
 */
internal class SetReader(
    private val data: ByteArray,
    quotientsAt: Int,
    private val remaindersAt: Int,
    sets: List<NumberSet>,
) {
    private val quotients = BitReader(data, quotientsAt, remaindersAt)
    private val remainders: List<BitReader>

    init {
        checkQuotients(data, quotientsAt, remaindersAt, sets)
        val written = LongArray(Long.SIZE_BITS) // for each k
        for (set in sets) written[set.riceParameter] += set.written.toLong()
        remainders = remainderStreams(written)
    }

    /** The members of the next set, ascending. */
    fun members(set: NumberSet): LongArray {
        val written = written(set)
        return if (set.inverted) leftOut(written, set) else written
    }

    private fun written(set: NumberSet): LongArray {
        val k = set.riceParameter
        val low = remainders[k]
        val numbers = LongArray(set.written)
        var next = 0L // the least that the next number can be
        for (i in numbers.indices) {
            val quotient = quotients.zeros()
            if (quotient > LARGEST_UNIVERSE shr k) {
                throw FormatError("section INDX has a quotient that leads beyond any universe")
            }
            val number = next + (quotient shl k) + low.read(k)
            if (number >= set.universe) throw FormatError("section INDX: a set of ${set.universe} numbers has $number")
            numbers[i] = number
            next = number + 1
        }
        return numbers
    }

    /** A reader of each k's stream of remainders; [written] are their lengths in numbers. */
    private fun remainderStreams(written: LongArray): List<BitReader> {
        var at = remaindersAt
        val readers = written.mapIndexed { k, count ->
            val bits = count * k
            val end = at + (bits + 7) / 8
            if (end > data.size) throw TruncatedError("section INDX ends within the remainders of $count entries")
            val fill = (8 - bits % 8).toInt() % 8
            if (fill > 0 && data[end.toInt() - 1].toInt() and (1 shl fill) - 1 != 0) {
                throw FormatError("section INDX has a bit set after the last remainder of a stream")
            }
            BitReader(data, at, end.toInt()).also { at = end.toInt() }
        }
        if (at < data.size) throw TruncatedError("section INDX has ${data.size - at} bytes after its last remainder")
        return readers
    }
}

/** Checks that the quotients of [sets] fill [data] from [start] to before [end], as many as there must be. */
private fun checkQuotients(data: ByteArray, start: Int, end: Int, sets: List<NumberSet>) {
    val written = sets.sumOf { it.written.toLong() }
    val bits = 8L * (end - start)
    if (written > bits) throw TruncatedError("section INDX has ${end - start} bytes of quotients, too few for its sets")
    if (sets.sumOf { it.mostQuotientBits } + 7 < bits) {
        throw FormatError("section INDX has ${end - start} bytes of quotients, too many for its sets")
    }
    var ones = 0L
    for (at in start until end) ones += Integer.bitCount(data[at].toInt() and 0xFF)
    if (ones != written) throw FormatError("section INDX holds $ones quotients, its sets have $written")
    if (end > start && data[end - 1] == 0.toByte()) {
        throw FormatError("section INDX has more than 7 bits after its last quotient")
    }
}

/** The numbers of the [set]'s universe that are not [written]. */
private fun leftOut(written: LongArray, set: NumberSet): LongArray {
    val members = LongArray(set.size)
    var at = 0
    var number = 0L
    for (absent in written) {
        while (number < absent) members[at++] = number++
        number++
    }
    while (at < members.size) members[at++] = number++
    return members
}
