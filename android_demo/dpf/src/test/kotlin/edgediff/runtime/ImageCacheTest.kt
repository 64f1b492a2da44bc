package edgediff.runtime

import edgediff.BundleError
import edgediff.format.MANIFEST_FILE
import edgediff.format.MODEL_FILE
import edgediff.format.WEIGHTS_FILE
import java.io.File
import java.io.RandomAccessFile
import java.nio.file.Files
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotEquals
import org.junit.jupiter.api.Test

/** Images are kept, checked, shared and built anew; where they cannot be, tasks get a session each. */
class ImageCacheTest {
    private val dpf = Fixtures.tasks.first()

    @Test
    fun `an image is built once and then opened`() {
        val built = image(Fixtures.cache).resolve(IMAGE_FILE)
        val time = built.lastModified()
        live(Fixtures.cache).close()
        assertEquals(time, built.lastModified())
        assertEquals(listOf(IMAGE_FILE, MODEL_FILE, "record.bin"), built.parentFile.list().orEmpty().sorted())
    }

    @Test
    fun `a damaged image is built anew, whichever file it is`() {
        val cache = copyOfCache()
        val count = 4L + 2 + 4 * 8 // of orders, behind the layout, no refusal, and size and CRC-32 of two files
        for ((name, place) in listOf(IMAGE_FILE to null, MODEL_FILE to null, "record.bin" to null, "record.bin" to count)) {
            val file = image(cache).resolve(name)
            flipBit(file, place ?: (file.length() / 2))
            val damaged = check(file)
            live(cache).close()
            assertNotEquals(damaged, check(image(cache).resolve(name)), name)
        }
        cache.deleteRecursively()
    }

    @Test
    fun `a shortened image is built anew`() {
        val cache = copyOfCache()
        RandomAccessFile(image(cache).resolve(IMAGE_FILE), "rw").use { it.setLength(it.length() / 2) }
        live(cache).close()
        assertEquals(check(image(Fixtures.cache).resolve(IMAGE_FILE)), check(image(cache).resolve(IMAGE_FILE)))
        cache.deleteRecursively()
    }

    @Test
    fun `what a killed process left is removed`() {
        val cache = copyOfCache()
        val left = File(cache, ".temporary-left").apply { mkdir() }
        File(left, IMAGE_FILE).writeText("half")
        live(cache).close()
        assertEquals(emptyList(), temporaries(cache))
        cache.deleteRecursively()
    }

    @Test
    fun `a process that is killed with a task active leaves the image as it was and no file`() {
        val cache = copyOfCache()
        val before = image(cache).listFiles().orEmpty().sorted().map(::check)
        Child(cache, dpf).use(Child::await)
        assertEquals(before, image(cache).listFiles().orEmpty().sorted().map(::check))
        assertEquals(emptyList(), temporaries(cache))
        cache.deleteRecursively()
    }

    @Test
    fun `two processes do not see one another`() {
        val alone = live(Fixtures.cache).use { answers(it) }
        Child(Fixtures.cache, dpf).use { child ->
            child.await()
            assertEquals(alone, live(Fixtures.cache).use { answers(it) })
        }
    }

    @Test
    fun `without a folder for images tasks get a session each, and the log says why`() {
        val file = File.createTempFile("edgediff", null)
        val log = ArrayList<String>()
        openBase(Fixtures.base, file, log = log::add).use { base ->
            assertEquals(Mode.SESSION, base.mode)
            assertEquals(live(Fixtures.cache).use(::answers), answers(base))
        }
        assertContains(log.single(), "tasks get a session each: live mode is not sure here: the cache folder $file cannot be made")
        assertContains(assertFailsWith<BundleError> { live(file) }.message.orEmpty(), "live mode is not sure here")
        file.delete()
    }

    @Test
    fun `without space for the image tasks get a session each, and nothing is left`() {
        val cache = object : File(Fixtures.temporary().path) {
            override fun getUsableSpace() = 50_000_000L
        }
        val log = ArrayList<String>()
        openBase(Fixtures.base, cache, log = log::add).use { assertEquals(Mode.SESSION, it.mode) }
        assertContains(log.single(), "$cache has 50 MB of space left, live mode needs")
        assertEquals(listOf("lock"), cache.list().orEmpty().toList())
        cache.deleteRecursively()
    }

    @Test
    fun `what was found to be unsure is not tried again`() {
        val cache = copyOfCache()
        Record.writeRefusal(image(cache), "the kernels moved")
        val log = ArrayList<String>()
        openBase(Fixtures.base, cache, log = log::add).use { assertEquals(Mode.SESSION, it.mode) }
        assertContains(log.single(), "the kernels moved (as ${image(cache)} says)")
        cache.deleteRecursively()
    }

    @Test
    fun `no image is made of weights that are not those of the manifest`() {
        val bundle = Fixtures.temporary()
        for (name in listOf(MANIFEST_FILE, MODEL_FILE, "tokenizer.json", "tokenizer_config.json")) {
            Files.createLink(bundle.resolve(name).toPath(), Fixtures.base.resolve(name).toPath())
        }
        val weights = Fixtures.base.resolve(WEIGHTS_FILE).copyTo(bundle.resolve(WEIGHTS_FILE))
        flipBit(weights, weights.length() / 2)
        val cache = Fixtures.temporary()
        val error = assertFailsWith<BundleError> { openBase(bundle, cache, Mode.LIVE) }
        assertContains(error.message.orEmpty(), "$weights is damaged: it has another SHA-256")
        bundle.deleteRecursively()
        cache.deleteRecursively()
    }

    private fun live(cache: File) = openBase(Fixtures.base, cache, Mode.LIVE, threads = 1)

    private fun answers(base: OpenBase): List<AnyAnswer> {
        val expected = Expected.all.first { it.file == dpf }
        return base.run(base.add(dpf).name, expected.texts, expected.pairs)
    }

    private fun copyOfCache(): File {
        live(Fixtures.cache).close()
        return Fixtures.temporary().also { image(Fixtures.cache).copyRecursively(File(it, image(Fixtures.cache).name)) }
    }

    private fun image(cache: File): File = cache.listFiles { file -> file.name.startsWith("image-") }.orEmpty().single()

    private fun temporaries(cache: File) = cache.list().orEmpty().filter { it.startsWith(".") }

    private fun flipBit(file: File, place: Long) = RandomAccessFile(file, "rw").use {
        it.seek(place)
        val byte = it.read()
        it.seek(place)
        it.write(byte xor 0x80)
    }
}
