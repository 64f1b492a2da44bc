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
        val codes = Growing(end - start)
        val starts = Growing(end - start)
        val ends = Growing(end - start)
        var at = start
        while (at < end) {
            val code = text.codePointAt(at)
            val after = at + Character.charCount(code)
            changed(code) {
                codes.add(it)
                starts.add(at)
                ends.add(after)
            }
            at = after
        }
        return Normalized(codes.toArray(), starts.toArray(), ends.toArray())
    }

    private inline fun changed(given: Int, add: (Int) -> Unit) {
        if (cleanText && isDropped(given)) return
        val code = if (cleanText && isWhiteSpace(given)) ' '.code else given
        val apart = chineseApart && isChinese(code)
        if (apart) add(' '.code)
        if (code < 0x80) {
            add(if (lowercase && code in 'A'.code..'Z'.code) code + ('a' - 'A') else code)
        } else {
            val parts = if (stripAccents) decompose(code) else String(Character.toChars(code))
            forEachCode(parts) { part ->
                if (stripAccents && isAccent(part)) return@forEachCode
                if (lowercase) forEachCode(lowercased(part), add) else add(part)
            }
        }
        if (apart) add(' '.code)
    }
}

private fun lowercased(code: Int): String = String(Character.toChars(code)).lowercase()

private inline fun forEachCode(text: String, use: (Int) -> Unit) {
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
