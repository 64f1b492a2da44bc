package edgediff.tokens

/** The words of [text], parted by white space. */
internal fun splitWords(text: String): List<String> {
    val words = ArrayList<String>()
    var start = -1 // of the word that is being read
    var at = 0
    while (at < text.length) {
        val code = text.codePointAt(at)
        if (isPythonSpace(code)) {
            if (start >= 0) words += text.substring(start, at)
            start = -1
        } else if (start < 0) {
            start = at
        }
        at += Character.charCount(code)
    }
    if (start >= 0) words += text.substring(start)
    return words
}

/** The text that has these words, parted by single spaces. */
internal fun joinWords(words: List<String>): String = words.joinToString(" ")

/**
 * The position of each word's first token, -1 for a word without one: it was cut off, or the tokenizer drops its
 * characters. [feature] is of `joinWords(words)`.
 */
internal fun firstTokens(feature: Feature, words: List<String>): IntArray {
    val first = IntArray(words.size) { -1 }
    val ends = words.runningFold(-1) { end, word -> end + 1 + word.length }.drop(1) // of each word
    var word = 0
    for (token in 0 until feature.size) {
        if (feature.sequence[token] != 0 || feature.ends[token] <= feature.starts[token]) continue
        // A token may begin with the space before its word, so its last character tells which word it is of.
        while (word < words.size && ends[word] <= feature.ends[token] - 1) word++
        if (word < words.size && first[word] < 0) first[word] = token
    }
    return first
}

/** [text] without white space at its ends, and how much was dropped at its start. */
internal fun stripped(text: String): Pair<String, Int> {
    val start = text.indices.firstOrNull { !isPythonSpace(text[it].code) } ?: return "" to text.length
    val end = text.indices.last { !isPythonSpace(text[it].code) } + 1
    return text.substring(start, end) to start
}
