package edgediff.demo

import android.view.View
import android.widget.Spinner
import kotlin.test.assertEquals
import kotlin.test.assertNotSame
import kotlin.test.assertSame
import kotlin.test.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config

@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34])
class KeepTest {
    @get:Rule
    internal val phone = Phone()

    @Test
    fun `rotation keeps texts, task, answer and the open base`() {
        askAboutPair()
        val (before, activity, work) = Triple(all(), phone.activity, phone.activity.work)
        phone.rotate()
        assertNotSame(activity, phone.activity)
        assertSame(work, phone.activity.work)
        assertEquals(before, all())
        assertTrue(activity.isDestroyed)
    }

    @Test
    fun `an answer that comes after a rotation is shown`() {
        phone.start()
        phone.choose("voice-commands")
        phone.type("stop the music")
        phone.view<View>(R.id.ask).performClick()
        phone.rotate()
        assertEquals("stop_music", phone.read(R.id.headline))
    }

    @Test
    fun `the end of the process keeps texts, task and answer of each kind`() {
        askAboutPair()
        val pair = all()
        phone.killAndReturn()
        assertEquals(pair, all())

        phone.choose("command-words")
        phone.type("call the doctor at seven")
        phone.tap(R.id.ask)
        val words = all()
        phone.killAndReturn()
        assertEquals(words, all())
    }

    @Test
    fun `after the end of the process it goes on answering`() {
        askAboutPair()
        phone.killAndReturn()
        val before = phone.bars()
        phone.type("quite another thing", R.id.pair)
        phone.tap(R.id.ask)
        assertTrue(before != phone.bars())
    }

    @Test
    fun `the base is closed when the app is finished`() {
        askAboutPair()
        val thread = phone.activity.work.thread
        phone.end()
        assertTrue(thread.isTerminated)
    }

    private fun askAboutPair() {
        phone.start()
        phone.choose("same-command")
        phone.type("ring my sister")
        phone.type("give my sister a call", R.id.pair)
        phone.tap(R.id.measure)
        phone.tap(R.id.ask)
    }

    private fun all(): List<Any?> = listOf(
        phone.view<Spinner>(R.id.tasks).selectedItem,
        phone.bars(),
    ) + listOf(R.id.text, R.id.pair, R.id.asked_task, R.id.headline, R.id.passage, R.id.facts, R.id.median, R.id.status)
        .map { phone.isShown(it) to phone.read(it) }
}
