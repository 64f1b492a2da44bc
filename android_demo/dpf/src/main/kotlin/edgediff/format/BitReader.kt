package edgediff.format

/** Reads the bit stream in [bytes] from [at] to before [end]; each byte begins with its highest bit. */
internal class BitReader(private val bytes: ByteArray, private var at: Int, private val end: Int) {
    private var bits = 0L // the next ones on top, zeros below
    private var count = 0 // how many of them are the stream's

    /** How many zero bits stand before the next one, which is read too. There must be one. */
    fun zeros(): Long {
        var zeros = 0L
        while (bits == 0L) {
            zeros += count
            count = 0
            fill()
        }
        val more = java.lang.Long.numberOfLeadingZeros(bits)
        bits = bits shl more shl 1
        count -= more + 1
        return zeros + more
    }

    /** The next [width] bits, highest first, 56 at most. There must be as many. */
    fun read(width: Int): Long {
        if (width == 0) return 0
        if (count < width) fill()
        val number = bits ushr 64 - width
        bits = bits shl width
        count -= width
        return number
    }

    private fun fill() {
        while (count <= 56 && at < end) {
            bits = bits or (bytes[at++].toLong() and 0xFF shl 56 - count)
            count += 8
        }
    }
}
