package edgediff.demo

import android.app.Activity
import android.content.Intent
import android.net.Uri
import android.view.View
import android.widget.Spinner
import java.io.ByteArrayInputStream
import java.io.File
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34])
class OpenFileTest {
    @get:Rule
    internal val phone = Phone()
    private val good = Fixtures.tasks.first { it.name == "voice-commands.dpf" }.readBytes()

    @Test
    fun `a good file is kept, chosen and answers, also after the next start`() {
        File(phone.files, "tasks/voice-commands.dpf").delete()
        phone.start()
        open("voice-commands.dpf", good)
        assertFalse(phone.isShown(R.id.problem))
        assertEquals("voice-commands", phone.view<Spinner>(R.id.tasks).selectedItem)
        assertEquals("Text", phone.read(R.id.text_label))
        phone.type("stop the music")
        phone.tap(R.id.ask)
        assertEquals("stop_music", phone.read(R.id.headline))

        phone.end()
        phone.start()
        phone.choose("voice-commands")
        phone.type("stop the music")
        phone.tap(R.id.ask)
        assertEquals("stop_music", phone.read(R.id.headline))
    }

    @Test
    fun `a task that is there already comes a second time, with a number`() {
        phone.start()
        open("again.dpf", good)
        assertEquals("voice-commands (2)", phone.view<Spinner>(R.id.tasks).selectedItem)
        phone.type("stop the music")
        phone.tap(R.id.ask)
        assertEquals("stop_music", phone.read(R.id.headline))
    }

    @Test
    fun `bad files are refused in a sentence, and nothing of them is left`() {
        phone.start()
        val before = tree()
        val damaged = good.copyOf().also { it[good.size / 2] = (it[good.size / 2] + 1).toByte() }
        val bad = mapOf(
            "short.dpf" to good.copyOf(good.size / 2),
            "shorter.dpf" to good.copyOf(good.size - 1),
            "damaged.dpf" to damaged,
            "empty.dpf" to ByteArray(0),
            "photo.jpg" to ByteArray(5000) { (it * 31).toByte() },
            "zeros.dpf" to ByteArray(100),
            "../../escape" to ByteArray(3),
            "..." to ByteArray(3),
        )
        for ((name, bytes) in bad) {
            open(name, bytes)
            val sentence = phone.read(R.id.problem)
            assertTrue(phone.isShown(R.id.problem), name)
            assertFalse(sentence.contains(phone.cache.path) || sentence.contains(phone.files.path), sentence)
            if (name[0] != '.') assertTrue(name in sentence, sentence)
            assertEquals(3, phone.view<Spinner>(R.id.tasks).count)
            assertEquals(before, tree(), name)
        }
    }

    @Test
    fun `a file of another base is refused with the names of both`() {
        phone.start()
        val before = tree()
        open("other.dpf", Fixtures.ofAnotherBase())
        assertTrue(Regex("other.dpf was made for the base .* with fingerprint .*").matches(phone.read(R.id.problem)))
        assertEquals(before, tree())
    }

    @Test
    fun `a file that cannot be opened is told`() {
        phone.start()
        val uri = Uri.parse("content://files/forbidden")
        shadowOf(phone.activity.contentResolver)
            .registerInputStreamSupplier(uri) { throw SecurityException("not yours") }
        answer(uri)
        assertEquals("A file cannot be used: $uri cannot be opened: not yours", phone.read(R.id.problem))
    }

    @Test
    fun `choosing no file changes nothing`() {
        phone.start()
        phone.view<View>(R.id.open_file).performClick()
        shadowOf(phone.activity).receiveResult(asked(), Activity.RESULT_CANCELED, null)
        phone.settle()
        assertFalse(phone.isShown(R.id.problem))
    }

    private fun open(name: String, bytes: ByteArray) {
        val uri = Uri.Builder().scheme("content").authority("files").appendPath(name).build()
        shadowOf(phone.activity.contentResolver).registerInputStream(uri, ByteArrayInputStream(bytes))
        answer(uri)
    }

    /** Taps the button, and chooses [uri] in the picker that it asks for. */
    private fun answer(uri: Uri) {
        phone.view<View>(R.id.open_file).performClick()
        shadowOf(phone.activity).receiveResult(asked(), Activity.RESULT_OK, Intent().setData(uri))
        phone.settle()
    }

    private fun asked(): Intent = shadowOf(phone.activity).nextStartedActivityForResult.intent.also {
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, it.action)
    }

    /** All files of the app, but the images, which are replaced as the library likes. */
    private fun tree(): Set<String> = listOf(phone.files, phone.cache)
        .flatMap { it.walk() }
        .map { it.path }
        .filter { "images" !in it }
        .toSet()
}
