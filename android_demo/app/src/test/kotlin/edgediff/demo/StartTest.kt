package edgediff.demo

import android.content.res.AssetManager
import android.view.View
import android.widget.Spinner
import java.io.File
import java.io.RandomAccessFile
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config

@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34])
class StartTest {
    @get:Rule
    internal val phone = Phone(installed = false)
    private val pushed: File get() = checkNotNull(RuntimeEnvironment.getApplication().getExternalFilesDir(null))

    @Test
    fun `without a base the screen says how to get one, and nothing can be asked`() {
        phone.start()
        assertEquals(
            "There is no base on this phone: run android_demo/push on a computer that it is connected to.",
            phone.read(R.id.problem),
        )
        assertEquals("No base is open", phone.read(R.id.status))
        assertTrue(listOf(R.id.ask, R.id.measure, R.id.open_file).none { phone.view<View>(it).isEnabled })
    }

    @Test
    fun `a base that is pushed meanwhile is opened when the user comes back`() {
        phone.start()
        phone.install(pushed)
        phone.leaveAndReturn()
        assertFalse(phone.isShown(R.id.problem))
        assertEquals(3, phone.view<Spinner>(R.id.tasks).count)
        phone.type("stop the music")
        phone.choose("voice-commands")
        phone.tap(R.id.ask)
        assertEquals("stop_music", phone.read(R.id.headline))
    }

    @Test
    fun `a base without tasks can take one, and says that it has none`() {
        phone.install(pushed)
        File(pushed, "tasks").deleteRecursively()
        phone.start()
        assertTrue(phone.read(R.id.status).startsWith("0 tasks on one base"))
        assertFalse(phone.view<View>(R.id.ask).isEnabled)
        assertTrue(phone.view<View>(R.id.open_file).isEnabled)
    }

    @Test
    fun `a half-pushed base is told in one sentence`() {
        phone.install(pushed)
        RandomAccessFile(File(pushed, "base/weights.bin"), "rw").use { it.setLength(1000) }
        phone.start()
        val sentence = phone.read(R.id.problem)
        assertTrue(sentence.startsWith("base/weights.bin has 1000 bytes, the manifest states "), sentence)
    }

    @Test
    fun `a bad task among good ones is told, and the others are there`() {
        phone.install(phone.files)
        File(phone.files, "tasks/broken.dpf").writeText("no diff")
        phone.start()
        assertTrue(phone.read(R.id.problem).startsWith("tasks/broken.dpf"), phone.read(R.id.problem))
        assertEquals(3, phone.view<Spinner>(R.id.tasks).count)
    }

    @Test
    fun `too little space for the base has a sentence with both sizes`() {
        val places = Places(null, phone.files, File(phone.files, "unpacked/1"), phone.cache)
        assertEquals(
            "Unpacking the base needs 1,108 MB of space, and 5 MB are free.",
            RuntimeEnvironment.getApplication().resources.sentence(NoSpaceProblem(1_107_600_000, 5_200_000), places),
        )
    }

    @Test
    fun `models that come with the app are listed, with their sizes and bytes`() {
        val apk = File(phone.cache, "models.apk")
        val files = mapOf("base/base.json" to "{}", "tasks/a.dpf" to "a task", "other/file" to "none of it")
        ZipOutputStream(apk.outputStream()).use { zip ->
            for ((path, text) in files) {
                zip.putNextEntry(ZipEntry("assets/$path"))
                zip.write(text.toByteArray())
            }
        }
        val assets = RuntimeEnvironment.getApplication().assets
        assertEquals(emptyList(), assets.packed())
        AssetManager::class.java.getMethod("addAssetPath", String::class.java).invoke(assets, apk.path)
        val found = assets.packed().associateBy { it.path }
        assertEquals(setOf("base/base.json", "tasks/a.dpf"), found.keys)
        for ((path, packed) in found) {
            assertEquals(files.getValue(path), packed.open().use { it.readBytes().decodeToString() })
            assertEquals(files.getValue(path).length.toLong(), packed.bytes)
        }
    }
}
