package edgediff.format

import java.math.BigInteger
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.nio.charset.CodingErrorAction

private const val MAX_DEPTH = 64
private const val MAX_NUMBER_CHARACTERS = 1000
private const val END = '\uFFFF'

/** Bytes that are not the JSON expected; the message says what was found, and where. */
internal class JsonError(message: String, cause: Throwable? = null) : Exception(message, cause)

/**
 * The value of a JSON text (RFC 8259) in UTF-8: a [Map], [List], [String], [Boolean] or null; a [Long] for a number
 * without fraction or exponent ([BigInteger] for one beyond), else a [Double].
 *
 * A key that stands twice means the last. Takes time and memory in proportion to the bytes.
 *
 * @throws JsonError not such a text; or one with half a surrogate pair, nested deeper than 64, or with a number of more
 *   than 1,000 characters.
 */
internal fun parseJson(bytes: ByteArray): Any? {
    val decoder = Charsets.UTF_8.newDecoder()
        .onMalformedInput(CodingErrorAction.REPORT)
        .onUnmappableCharacter(CodingErrorAction.REPORT)
    val text = try {
        decoder.decode(ByteBuffer.wrap(bytes)).toString()
    } catch (error: CharacterCodingException) {
        throw JsonError("not UTF-8", error)
    }
    return JsonParser(text).parse().also(::refuseHalfPairs)
}

private class JsonParser(private val text: String) {
    private var at = 0

    fun parse(): Any? {
        val value = value(0)
        if (next() != END || at < text.length) fail("the end")
        return value
    }

    private fun value(depth: Int): Any? = when (next()) {
        '{' -> objectValue(depth + 1)
        '[' -> arrayValue(depth + 1)
        '"' -> string()
        't' -> word("true", true)
        'f' -> word("false", false)
        'n' -> word("null", null)
        else -> number()
    }

    private fun objectValue(depth: Int): Map<String, Any?> {
        val fields = LinkedHashMap<String, Any?>()
        items('}', depth) {
            if (next() != '"') fail("a key")
            val key = string()
            if (next() != ':') fail("a colon")
            at++
            fields[key] = value(depth)
        }
        return fields
    }

    private fun arrayValue(depth: Int): List<Any?> {
        val values = ArrayList<Any?>()
        items(']', depth) { values.add(value(depth)) }
        return values
    }

    /** Reads from an opening bracket to [close], with a comma between each [item] and the next. */
    private inline fun items(close: Char, depth: Int, item: () -> Unit) {
        if (depth > MAX_DEPTH) throw JsonError("nested deeper than $MAX_DEPTH")
        at++
        if (next() != close) {
            item()
            while (next() == ',') {
                at++
                item()
            }
        }
        if (next() != close) fail("a comma or $close")
        at++
    }

    private fun string(): String {
        val content = StringBuilder()
        var from = ++at
        while (true) {
            val character = here()
            if (character == '"' || character == '\\') {
                content.append(text, from, at++)
                if (character == '"') return content.toString()
                content.append(escaped())
                from = at
            } else if (character < ' ' || at == text.length) {
                fail("the rest of a text")
            } else {
                at++
            }
        }
    }

    private fun escaped(): Char = when (val letter = here().also { at++ }) {
        '"', '\\', '/' -> letter
        'b' -> '\b'
        'f' -> '\u000C'
        'n' -> '\n'
        'r' -> '\r'
        't' -> '\t'
        'u' -> {
            var code = 0
            repeat(4) { code = code * 16 + hexDigit() }
            code.toChar()
        }
        else -> {
            at--
            fail("an escape")
        }
    }

    private fun hexDigit(): Int = when (val digit = here()) {
        in '0'..'9' -> digit - '0'
        in 'a'..'f' -> digit - 'a' + 10
        in 'A'..'F' -> digit - 'A' + 10
        else -> fail("a hexadecimal digit")
    }.also { at++ }

    private fun number(): Number {
        val start = at
        if (here() == '-') at++
        if (here() == '0') at++ else digits()
        val whole = at
        if (here() == '.') {
            at++
            digits()
        }
        if (here() == 'e' || here() == 'E') {
            at++
            if (here() == '+' || here() == '-') at++
            digits()
        }
        if (at - start > MAX_NUMBER_CHARACTERS) throw JsonError("a number of ${at - start} characters")
        val number = text.substring(start, at)
        return if (at > whole) number.toDouble() else number.toLongOrNull() ?: BigInteger(number)
    }

    private fun digits() {
        if (here() !in '0'..'9') fail("a value or a digit")
        while (here() in '0'..'9') at++
    }

    private fun <T> word(word: String, value: T): T {
        if (!text.startsWith(word, at)) fail(word)
        at += word.length
        return value
    }

    /** The next character that is no white space, or [END]. */
    private fun next(): Char {
        while (here() == ' ' || here() == '\n' || here() == '\t' || here() == '\r') at++
        return here()
    }

    private fun here(): Char = if (at < text.length) text[at] else END

    private fun fail(expected: String): Nothing {
        val found = if (at < text.length) "character %04x".format(text[at].code) else "the end"
        throw JsonError("$found at $at, expected $expected")
    }
}

/** JSON can name half a surrogate pair, which is no character: refused wherever it is left in [value]. */
private fun refuseHalfPairs(value: Any?) {
    when (value) {
        is String -> if (hasHalfPair(value)) throw JsonError("half a surrogate pair in a text")
        is List<*> -> value.forEach(::refuseHalfPairs)
        is Map<*, *> -> value.forEach { (key, item) ->
            refuseHalfPairs(key)
            refuseHalfPairs(item)
        }
    }
}

private fun hasHalfPair(text: String): Boolean {
    var at = 0
    while (at < text.length) {
        if (text[at].isSurrogate()) {
            if (at + 1 == text.length || !Character.isSurrogatePair(text[at], text[at + 1])) return true
            at++
        }
        at++
    }
    return false
}
