package edgediff.demo

import java.io.ByteArrayInputStream
import java.io.File
import java.io.IOException
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class UnpackTest {
    private val own = Fixtures.temporary()
    private val cache = Fixtures.temporary()
    private val places = Places(pushed = null, own, unpacked = File(own, "unpacked/2"), cache)

    @AfterTest
    fun remove() {
        own.deleteRecursively()
        cache.deleteRecursively()
    }

    @Test
    fun `what comes with the app is unpacked once, and opened`() {
        var unpacked = 0
        val files = listOf(Fixtures.base, Fixtures.tasks[0].parentFile).flatMap { folder ->
            folder.listFiles().orEmpty().map { Packed("${folder.name}/${it.name}", it.length(), it::inputStream) }
        }
        repeat(2) {
            Performer(places) { files.also { unpacked++ } }.use { performer ->
                assertEquals(Fixtures.tasks.map { it.nameWithoutExtension }, performer.open().tasks.map { it.name })
            }
        }
        assertEquals(1, unpacked)
        assertEquals(listOf("2"), File(own, "unpacked").list()?.asList())
    }

    @Test
    fun `files of an earlier version of the app are let go`() {
        File(own, "unpacked/1/base").mkdirs()
        places.unpack(listOf(packed("base/base.json", "{}")))
        assertEquals(listOf("2"), File(own, "unpacked").list()?.asList())
        assertEquals(File(own, "unpacked/2/base"), places.base())
    }

    @Test
    fun `half-unpacked files never count, and leave nothing`() {
        val torn = Packed("base/weights.bin", 10) { throw IOException("torn") }
        assertFailsWith<IOException> { places.unpack(listOf(packed("base/base.json", "{}"), torn)) }
        assertEquals(null, places.base())
        assertEquals(emptyList(), File(own, "unpacked").list()?.asList())
    }

    @Test
    fun `files left by a process that was killed in the middle never count`() {
        File(own, "unpacked/2.part/base").mkdirs()
        File(own, "unpacked/2.part/base/base.json").writeText("{}")
        assertEquals(null, places.base())
        places.unpack(listOf(packed("base/base.json", "{}")))
        assertEquals(listOf("2"), File(own, "unpacked").list()?.asList())
    }

    @Test
    fun `too little space is found before anything is written`() {
        val huge = Packed("base/weights.bin", Long.MAX_VALUE / 2) { error("it must not be opened") }
        val problem = assertFailsWith<NoSpaceProblem> { places.unpack(listOf(huge)) }
        assertTrue(problem.needed > problem.free)
        assertEquals(emptyList(), File(own, "unpacked").list()?.asList())
    }

    @Test
    fun `pushed files hide those of their names, and a pushed base is taken first`() {
        val pushed = Fixtures.temporary()
        val all = Places(pushed, own, File(own, "unpacked/2"), cache)
        for (folder in listOf(pushed, own)) {
            File(folder, "tasks").mkdirs()
            File(folder, "tasks/a.dpf").writeText("")
            File(folder, "base").mkdirs()
            File(folder, "base/base.json").writeText("")
        }
        File(own, "tasks/b.dpf").writeText("")
        File(own, "tasks/notes.txt").writeText("")
        assertEquals(listOf(File(pushed, "tasks/a.dpf"), File(own, "tasks/b.dpf")), all.tasks())
        assertEquals(File(pushed, "base"), all.base())
        pushed.deleteRecursively()
    }

    private fun packed(path: String, text: String) =
        Packed(path, text.length.toLong()) { ByteArrayInputStream(text.toByteArray()) }
}
