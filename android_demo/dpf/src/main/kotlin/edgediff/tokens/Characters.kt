package edgediff.tokens

import java.text.Normalizer

/** Unicode's property White_Space, as Rust's `char::is_whitespace` has it. */
internal fun isWhiteSpace(code: Int): Boolean =
    code in 0x09..0x0D || code == 0x85 || code == 0xA0 || Character.isSpaceChar(code)

/** What Python's `str.isspace` takes for space: the separators of ASCII too. */
internal fun isPythonSpace(code: Int): Boolean = isWhiteSpace(code) || code in 0x1C..0x1F

/** BERT's punctuation: every ASCII character that is no letter, digit, space or control, and Unicode's category P. */
internal fun isPunctuation(code: Int): Boolean {
    if (code < 0x80) return code in 0x21..0x2F || code in 0x3A..0x40 || code in 0x5B..0x60 || code in 0x7B..0x7E
    return when (Character.getType(code).toByte()) {
        Character.CONNECTOR_PUNCTUATION, Character.DASH_PUNCTUATION, Character.START_PUNCTUATION,
        Character.END_PUNCTUATION, Character.INITIAL_QUOTE_PUNCTUATION, Character.FINAL_QUOTE_PUNCTUATION,
        Character.OTHER_PUNCTUATION,
        -> true
        else -> false
    }
}

/** The blocks of Chinese characters, which BERT makes a word each (Hangul, Hiragana and Katakana are not). */
internal fun isChinese(code: Int): Boolean =
    code in 0x4E00..0x9FFF || code in 0x3400..0x4DBF || code in 0x20000..0x2A6DF || code in 0x2A700..0x2B73F ||
        code in 0x2B740..0x2B81F || code in 0x2B920..0x2CEAF || code in 0xF900..0xFAFF || code in 0x2F800..0x2FA1F

/** What BERT drops from a text: NUL, the replacement character, and Unicode's categories Cc, Cf, Co and Cs. */
internal fun isDropped(code: Int): Boolean {
    if (code == 0 || code == 0xFFFD) return true
    if (code == '\t'.code || code == '\n'.code || code == '\r'.code) return false
    return when (Character.getType(code).toByte()) {
        Character.CONTROL, Character.FORMAT, Character.PRIVATE_USE, Character.SURROGATE -> true
        else -> false
    }
}

/** A mark that only sits on another character: what is left of an accent after decomposition. */
internal fun isAccent(code: Int): Boolean = Character.getType(code) == Character.NON_SPACING_MARK.toInt()

/** A character that goes onto the one before. */
internal fun isMark(code: Int): Boolean = when (Character.getType(code).toByte()) {
    Character.NON_SPACING_MARK, Character.COMBINING_SPACING_MARK, Character.ENCLOSING_MARK -> true
    else -> false
}

/** The canonical decomposition (NFD) of one character. */
internal fun decompose(code: Int): String {
    val text = String(Character.toChars(code))
    return if (code < 0xC0) text else decompose(text)
}

/** The canonical decomposition (NFD) of a text. */
internal fun decompose(text: String): String = Normalizer.normalize(text, Normalizer.Form.NFD)
