package edgediff.format

import com.sun.management.ThreadMXBean
import edgediff.FormatError
import edgediff.diff.Diff
import java.lang.management.ManagementFactory
import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

private const val FILES = 3000
private const val SEED = 0

/** Mutations of the valid vectors: 3,000 files, and more until the system property `fuzz.seconds` is over. */
class FuzzTest {
    private val threads = ManagementFactory.getThreadMXBean() as ThreadMXBean

    @Test
    fun `a mutated file loads as a sound diff or is refused with a FormatError, within its memory`() {
        val corpus = Vector.valid.map { it.data }
        val until = System.nanoTime() + 1_000_000_000L * Integer.getInteger("fuzz.seconds", 0)
        val outcomes = sortedMapOf<String, Int>()
        var number = 0
        while (number < FILES || System.nanoTime() < until) {
            val random = Random(1_000_000_007L * SEED + number)
            val data = Mutator(random).mutate(corpus.random(random))
            val outcome = try {
                read(data)
            } catch (error: Throwable) {
                throw AssertionError("file ${number++} of seed $SEED, ${data.size} bytes", error)
            }
            outcomes.merge(outcome, 1, Int::plus)
            number++
        }
        println("$number mutated files: $outcomes")
        val expected = listOf("loads", "ChecksumError", "FormatError", "TruncatedError", "VersionError")
        assertTrue(outcomes.keys.containsAll(expected), "$outcomes")
    }

    /** "loads", or the name of the error with which [data] is refused. */
    private fun read(data: ByteArray): String {
        val before = threads.currentThreadAllocatedBytes
        val outcome = try {
            Result.success(loads(data))
        } catch (error: FormatError) {
            Result.failure(error)
        }
        val taken = threads.currentThreadAllocatedBytes - before
        val allowed = allowedBytes(data)
        assertTrue(taken <= allowed, "$taken bytes of memory were taken, $allowed are allowed")
        outcome.onSuccess(::checkSound)
        return outcome.fold({ "loads" }, { it.javaClass.simpleName })
    }
}

private fun checkSound(diff: Diff) {
    for (tensor in diff.tensors) {
        assertEquals(tensor.indices.size, tensor.values.size)
        assertTrue(tensor.indices.first() >= 0 && tensor.indices.last() < numel(tensor.shape))
        for (i in 1 until tensor.nnz) assertTrue(tensor.indices[i - 1] < tensor.indices[i])
        assertTrue(tensor.values.all { value -> diff.levels.any { it == value || it == -value } })
    }
    for (product in diff.products) {
        assertEquals(numel(product.shape), product.left.size.toLong() / product.rank * (product.right.size / product.rank))
        assertTrue(product.left.all { it % 1 == 0f } && product.right.all(Float::isFinite))
    }
    assertEquals(diff.task.outputs, diff.head.bias.size)
    assertEquals(diff.task.outputs * diff.base.width, diff.head.weight.size)
}

/** How much may be allocated in all: in proportion to the file, to what it inflates to, entries, rows and columns. */
private fun allowedBytes(data: ByteArray): Long {
    var allowed = (4L shl 20) + 8L * data.size // a stream may inflate to 2^20 bytes before it is refused
    try {
        val sections = splitSections(data)
        val meta = sections.getValue("META")
        val indx = sections.getValue("INDX")
        allowed += 200L * inflate(meta, 0, meta.size, 1 shl 20, "META").size
        val tables = decodeMetadata(meta, "PROD" in sections)
        val entries = tables.tensors
        allowed += 64 * minOf(tables.products.sumOf { it.size }, MAX_DEFLATE_RATIO.toLong() * data.size)
        allowed += 64 * minOf(entries.sumOf { it.nnz.toLong() }, MAX_DEFLATE_RATIO.toLong() * data.size)
        allowed += 16 * minOf(entries.sumOf { entry -> entry.shape.sumOf { minOf(it, 1L shl 20) } }, 1L shl 22)
        allowed += 200L * inflate(indx, 8, 8 + littleEndian(indx).getInt(0), 1 shl 20, "INDX").size
    } catch (_: Exception) { // nothing is read beyond where this ends
    }
    return allowed
}
