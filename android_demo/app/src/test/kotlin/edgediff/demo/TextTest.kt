package edgediff.demo

import edgediff.runtime.Answer
import edgediff.runtime.LabelledWords
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config

private val STRANGE = listOf(
    "🎵🔥👩‍👩‍👧‍👦 play 🎵",
    "أطفئ الموسيقى في المطبخ",
    "כבה את האור \u202Eלאט\u202C",
    "\u0000\u0001\u001B[31m stop\u0007 the\u200B mu\u00ADsic",
    "\uD83C alone",
    "\uFFFD\uFEFF\u2028\u2029",
)

@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34])
class TextTest {
    @get:Rule
    internal val phone = Phone()

    @Test
    fun `nothing typed is told, not answered`() {
        phone.start()
        for (nothing in listOf("", "   ", "\n\t ")) {
            phone.type(nothing)
            phone.tap(R.id.ask)
            assertEquals("Type a text first.", phone.read(R.id.problem))
            assertFalse(phone.isShown(R.id.answer))
        }
    }

    @Test
    fun `a pair that lacks one text is told, not answered`() {
        phone.start()
        phone.choose("same-command")
        phone.type("ring my sister")
        phone.tap(R.id.ask)
        assertEquals("Type a text first.", phone.read(R.id.problem))
        phone.type("call my sister", R.id.pair)
        phone.tap(R.id.ask)
        assertFalse(phone.isShown(R.id.problem))
        assertTrue(phone.isShown(R.id.answer))
    }

    @Test
    fun `emoji, right-to-left and control characters are answered as the library does`() {
        phone.start()
        val labels = phone.library { it.run("voice-commands", STRANGE) }.map { (it as Answer).labels.single() }
        val words = phone.library { it.run("command-words", STRANGE) }.map { it as LabelledWords }
        for ((row, text) in STRANGE.withIndex()) {
            phone.type(text)
            phone.choose("voice-commands")
            phone.tap(R.id.ask)
            assertEquals(labels[row], phone.read(R.id.headline), text)
            phone.choose("command-words")
            phone.tap(R.id.ask)
            assertEquals(words[row].words.joinToString(" ") { it.word }, phone.read(R.id.passage))
        }
    }

    @Test
    fun `a text that is too long is answered, and said to be cut`() {
        phone.start()
        phone.choose("voice-commands")
        phone.type("stop the music " + "please ".repeat(300))
        phone.tap(R.id.ask)
        assertTrue(phone.isShown(R.id.cut))
        assertTrue(phone.isShown(R.id.headline))
        phone.type("stop the music")
        phone.tap(R.id.ask)
        assertFalse(phone.isShown(R.id.cut))
    }

    @Test
    fun `a whole book fills the field, is said to be cut, and outlives the process`() {
        phone.start()
        phone.choose("command-words")
        phone.type("it was the best of times ".repeat(40_000))
        assertEquals(MAX_CHARACTERS, phone.read(R.id.text).length)
        phone.tap(R.id.ask)
        assertTrue(phone.isShown(R.id.cut))
        val shown = phone.read(R.id.passage)
        phone.killAndReturn()
        assertEquals(shown, phone.read(R.id.passage))
    }
}
