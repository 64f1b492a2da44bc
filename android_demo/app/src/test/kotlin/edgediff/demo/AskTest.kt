package edgediff.demo

import android.text.format.Formatter
import android.view.View
import android.widget.Spinner
import android.widget.TextView
import edgediff.runtime.Answer
import edgediff.runtime.LabelledWords
import java.io.File
import java.text.NumberFormat
import kotlin.math.roundToInt
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config

@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34])
class AskTest {
    @get:Rule
    internal val phone = Phone()
    private val percent = NumberFormat.getPercentInstance().apply {
        minimumFractionDigits = 1
        maximumFractionDigits = 1
    }

    @Test
    fun `a typed sentence is answered as the library does`() {
        phone.start()
        phone.choose("voice-commands")
        val text = "turn the lamp in the kitchen up"
        phone.type(text)
        phone.tap(R.id.ask)

        val wanted = phone.library { it.run("voice-commands", listOf(text)) }.single() as Answer
        assertEquals(wanted.labels.single(), phone.read(R.id.headline))
        val best = wanted.scores.entries.sortedByDescending { it.value }.take(5)
        assertEquals(best.map { "${it.key}: ${percent.format(it.value)}" }, phone.bars())
        assertEquals(best.map { (it.value * 1000).roundToInt() }, phone.progress())
        assertEquals("and ${wanted.scores.size - 5} less likely labels", phone.read(R.id.more))
        assertEquals("voice-commands", phone.read(R.id.asked_task))
        assertFalse(phone.isShown(R.id.cut))
        assertFalse(phone.isShown(R.id.problem))
    }

    @Test
    fun `a task on pairs has two fields, and is answered as the library does`() {
        phone.start()
        phone.choose("voice-commands")
        assertFalse(phone.isShown(R.id.pair))
        phone.choose("same-command")
        assertTrue(phone.isShown(R.id.pair))
        phone.type("ring my sister")
        phone.type("give my sister a call", R.id.pair)
        phone.tap(R.id.ask)

        val wanted = phone.library {
            it.run("same-command", listOf("ring my sister"), listOf("give my sister a call"))
        }.single() as Answer
        assertEquals(wanted.labels.single(), phone.read(R.id.headline))
        val best = wanted.scores.entries.sortedByDescending { it.value }
        assertEquals(best.map { "${it.key}: ${percent.format(it.value)}" }, phone.bars())
    }

    @Test
    fun `a task on words shows the words, and those with a label below`() {
        phone.start()
        phone.choose("command-words")
        val text = "play some  jazz in the kitchen at seven"
        phone.type(text)
        phone.tap(R.id.ask)

        val answer = phone.library { it.run("command-words", listOf(text)) }.single() as LabelledWords
        val wanted = answer.words.filter { it.label != "O" }
        assertEquals("play some jazz in the kitchen at seven", phone.read(R.id.passage))
        assertEquals("${wanted.size} words have a label", phone.read(R.id.headline))
        assertTrue(wanted.size > 1)
        assertEquals(wanted.map { "${it.word} → ${it.label}: ${percent.format(it.probability)}" }, phone.bars())
    }

    @Test
    fun `each task that is asked in turn gives its own answer`() {
        phone.start()
        phone.type("play some jazz in the kitchen")
        phone.choose("voice-commands")
        phone.tap(R.id.ask)
        val before = phone.bars()
        phone.choose("command-words")
        phone.tap(R.id.ask)
        assertEquals("command-words", phone.read(R.id.asked_task))
        phone.choose("voice-commands")
        phone.tap(R.id.ask)
        assertEquals(before, phone.bars())
    }

    @Test
    fun `below an answer stand the size of the file and the times of switch and run`() {
        phone.start()
        phone.choose("voice-commands")
        phone.type("stop the music")
        phone.tap(R.id.ask)
val size = Formatter.formatShortFileSize(phone.activity, File(phone.files, "tasks/voice-commands.dpf").length())
        val facts = phone.read(R.id.facts)
        assertTrue(Regex("""$size file · switch \d+\.\d\d\u00A0ms · run \d+\.\d\u00A0ms""").matches(facts), facts)
    }

    @Test
    fun `a hundred switches give their median`() {
        phone.start()
        assertFalse(phone.isShown(R.id.median))
        phone.tap(R.id.measure)
        val median = phone.read(R.id.median)
        assertTrue(Regex("""100 switches, median \d+\.\d\d\u00A0ms""").matches(median), median)
    }

    @Test
    fun `while work goes on nothing can be tapped`() {
        phone.start()
        phone.type("stop the music")
        phone.view<View>(R.id.ask).performClick()
        assertTrue(listOf(R.id.ask, R.id.measure, R.id.open_file).none { phone.view<View>(it).isEnabled })
        assertTrue(phone.isShown(R.id.busy))
        phone.settle()
        assertTrue(listOf(R.id.ask, R.id.measure, R.id.open_file).all { phone.view<View>(it).isEnabled })
        assertFalse(phone.isShown(R.id.busy))
    }

    @Test
    fun `the picker lists all tasks`() {
        phone.start()
        val spinner = phone.view<Spinner>(R.id.tasks)
        val listed = List(spinner.count) { (spinner.adapter.getView(it, null, spinner) as TextView).text.toString() }
        assertEquals(listOf("command-words", "same-command", "voice-commands"), listed)
        assertTrue(phone.read(R.id.status).startsWith("3 tasks on one base"))
    }
}
