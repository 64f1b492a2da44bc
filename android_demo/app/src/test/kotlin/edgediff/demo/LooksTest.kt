package edgediff.demo

import android.graphics.Bitmap
import android.graphics.Canvas
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.TextView
import edgediff.runtime.AnyAnswer
import edgediff.runtime.Answer
import edgediff.runtime.Span
import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.microseconds
import org.junit.Rule
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

private const val CONTEXT =
    "The base lies on the phone once. Each task is a file of about 130 kB beside it, and a switch takes a millisecond."

@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], qualifiers = "w360dp-h740dp-xhdpi")
@GraphicsMode(GraphicsMode.Mode.NATIVE)
class LooksTest {
    @get:Rule
    internal val phone = Phone()

    @Test
    fun `by day`() {
        phone.start()
        phone.choose("voice-commands")
        phone.type("wake me at seven tomorrow morning")
        phone.tap(R.id.measure)
        phone.tap(R.id.ask)
        look("labels")
        phone.choose("command-words")
        phone.type("play some jazz in the living room at half past eight")
        phone.tap(R.id.ask)
        look("words")
        phone.choose("same-command")
        phone.type("start ringing the doctor")
        phone.type("reach the doctor by telephone please", R.id.pair)
        phone.tap(R.id.ask)
        look("pair")
    }

    @Test
    @Config(qualifiers = "+night")
    fun `by night`() {
        phone.start()
        phone.choose("command-words")
        phone.type("remind me to water the plants on sunday")
        phone.tap(R.id.ask)
        look("night")
    }

    @Test
    fun `with letters of twice the size`() {
        RuntimeEnvironment.setFontScale(2f)
        phone.start()
        phone.choose("voice-commands")
        phone.type("get the milk on the list " + "and the bread ".repeat(100))
        phone.tap(R.id.measure)
        phone.tap(R.id.ask)
        look("large")
        phone.choose("command-words")
        phone.type("play some jazz in the living room at half past eight")
        phone.tap(R.id.ask)
        look("large-words")
    }

    @Test
    @Config(qualifiers = "+ar-ldrtl")
    fun `from right to left`() {
        phone.start()
        phone.choose("voice-commands")
        phone.type("أطفئ الموسيقى في المطبخ")
        phone.tap(R.id.ask)
        look("rtl")
        assertEquals(View.LAYOUT_DIRECTION_RTL, phone.root.layoutDirection)
    }

    @Test
    @Config(qualifiers = "+land")
    fun `with the phone on its side`() {
        phone.start()
        phone.choose("voice-commands")
        phone.type("stop the music")
        phone.tap(R.id.ask)
        look("side")
    }

    @Test
    fun `with a problem`() {
        File(phone.files, "tasks/other.dpf").writeBytes(Fixtures.ofAnotherBase())
        phone.start()
        look("problem")
    }

    @Test
    fun `a number stands alone`() {
        phone.start()
        show(Answer(emptyList(), 3.4125f, emptyMap()))
        assertEquals("3.412", phone.read(R.id.headline))
        assertEquals(emptyList(), phone.bars())
        look("number")
    }

    @Test
    fun `an answer to a question stands above the text it was found in`() {
        phone.start()
        show(Span("about 130 kB", CONTEXT.indexOf("about"), 9.5))
        assertEquals("about 130 kB", phone.read(R.id.headline))
        assertEquals(CONTEXT, phone.read(R.id.passage))
        look("span")
        show(Span("", 0, 1.0))
        assertEquals("No answer in this text", phone.read(R.id.headline))
    }

    @Test
    fun `several labels stand together, and none is said`() {
        phone.start()
        show(Answer(listOf("joy", "surprise"), null, mapOf("anger" to 0.01, "joy" to 0.9, "surprise" to 0.7)))
        assertEquals("joy, surprise", phone.read(R.id.headline))
        assertEquals(listOf("joy: 90.0%", "surprise: 70.0%", "anger: 1.0%"), phone.bars())
        show(Answer(emptyList(), null, mapOf("anger" to 0.01)))
        assertEquals("No label is likely", phone.read(R.id.headline))
    }

    @Test
    fun `a screen reader names each field, and speaks answers and problems`() {
        phone.start()
        val page = phone.root.getChildAt(0) as ViewGroup
        val card = page.getChildAt(3) as ViewGroup
        val named = List(card.childCount, card::getChildAt).map { it.labelFor }
        assertTrue(named.containsAll(listOf(R.id.tasks, R.id.text, R.id.pair)))
        assertEquals(View.ACCESSIBILITY_LIVE_REGION_POLITE, phone.view<View>(R.id.headline).accessibilityLiveRegion)
        assertEquals(View.ACCESSIBILITY_LIVE_REGION_ASSERTIVE, phone.view<View>(R.id.problem).accessibilityLiveRegion)
    }

    /** For kinds of answers that no task here gives. */
    private fun show(answer: AnyAnswer) {
        val question = Question("demo", "How large is a task?", CONTEXT)
        val outcome = Outcome(question, answer, cut = false, 131_000, 410.microseconds, 5200.microseconds)
        AnswerCard(phone.view(R.id.answer)).show(outcome)
        phone.settle()
    }

    /** Checks that all of the screen can be read and touched, and keeps a picture of it. */
    private fun look(name: String) {
        val page = phone.root.getChildAt(0)
        val picture = Bitmap.createBitmap(page.width, maxOf(page.height, phone.root.height), Bitmap.Config.ARGB_8888)
        val canvas = Canvas(picture)
        canvas.drawColor(phone.activity.getColor(R.color.background))
        page.draw(canvas)
        File(Fixtures.pictures, "app-$name.png").outputStream().use { file ->
            picture.compress(Bitmap.CompressFormat.PNG, 100, file)
        }
        picture.recycle()
        checkAll(page, page.width)
    }

    private fun checkAll(view: View, width: Int) {
        if (view.visibility != View.VISIBLE) return
        assertTrue(view.left >= 0 && view.right <= width, "$view lies within its parent")
        if (view.isClickable && view.isFocusable) {
            val least = 48 * view.resources.displayMetrics.density
            assertTrue(view.height >= least && view.width >= least, "$view is large enough for a finger")
        }
        if (view is TextView) checkText(view)
        if (view is ViewGroup) (0 until view.childCount).forEach { checkAll(view.getChildAt(it), view.width) }
    }

    private fun checkText(view: TextView) {
        val text = checkNotNull(view.layout) { "$view is laid out" }
        val name = "'${view.text}'"
        val lines = 0 until text.lineCount
        assertTrue(lines.all { text.getEllipsisCount(it) == 0 }, "$name is whole")
        assertTrue(lines.all { text.getLineMax(it) <= text.width + 1 }, "$name is as narrow as its view")
        val room = view.height - view.totalPaddingTop - view.totalPaddingBottom
        if (view !is EditText) assertTrue(text.height <= room, "$name is as high as its view")
    }
}
