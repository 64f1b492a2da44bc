package edgediff.format

import java.math.BigInteger
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class JsonTest {
    private fun parse(text: String) = parseJson(text.toByteArray())

    private fun assertRefused(vararg texts: String) {
        for (text in texts) assertFailsWith<JsonError>(text) { parse(text) }
    }

    @Test
    fun `every kind of value is read`() {
        val text = " {\"a\" : [ true , false,null,\r\n\t-12, 0.5 ,{}, [] ] , \"\" : \"b\" } "
        val values = listOf(true, false, null, -12L, 0.5, emptyMap<String, Any>(), emptyList<Any>())
        assertEquals<Any?>(mapOf("a" to values, "" to "b"), parse(text))
    }

    @Test
    fun `integers and fractions are told apart`() {
        assertEquals(128L, parse("128"))
        assertEquals(0L, parse("-0"))
        for (text in listOf("128.0", "128e0", "1.28E+2", "12800e-2")) assertEquals(128.0, parse(text))
        assertEquals(Double.POSITIVE_INFINITY, parse("1e400"))
    }

    @Test
    fun `an integer beyond 64 bits keeps its digits`() {
        assertEquals(Long.MAX_VALUE, parse("9223372036854775807"))
        assertEquals(BigInteger("9223372036854775808"), parse("9223372036854775808"))
        assertEquals(Long.MIN_VALUE, parse("-9223372036854775808"))
    }

    @Test
    fun `what is no number of JSON is refused`() =
        assertRefused("01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "-Infinity", "1_0", "١")

    @Test
    fun `a number of more than 1,000 characters is refused`() {
        assertEquals(BigInteger.TEN.pow(999), parse("1" + "0".repeat(999)))
        assertRefused("1" + "0".repeat(1000), "0." + "1".repeat(999))
    }

    @Test
    fun `escapes are characters`() {
        assertEquals("\"\\/\b\u000C\n\r\t\u00E9\u0000", parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u0000\""))
        assertEquals("😀😀", parse("\"\\ud83d\\uDE00😀\""))
    }

    @Test
    fun `a text that is not whole is refused`() = assertRefused(
        "\"", "\"a", "\"\\", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u١٢٣٤\"",
        "\"\u0001\"", "\"\n\"", "'a'",
    )

    @Test
    fun `half a surrogate pair is no text, unless a later key replaces it`() {
        assertRefused("\"\\ud83d\"", "[\"\\ude00\\ud83d\"]", "{\"\\ud83d\":1}", "{\"a\":[\"\\ud83dx\"]}")
        assertEquals(mapOf("a" to 1L), parse("{\"a\":\"\\ud83d\",\"a\":1}"))
    }

    @Test
    fun `a key that stands twice means the last`() = assertEquals(mapOf("a" to 2L), parse("{\"a\":1,\"a\":2}"))

    @Test
    fun `what is not one whole value is refused`() = assertRefused(
        "", " ", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}",
        "{a:1}", "{1:2}", "{\"a\" 1}", "1 2", "[]]", "nul", "True", "/**/1", "1\u0000", "1\uFFFF", "\uFFFF", "\u00A01",
    )

    @Test
    fun `a byte order mark is refused`() = assertRefused("\uFEFF{}")

    @Test
    fun `what is not UTF-8 is refused`() {
        val wrong = listOf(
            listOf(0xFF), listOf(0xC0, 0x80), listOf(0xE2, 0x82),
            listOf(0xED, 0xA0, 0x80), listOf(0xF4, 0x90, 0x80, 0x80),
        )
        for (bytes in wrong) {
            val text = byteArrayOf(0x22) + bytes.map { it.toByte() } + byteArrayOf(0x22)
            assertFailsWith<JsonError>("$bytes") { parseJson(text) }
        }
    }

    @Test
    fun `deep nesting is refused, not followed`() {
        val deepest = "[".repeat(64) + "]".repeat(64)
        assertEquals(64, generateSequence(parse(deepest) as List<*>) { it.firstOrNull() as List<*>? }.count())
        assertRefused("[$deepest]", "[".repeat(1_000_000), "{\"a\":".repeat(1_000_000))
    }
}
