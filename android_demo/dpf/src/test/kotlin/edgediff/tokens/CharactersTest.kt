package edgediff.tokens

import edgediff.runtime.Fixtures
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

private const val CODE_POINTS = 0x110000
private const val MOST_DIFFERING = 600

/** In Unicode 3.2 and still told apart: later versions moved these three to another category. */
private val MOVED = setOf(0x166D, 0x1885, 0x1886)

/**
 * Each of the 1,112,064 characters there are, between two letters.
 *
 * Python's tokenizers follow Unicode 8 in part and the newest version in part, Java the version that it came with, so
 * characters of later versions may differ.
 */
class CharactersTest {
    private val old = values("named_in_unicode_3")

    @Test
    fun `every character's words are Python's, but for some hundred that are new`() {
        val normalizer = Normalizer(cleanText = true, chineseApart = true, stripAccents = true, lowercase = true)
        assertFewDiffer("words_of_characters") { text, character ->
            val normalized = normalizer.normalize(text, 0, text.length)
            val words = ArrayList<String>()
            normalized.forEachWord { first, last -> words += String(normalized.codes, first, last - first) }
            words.joinToString(" ").let { if (character > "b") it.replace(character, "*") else it }
        }
    }

    @Test
    fun `every character's tokens are Python's, but for some hundred that are new`() {
        val wordPiece = readTokenizer(Fixtures.base).wordPiece
        assertFewDiffer("tokens_of_characters") { text, _ -> wordPiece.encode(text).ids.joinToString(" ") }
    }

    private fun assertFewDiffer(name: String, seen: (String, String) -> String) {
        val expected = values(name)
        var count = 0
        val differing = characters().filter { code ->
            val character = String(Character.toChars(code))
            count++
            seen("a${character}b", character) != expected[code]
        }.toList()
        assertEquals(1_112_064, count)
        println("$name: ${differing.size} differ, ${differing.count { !Character.isDefined(it) }} unknown to Java")
        assertEquals(emptyList(), differing.filter { old[it] == true && it !in MOVED }.map { "U+%04X".format(it) })
        assertTrue(differing.size <= MOST_DIFFERING, "${differing.size} characters differ")
    }

    private fun characters() = (0 until CODE_POINTS).asSequence().filter { it !in 0xD800..0xDFFF }

    /** By code point what `tokens.json` has as the first code points of ranges. */
    private fun values(name: String): Array<Any?> {
        val found = arrayOfNulls<Any?>(CODE_POINTS)
        val ranges = pythonTokens.array(name).map { it as List<*> }
        val starts = ranges.map { (it[0] as Long).toInt() } + CODE_POINTS
        for ((number, range) in ranges.withIndex()) found.fill(range[1], starts[number], starts[number + 1])
        return found
    }
}
