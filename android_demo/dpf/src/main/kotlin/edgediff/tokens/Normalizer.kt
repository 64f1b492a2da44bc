package edgediff.tokens

/**
 * A text as BERT sees it, each character with where it came from.
 *
 * @property codes the characters as code points.
 * @property starts for each the position in the given text that it came from, in UTF-16 units.
 * @property ends for each the position after that.
 */
internal class Normalized(val codes: IntArray, val starts: IntArray, val ends: IntArray) {
    val size: Int get() = codes.size
}

/**
 * BERT's normaliser (Devlin et al., arXiv 1810.04805, and its published code).
 *
 * @property cleanText control characters are dropped, white space of any kind becomes a space.
 * @property chineseApart Chinese characters become words of their own.
 * @property stripAccents characters are decomposed and their accents dropped.
 * @property lowercase one character at a time, so that a sigma at the end of a word is as any other.
 */
internal class Normalizer(
    private val cleanText: Boolean,
    private val chineseApart: Boolean,
    private val stripAccents: Boolean,
    private val lowercase: Boolean,
) {
    /** Normalises [text] from [start] to before [end]. */
    fun normalize(text: String, start: Int, end: Int): Normalized {
        val cleaned = decomposed(text, start, end)
        if (stripAccents) cleaned.orderMarks()
        val found = Origins(cleaned.size)
        for (at in 0 until cleaned.size) {
            val code = cleaned.codes[at]
            when {
                lowercase && code in 'A'.code..'Z'.code -> found.add(code + ('a' - 'A'), cleaned, at)
                code < 0x80 -> found.add(code, cleaned, at)
                stripAccents && isAccent(code) -> continue
                lowercase -> forEachCode(lowercased(code)) { found.add(it, cleaned, at) }
                else -> found.add(code, cleaned, at)
            }
        }
        return found.normalized()
    }

    /** The text's characters without those that are dropped, each decomposed if accents are to go. */
    private fun decomposed(text: String, start: Int, end: Int): Normalized {
        val found = Origins(end - start)
        var at = start
        while (at < end) {
            val given = text.codePointAt(at)
            val from = at
            at += Character.charCount(given)
            if (cleanText && isDropped(given)) continue
            val code = if (cleanText && isWhiteSpace(given)) ' '.code else given
            val apart = chineseApart && isChinese(code)
            if (apart) found.add(' '.code, from, at)
            if (stripAccents && code >= 0x80) {
                forEachCode(decompose(code)) { found.add(it, from, at) }
            } else {
                found.add(code, from, at)
            }
            if (apart) found.add(' '.code, from, at)
        }
        return found.normalized()
    }
}

private class Origins(capacity: Int) {
    private val codes = Growing(capacity)
    private val starts = Growing(capacity)
    private val ends = Growing(capacity)

    fun add(code: Int, start: Int, end: Int) {
        codes.add(code)
        starts.add(start)
        ends.add(end)
    }

    /** A character that stands for the one at [at] of [from]. */
    fun add(code: Int, from: Normalized, at: Int) = add(code, from.starts[at], from.ends[at])

    fun normalized() = Normalized(codes.toArray(), starts.toArray(), ends.toArray())
}

private fun lowercased(code: Int): String = String(Character.toChars(code)).lowercase()

internal inline fun forEachCode(text: String, use: (Int) -> Unit) {
    var at = 0
    while (at < text.length) {
        val code = text.codePointAt(at)
        use(code)
        at += Character.charCount(code)
    }
}

/** A list of integers without a box for each. */
internal class Growing(capacity: Int) {
    private var values = IntArray(maxOf(capacity, 8))
    var size = 0
        private set

    fun add(value: Int) {
        if (size == values.size) values = values.copyOf(2 * size)
        values[size++] = value
    }

    /** Drops all but the first [count]. */
    fun cutTo(count: Int) {
        size = count
    }

    fun toArray(): IntArray = values.copyOf(size)
}
