package edgediff.format

import edgediff.ChecksumError
import edgediff.FormatError
import edgediff.LimitError
import edgediff.TruncatedError
import org.junit.jupiter.api.io.TempDir
import java.io.File
import java.io.RandomAccessFile
import kotlin.system.exitProcess
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs

private const val MAX_ENTRIES = 1 shl 26

class DamageTest {
    @TempDir
    lateinit var folder: File

    @Test
    fun `a file cut anywhere is refused with a FormatError`() {
        for (id in listOf("valid-by-hand", "valid-no-tensor", "valid-classes-both", "valid-levels-128")) {
            val data = Vector.named(id).data
            for (length in data.indices) {
                assertFailsWith<FormatError>("$id cut to $length") { loads(data.copyOf(length)) }
            }
        }
    }

    @Test
    fun `a file with any bit flipped is refused with a FormatError`() {
        val data = Vector.named("valid-by-hand").data
        for (at in data.indices) {
            for (bit in 0 until 8) {
                val changed = data.clone().apply { this[at] = (this[at].toInt() xor (1 shl bit)).toByte() }
                assertFailsWith<FormatError>("bit $bit of byte $at") { loads(changed) }
            }
        }
    }

    @Test
    fun `the header of a file that ends within META is refused, of one that goes on it is read`() {
        val data = Vector.named("valid-by-hand").data
        val metaEnd = 24 + littleEndian(data).getInt(16)
        for (length in data.indices) {
            val file = File(folder, "cut.dpf").apply { writeBytes(data.copyOf(length)) }
            if (length < metaEnd + 32) assertFailsWith<TruncatedError>("cut to $length") { readHeader(file) }
            else assertEquals(3, readHeader(file).nnz)
        }
    }

    @Test
    fun `the header is not that of a file with another META`() {
        val data = Vector.named("valid-by-hand").data.apply { this[30] = (this[30] + 1).toByte() }
        assertFailsWith<ChecksumError> { readHeader(File(folder, "changed.dpf").apply { writeBytes(data) }) }
    }

    @Test
    fun `an error names the file and keeps its kind and cause`() {
        val file = File(folder, "task.dpf").apply { writeBytes(Vector.named("valid-by-hand").data.copyOf(100)) }
        val error = assertFailsWith<TruncatedError> { readDpf(file) }
        assertContains(error.message.orEmpty(), "task.dpf: section META claims 189 bytes")
        assertIs<TruncatedError>(error.cause)
    }

    @Test
    fun `what is no file is refused by its name`() {
        for (file in listOf(File(folder, "missing.dpf"), folder)) {
            assertContains(assertFailsWith<FormatError> { readDpf(file) }.message.orEmpty(), "cannot read $file")
            assertContains(assertFailsWith<FormatError> { readHeader(file) }.message.orEmpty(), "cannot read $file")
        }
    }

    @Test
    fun `a file beyond the limit is refused before it is read`() {
        val file = File(folder, "large.dpf")
        RandomAccessFile(file, "rw").use { it.setLength((1L shl 40) + 1) }
        assertFailsWith<LimitError> { readDpf(file) }
        assertFailsWith<LimitError> { readHeader(file) }
    }

    @Test
    fun `a quotient that leads beyond 64 bits is refused`() {
        val zeros = 1 shl 25 // shifted by 39, in 64 bits, this would come back as 0
        val roomy = NumberSet(2L * zeros, zeros) // allows the streams as many bits
        val quotients = ByteArray(zeros / 8) + byteArrayOf(-128) + ByteArray(zeros / 8) { -1 }
        quotients[quotients.size - 1] = -1
        val reader = SetReader(quotients + ByteArray(5), 0, quotients.size, listOf(NumberSet(1L shl 40, 1), roomy))
        val error = assertFailsWith<FormatError> { reader.members(NumberSet(1L shl 40, 1)) }
        assertContains(error.message.orEmpty(), "beyond any universe")
    }

    @Test
    fun `a small file of as many entries as the format allows is refused where there is no memory for them`() {
        val parts = takeApart(Vector.named("valid-tensor-all").data).toMutableMap()
        val meta = parts.getValue("meta").decodeToString()
        val table = Regex(""""tensors":\[.*]""")
        parts["meta"] = meta.replace(table, """"tensors":[["w",[8192,8192],$MAX_ENTRIES]]""").toByteArray()
        parts["numbers"] = encodeNumbers(listOf(1, 1, MAX_ENTRIES.toLong()))
        parts["codes"] = ByteArray(MAX_ENTRIES)
        val file = File(folder, "many.dpf").apply { writeBytes(putTogether(parts)) }
        val java = File(System.getProperty("java.home"), "bin/java").path
        val classes = System.getProperty("surefire.test.class.path") ?: System.getProperty("java.class.path")
        val child = ProcessBuilder(java, "-Xmx96m", "-cp", classes, "edgediff.format.ReadInOwnProcess", file.path)
            .redirectErrorStream(true).start()
        val said = child.inputReader().readText().trim()
        assertEquals("LimitError: $file: the diff needs more memory than there is", said)
    }
}

/** Reads the file named by its argument, and prints how it is refused. */
object ReadInOwnProcess {
    @JvmStatic
    fun main(arguments: Array<String>) {
        try {
            readDpf(File(arguments.single()))
        } catch (error: FormatError) {
            println("${error.javaClass.simpleName}: ${error.message}")
            exitProcess(1)
        }
    }
}
