package edgediff.tokens

import edgediff.diff.Kind
import edgediff.format.Fields
import edgediff.format.TOKENIZER_FILE
import edgediff.runtime.Fixtures
import org.junit.jupiter.api.io.TempDir
import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** Tokens are those of Hugging Face's `tokenizers`, wherever a text is cut. */
class TokensTest {
    @TempDir
    lateinit var folder: File

    private fun bundleOf(variant: Fields): File =
        folder.apply { resolve(TOKENIZER_FILE).writeText(variant.text("tokenizer")) }

    @Test
    fun `the base's tokens of every text, pair and window are Python's`() {
        var rows = 0
        val differing = pythonTokens.each("bundle").flatMap { group ->
            val kind = Kind.entries.single { it.text == group.text("kind") }
            val tokens = tokensOf(Fixtures.base, kind, group.integer("max_length").toInt())
            group.each("rows").mapNotNull { row -> Row(row).differs(tokens).also { rows++ } }
        }
        assertEquals("", differing.joinToString("\n"))
        assertTrue(rows > 1500, "only $rows")
    }

    @Test
    fun `every setting of BERT's tokenizers is followed as Python does`() {
        val variants = pythonTokens.each("variants")
        assertEquals(6, variants.size)
        val differing = variants.flatMap { variant ->
            val tokens = tokensOf(bundleOf(variant))
            variant.each("rows").mapNotNull { row -> Row(row).differs(tokens)?.let { "${variant.text("name")}: $it" } }
        }
        assertEquals("", differing.joinToString("\n"))
    }

    @Test
    fun `half a surrogate pair is dropped, or a character as any other`() {
        val tokens = tokensOf(Fixtures.base)
        fun ids(text: String) = tokens.features(listOf(text)).single().ids.asList()
        val (high, low) = "\uD83D" to "\uDE00"
        for (half in listOf(high, low, low + high, high + high)) {
            assertEquals(ids("lights on"), ids("lig${half}hts$half on$half"), half)
            assertEquals(ids(""), ids(half))
        }
        val careless = tokensOf(bundleOf(pythonTokens.each("variants").single { it.text("name") == "not cleaned" }))
        val feature = careless.features(listOf("$low a$high \u302E$high\u1B44")).single()
        assertEquals(listOf(0, 0, 2, 5, 0), feature.starts.asList())
    }
}
