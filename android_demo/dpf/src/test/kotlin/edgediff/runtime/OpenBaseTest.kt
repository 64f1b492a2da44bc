package edgediff.runtime

import edgediff.BaseMismatchError
import edgediff.BundleError
import edgediff.FormatError
import edgediff.SettingError
import edgediff.TaskError
import edgediff.format.Vector
import edgediff.format.readHeader
import edgediff.format.readManifest
import java.io.File
import java.util.concurrent.Callable
import java.util.concurrent.Executors
import kotlin.random.Random
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource
import org.junit.jupiter.api.Test

/** Tasks of an open base: added, asked, switched, removed, refused. */
class OpenBaseTest {
    private val opened = ArrayList<OpenBase>()

    @AfterEach
    fun close() = opened.forEach(OpenBase::close)

    private fun open(mode: Mode = Mode.AUTO) =
        openBase(Fixtures.base, Fixtures.cache, mode, threads = 1).also(opened::add)

    private fun answers(base: OpenBase, name: String, expected: Expected) = base.run(name, expected.texts, expected.pairs)

    @ParameterizedTest
    @EnumSource(names = ["LIVE", "SESSION"])
    fun `eight threads get the answers that one gets`(mode: Mode) {
        val base = open(mode)
        val names = Expected.all.associateWith { base.add(it.file).name }
        val wanted = Expected.all.associateWith { answers(base, names.getValue(it), it) }
        val pool = Executors.newFixedThreadPool(8)
        val asked = List(8) { number ->
            pool.submit(Callable { Expected.all.shuffled(Random(number)).map { it to answers(base, names.getValue(it), it) } })
        }
        for ((expected, found) in asked.flatMap { it.get() }) assertEquals(wanted[expected], found)
        pool.shutdown()
    }

    @ParameterizedTest
    @EnumSource(names = ["LIVE", "SESSION"])
    fun `more tasks than stay ready are answered all the same`(mode: Mode) {
        val base = open(mode)
        val expected = Expected.all.first()
        val names = List(18) { base.add(expected.file, "task $it").name }
        val first = base.run(names[0], expected.texts.take(2), expected.pairs?.take(2))
        for (name in names) assertEquals(first, base.run(name, expected.texts.take(2), expected.pairs?.take(2)))
        assertEquals(first, base.run(names[0], expected.texts.take(2), expected.pairs?.take(2)))
    }

    @Test
    fun `live mode is what a base opens in here`() = assertEquals(Mode.LIVE, open().mode)

    @Test
    fun `a task is known by its name, its definition and its size`() {
        val base = open()
        for (file in Fixtures.tasks) {
            val task = base.add(file)
            assertEquals(readHeader(file).task, task.definition)
            assertEquals(task.definition.name, task.name)
            assertEquals(file.length(), task.fileBytes)
        }
        assertEquals(Fixtures.tasks.map { it.nameWithoutExtension }.toSet(), base.tasks.keys)
    }

    @Test
    fun `a name is taken once, and free when its task is removed`() {
        val base = open()
        val expected = Expected.all.first()
        val task = base.add(expected.file)
        assertContains(assertFailsWith<SettingError> { base.add(expected.file) }.message.orEmpty(), "was added already")
        base.add(expected.file, "another")
        val answers = answers(base, "another", expected)
        base.activate(task.name)
        base.remove(task.name)
        assertContains(assertFailsWith<TaskError> { base.activate(task.name) }.message.orEmpty(), "there are another")
        assertEquals(answers, answers(base, base.add(expected.file).name, expected))
    }

    @Test
    fun `a closed base answers nothing`() {
        val base = open()
        val name = base.add(Fixtures.tasks.first()).name
        base.close()
        base.close()
        for (ask in listOf({ base.activate(name) }, { base.deactivate() }, { base.remove(name) })) {
            assertEquals("the base is closed: open it again", assertFailsWith<SettingError> { ask() }.message)
        }
    }

    @Test
    fun `a diff for another base is refused with both fingerprints`() {
        val file = File.createTempFile("other", ".dpf")
        file.writeBytes(Vector.valid.first().data)
        val message = assertFailsWith<BaseMismatchError> { open().add(file) }.message.orEmpty()
        assertContains(message, readHeader(file).base.fingerprint)
        assertContains(message, readManifest(Fixtures.base).base.fingerprint)
        file.delete()
    }

    @Test
    fun `a file that is missing, damaged or of another task by now is refused`() {
        val base = open()
        val missing = File("missing.dpf")
        assertContains(assertFailsWith<FormatError> { base.add(missing) }.message.orEmpty(), "cannot read missing.dpf")
        val file = File.createTempFile("task", ".dpf")
        val (one, two) = Fixtures.tasks
        file.writeBytes(one.readBytes())
        base.add(file, "changes")
        file.writeBytes(two.readBytes())
        assertContains(assertFailsWith<TaskError> { base.activate("changes") }.message.orEmpty(), "add it again")
        file.writeBytes(one.readBytes().also { it[it.size / 2] = (it[it.size / 2] + 1).toByte() })
        assertFailsWith<FormatError> { base.activate("changes") }
        file.writeBytes(one.readBytes())
        base.activate("changes")
        file.delete()
    }

    @Test
    fun `a folder that is no bundle is refused`() {
        val error = assertFailsWith<BundleError> { openBase(File("missing"), Fixtures.cache) }
        assertContains(error.message.orEmpty(), "missing is no base bundle")
    }
}
