package edgediff.tokens

/**
 * The tokens of one text, without special ones around it.
 *
 * @property ids their numbers in the vocabulary.
 * @property starts the position in the text of each one's first character, in UTF-16 units.
 * @property ends the position after the last.
 */
internal class Pieces(val ids: IntArray, val starts: IntArray, val ends: IntArray) {
    val size: Int get() = ids.size

    /** From [first] to before [last]. */
    fun slice(first: Int, last: Int) =
        Pieces(ids.copyOfRange(first, last), starts.copyOfRange(first, last), ends.copyOfRange(first, last))
}

/**
 * A token that stands for a text as it is written.
 *
 * @property left whether it takes in the white space before it.
 * @property right and after it.
 */
internal class Added(val id: Int, val left: Boolean, val right: Boolean)

/**
 * WordPiece: each word is the longest pieces of the vocabulary one after another (Devlin et al., arXiv 1810.04805).
 *
 * Equal to Hugging Face's `tokenizers` but for characters on which Java's and Rust's Unicode tables differ: some
 * hundred marks, punctuation and capital letters that came with Unicode 9 or later, and three whose category changed.
 *
 * @property vocabulary numbers by token; a token that continues a word begins with [prefix].
 * @property unknown stands for a word that has no pieces, or more than [longestWord] characters.
 * @property added tokens that are found in a text before anything else is done to it.
 */
internal class WordPiece(
    private val normalizer: Normalizer,
    private val vocabulary: Map<String, Int>,
    private val unknown: Int,
    private val prefix: String,
    private val longestWord: Int,
    private val added: Map<String, Added>,
) {
    private val addedPattern: Regex? = added.keys.filter { it.isNotEmpty() }.sortedByDescending { it.length }
        .joinToString("|", transform = Regex::escape).ifEmpty { null }?.toRegex()

    fun encode(text: String): Pieces {
        val found = Found()
        var from = 0
        for (match in addedPattern?.findAll(text).orEmpty()) {
            val token = added.getValue(match.value)
            var start = match.range.first
            var end = match.range.last + 1
            if (token.left) while (start > from && isWhiteSpace(text[start - 1].code)) start--
            if (token.right) while (end < text.length && isWhiteSpace(text[end].code)) end++
            plain(text, from, start, found)
            found.add(token.id, start, end)
            from = end
        }
        plain(text, from, text.length, found)
        return found.pieces()
    }

    /** A part of a text without added tokens. */
    private fun plain(text: String, start: Int, end: Int, found: Found) {
        val normalized = normalizer.normalize(text, start, end)
        normalized.forEachWord { first, last -> word(normalized, first, last, found) }
    }

    private fun word(text: Normalized, first: Int, last: Int, found: Found) {
        val before = found.size
        var at = first
        while (at < last && last - first <= longestWord) {
            val (end, id) = longest(text, at, last, at > first) ?: break
            found.add(id, text.starts[at], text.ends[end - 1])
            at = end
        }
        if (at < last) {
            found.cutTo(before)
            found.add(unknown, text.starts[first], text.ends[last - 1])
        }
    }

    /** The longest token that the word goes on with at [at]: where it ends, and its number. */
    private fun longest(text: Normalized, at: Int, last: Int, continues: Boolean): Pair<Int, Int>? {
        val start = if (continues) prefix else ""
        for (end in last downTo at + 1) {
            val id = vocabulary[start + String(text.codes, at, end - at)]
            if (id != null) return end to id
        }
        return null
    }
}

/** Gives [use] where each word begins and the place after it: white space parts words, and punctuation is one each. */
internal inline fun Normalized.forEachWord(use: (Int, Int) -> Unit) {
    var at = 0
    while (at < size) {
        val first = at++
        if (isWhiteSpace(codes[first])) continue
        if (!isPunctuation(codes[first])) {
            while (at < size && !isWhiteSpace(codes[at]) && !isPunctuation(codes[at])) at++
        }
        use(first, at)
    }
}

private class Found {
    private val ids = Growing(0)
    private val starts = Growing(0)
    private val ends = Growing(0)
    val size: Int get() = ids.size

    fun add(id: Int, start: Int, end: Int) {
        ids.add(id)
        starts.add(start)
        ends.add(end)
    }

    fun cutTo(size: Int) = listOf(ids, starts, ends).forEach { it.cutTo(size) }

    fun pieces() = Pieces(ids.toArray(), starts.toArray(), ends.toArray())
}
